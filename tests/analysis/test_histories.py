"""Training curves from histories of known shape."""

import json
from typing import Any

from analysis.histories import curve_table, load_histories


def test_histories_of_a_store_are_read(small: Any) -> None:
    """A curve under another trial's name, or without the seconds that runtimes need."""
    small.run()
    trials = small.trials()
    table, notes = load_histories(trials.frame, small.store)
    assert notes == []
    assert table.groupby("trial_id").size().tolist() == [2] * len(trials.frame)
    assert set(table["seconds"]) == {1.5}
    last = table.sort_values("step").drop_duplicates("trial_id", keep="last").set_index("trial_id")
    scores = trials.frame.set_index("trial_id")["score"]
    assert last["score"].to_dict() == scores.to_dict()


def test_a_broken_history_is_told_and_the_rest_is_read(small: Any) -> None:
    """One half-written file that takes all curves with it, or is passed over in silence."""
    small.run()
    trial = small.configs[0].trial_id
    with open(small.store.path(trial, "history.jsonl"), "a") as file:
        file.write('{"step": ')
    table, notes = load_histories(small.trials().frame, small.store)
    assert table["trial_id"].nunique() == len(small.configs) - 1
    assert trial not in set(table["trial_id"])
    assert len(notes) == 1
    assert notes[0].startswith(
        f"curves and runtimes are drawn without one history: trial {trial}: "
    )


def test_curves_are_means_of_whole_seeds(frame_of: Any, histories_of: Any) -> None:
    """A seed that lacks a task pulls the curve towards the tasks that it has."""
    frame = frame_of(done=lambda c: (c.task, c.seed, c.model_size) != ("record", 1, "60k"))
    done = frame[frame["status"] == "done"]
    table = curve_table(histories_of(done, lambda t: [(5, 10.0 + t["seed"]), (10, 20.0)]), frame)
    rows = table[(table["method"] == "prompt_tuning") & (table["step"] == 5)]
    known = rows.set_index("model_size")[["mean", "n"]].to_dict("index")
    assert known["60k"] == {"mean": 10.0, "n": 1}
    assert known["2m"] == {"mean": 10.5, "n": 2}


def test_json_of_histories_is_one_object_a_line(small: Any) -> None:
    """The fixtures of this module out of step with what a session writes."""
    small.run()
    text = small.store.read(small.configs[0].trial_id, "history.jsonl").decode()
    assert all({"step", "score"} <= set(json.loads(line)) for line in text.splitlines())

"""Store and manifest as a frame: nothing is lost, nothing is invented, nothing is silent."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.frame import _asked, in_panel
from runners.config import RULES
from runners.record import TrialRecord


def test_every_planned_trial_is_a_row_in_the_order_of_the_manifest(small: Any) -> None:
    """A missing trial that simply is not there, so that means look whole."""
    small.run(small.configs[2:4])

    frame = small.trials().frame

    assert list(frame["trial_id"]) == [config.trial_id for config in small.configs]
    assert list(frame["status"]) == ["missing"] * 2 + ["done"] * 2 + ["missing"] * 4


def test_columns_are_the_fields_of_the_config_under_their_own_names(small: Any) -> None:
    """A column under another word than its field, or values that changed on the way."""
    small.run(small.configs[:1])

    frame = small.trials().frame

    row = frame.iloc[-1]
    assert set(RULES) <= set(frame.columns)
    assert (row["prompt_length"], row["learning_rate"], row["seed"]) == (20, 0.3, 1)
    assert frame["prompt_length"].dtype == "Int64"
    assert frame.iloc[0][["prompt_length", "prompt_init"]].isna().all()


def test_metrics_and_provenance_of_a_done_trial_are_columns(small: Any) -> None:
    """Numbers that a figure needs and that the frame leaves behind."""
    small.run(small.configs[:1])

    row = small.trials().frame.iloc[0]

    assert (row["score"], row["chance"], row["invalid"]) == (60.0, 60.0, 0.25)
    assert (row["model_parameters"], row["versions.torch"]) == (62_000, "2.13")
    assert (row["code"], row["data"]) == ("c0de", "data-boolq")


def test_what_is_not_known_is_missing_and_not_zero(small: Any) -> None:
    """A missing score that counts as 0 in a mean."""
    row = small.trials().frame.iloc[0]

    assert math.isnan(row["score"])
    assert row[["model_parameters", "code", "message"]].isna().all()


def test_failed_trial_says_how_it_failed(small: Any) -> None:
    """A failure that looks like a trial that was never started."""
    small.fail(small.configs[0], "out_of_memory")

    row = small.trials().frame.iloc[0]

    assert (row["status"], row["failure"]) == ("failed", "out_of_memory")
    assert row["message"] == "the loss is not finite at step 7"


def test_commit_after_a_failure_counts(small: Any) -> None:
    """A trial that stays failed although it was run again and finished."""
    small.fail(small.configs[0])
    small.run(small.configs[:1])

    row = small.trials().frame.iloc[0]

    assert row["status"] == "done"
    assert row[["failure", "message"]].isna().all()


def test_records_of_other_sweeps_are_left_out(small: Any) -> None:
    """A store shared by sweeps whose results run together."""
    stranger = replace(small.configs[0], seed=77)
    small.run([stranger, *small.configs])

    trials = small.trials()

    assert stranger.trial_id not in set(trials.frame["trial_id"])
    assert trials.notes == ()


def _metrics(record: TrialRecord, **values: Any) -> dict[str, Any]:
    return {"metrics": {**record.metrics, **values}}


def _origin(record: TrialRecord, **values: Any) -> dict[str, Any]:
    return {"provenance": {**record.provenance, **values}}


BROKEN: list[tuple[Callable[[TrialRecord], dict[str, Any]], str]] = [
    (lambda _: {"stage": "lm_adaptation"}, "its stage is 'lm_adaptation', not 'tuning'"),
    (
        lambda r: {"config": {**r.config, "promt": 1}},
        "its config has foreign keys promt",
    ),
    (
        lambda r: {"config": {**r.config, "seed": 9, "batch_size": 8}},
        "its config differs from the manifest in batch_size, seed",
    ),
    (lambda r: _metrics(r, score=100.5), "its score is 100.5, not a number from 0 to 100"),
    (lambda _: {"metrics": {"chance": 50.0}}, "its score is None, not a number from 0 to 100"),
    (lambda r: _metrics(r, chance="high"), "its metric chance is 'high', not a number"),
    (lambda r: _metrics(r, seed=1.0), "its metrics or provenance reuse the config keys seed"),
    (
        lambda r: {"provenance": {**r.provenance, "model_parameters": None}},
        "its model_parameters are None, not a count of 1 or more",
    ),
    # A column of seconds that is text; a mean over texts; a list that is asked whether it is NaN.
    (lambda r: _origin(r, seconds="12s"), "its seconds are '12s', not a number"),
    (
        lambda r: _origin(r, neighbours={"best": "x"}),
        "its neighbours.best is 'x', not a number",
    ),
    (lambda r: _origin(r, device=["a", "b"]), "its device is ['a', 'b'], not a text"),
    (
        lambda r: _origin(r, status="missing"),
        "its metrics or provenance reuse the names of columns status",
    ),
]


@pytest.mark.parametrize(("changes", "message"), BROKEN, ids=[message for _, message in BROKEN])
def test_record_that_cannot_be_used_is_told_and_the_rest_is_used(
    small: Any, record: Any, changes: Callable[[TrialRecord], dict[str, Any]], message: str
) -> None:
    """A bad record that is averaged in, or that stops everything."""
    first, second = small.configs[:2]
    small.commit(first, **changes(record(first, 60.0)))
    small.commit(second)

    trials = small.trials()

    assert list(trials.frame["status"][:2]) == ["broken", "done"]
    assert trials.frame["score"].isna()[0]
    assert trials.notes == (f"trial {first.trial_id} is left out: {message}",)


def test_one_record_of_another_shape_does_not_keep_a_sweep_from_being_drawn(
    small: Any, record: Any
) -> None:
    """One imported trial by which every panel, table and page is an error."""
    other, *rest = [config for config in small.configs if config.model_size == "60k"]
    small.commit(other, **_origin(record(other, 60.0), model_parameters=61_999))
    small.run(rest)

    trials = small.trials()

    status = trials.frame.set_index("trial_id")["status"]
    assert status[other.trial_id] == "broken"
    assert set(status[[config.trial_id for config in rest]]) == {"done"}
    assert trials.frame.set_index("trial_id").loc[other.trial_id, ["score"]].isna().all()
    (note,) = trials.notes
    assert note == (
        f"trial {other.trial_id} is left out: its model_parameters are 61999, where {len(rest)} "
        "trials of 60k state 62000; keep other shapes in a store of their own"
    )


def test_record_that_cannot_be_read_is_told_and_the_rest_is_used(small: Any) -> None:
    """One torn file that keeps a finished sweep from being drawn."""
    first, second = small.configs[:2]
    small.run([first, second])
    root = Path(small.store.root)
    for line in (root / "index").iterdir():
        line.unlink()
    (root / "trials" / first.trial_id[:2] / first.trial_id / "record.json").write_text("{")

    trials = type(small)(
        store=type(small.store)(str(root)), values=small.values, name="toy"
    ).trials()

    assert list(trials.frame["status"][:2]) == ["broken", "done"]
    assert len(trials.notes) == 1
    assert trials.notes[0].startswith(f"trial {first.trial_id} is left out: ")


def test_results_of_unlike_origin_are_told(small: Any, record: Any) -> None:
    """Two versions of code, data or checkpoint that are averaged in silence."""
    small.run(small.configs[:-1])
    last = small.configs[-1]
    drifted = {"code": "0ther", "data": "0ther", "base_checkpoint": "0ther"}
    small.commit(last, provenance=record(last, 1.0).provenance | drifted)

    assert small.trials().notes == (
        "the records come from 2 versions of the code: 0ther, c0de",
        "the records of microworld record come from 2 versions of its data",
        "the records of nano 60k lm_adaptation 1000 come from 2 versions of its base_checkpoint",
    )


def test_unlike_chance_baselines_of_one_task_are_told(small: Any, record: Any) -> None:
    """Trials scored on different examples that are compared as if they were not."""
    first, second = (c for c in small.configs if c.task == "boolq" and c.seed == 0)
    small.commit(first)
    small.commit(second, **_metrics(record(second, 50.0), chance=48.0))

    (note,) = small.trials().notes
    assert note == (
        "the records of boolq state chance levels from 48 to 60, so it has none; "
        "give all trials of a task the same training and dev examples"
    )


def test_panel_holds_the_trials_that_the_manifest_gives_it(frame_of: Any) -> None:
    """A panel that shows trials of another one."""
    rows = in_panel(frame_of(), "prompt_length")

    assert set(rows["prompt_length"]) == {1, 20}
    assert set(rows["prompt_init"]) == {"class_label"}
    assert set(rows["method"]) == {"prompt_tuning"}


def test_what_is_asked_in_other_words_is_no_drift(small: Any) -> None:
    """Catches a warning about data for a baseline that reads the same task behind a prefix."""
    small.run(small.configs)
    done = small.trials().frame
    done.loc[1, "task_prefix"] = True
    done.loc[2, "shots"] = 4

    told = _asked(done)

    assert told[0] is pd.NA
    assert told[1] == "behind its prefix"
    assert told[2] == f"behind 4 shots of seed {done.loc[2, 'seed']}"


def test_imported_trials_count_and_are_told(small: Any) -> None:
    """Stated scores that look measured, or an import that breaks for what it cannot know."""
    small.run(small.configs[:2])
    for config in small.configs[2:4]:
        source = {"format": "npy", "file": "prompt.npy", "sha256": "00ff"}
        small.commit(
            config,
            metrics={"score": 77.0},
            provenance={"measured": False, "imported_from": source, "model_parameters": 62_000},
        )

    trials = small.trials()

    (note,) = trials.notes
    assert note.startswith("2 of the records are imported (60k-")
    assert note.endswith("), with scores that are stated and not measured here")
    assert all(config.label in note for config in small.configs[2:4])
    rows = trials.frame.iloc[2:4]
    assert list(rows["status"]) == ["done"] * 2
    assert list(rows["score"]) == [77.0] * 2
    assert rows[["chance", "invalid", "code", "data", "base_checkpoint"]].isna().all(axis=None)
    assert list(rows["imported_from.file"]) == ["prompt.npy"] * 2

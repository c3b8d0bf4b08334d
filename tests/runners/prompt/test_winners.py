"""The winning prompt of each task or cell."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runners.config import TrialConfig, to_mapping
from runners.prompt.winners import GROUPINGS, find_winners
from runners.record import Failure, TrialRecord
from runners.store import Store

Commit = Callable[..., tuple[TrialRecord, Any]]
Make = Callable[..., TrialConfig]


def _scores(store: Store, by: str = "task", **filters: object) -> list[tuple[str, float, int]]:
    """Task, score and number of rivals of each winner."""
    found = find_winners(store, filters, by)
    return [
        (each.record.config["task"], each.record.metrics["score"], len(each.rivals))
        for each in found.winners
    ]


def test_each_task_has_the_trial_with_the_highest_score(
    store: Store, commit_prompt: Commit
) -> None:
    """Catches the first or the last trial taken for the best, or tasks that mix."""
    for seed, score in enumerate((40.0, 70.0, 55.0)):
        commit_prompt(task="cb", seed=seed, score=score)
        commit_prompt(task="boolq", seed=seed, score=score - 30)
    assert _scores(store) == [("boolq", 40.0, 3), ("cb", 70.0, 3)]


def test_a_cell_is_everything_but_the_seed(store: Store, commit_prompt: Commit) -> None:
    """Catches cells that merge over a field, or that hold one seed each."""
    for length in (5, 20):
        for seed in (0, 1):
            commit_prompt(prompt_length=length, seed=seed, score=length + seed)
    commit_prompt(prompt_length=5, learning_rate=1.0, score=1.0)
    found = find_winners(store, {}, "cell")
    assert [each.record.metrics["score"] for each in found.winners] == [6.0, 1.0, 21.0]
    assert [len(each.rivals) for each in found.winners] == [2, 1, 2]
    assert len(found.trials) == 5


def test_of_equal_scores_the_shorter_prompt_wins_then_the_lower_seed(
    store: Store, commit_prompt: Commit
) -> None:
    """Catches a winner that depends on the order of ids, which says nothing."""
    for length, seed in ((20, 0), (5, 2), (5, 1), (9, 0)):
        commit_prompt(prompt_length=length, seed=seed, score=60.0)
    (winner,) = find_winners(store, {}, "task").winners
    assert (winner.record.config["prompt_length"], winner.record.config["seed"]) == (5, 1)


def test_of_equals_in_all_of_this_the_lower_id_wins(store: Store, commit_prompt: Commit) -> None:
    """Catches a winner that changes when the store is read in another order."""
    records = [commit_prompt(learning_rate=rate, score=60.0)[0] for rate in (0.1, 0.2, 0.3)]
    (winner,) = find_winners(store, {}, "task").winners
    assert winner.record.trial_id == min(record.trial_id for record in records)


def test_only_what_matches_takes_part(store: Store, commit_prompt: Commit) -> None:
    """Catches a filter that is ignored, or one whose null matches everything."""
    commit_prompt(seed=0, score=80.0)
    commit_prompt(seed=1, score=50.0, dev_examples=None)
    assert _scores(store, seed=1) == [("boolq", 50.0, 1)]
    assert _scores(store, dev_examples=None) == [("boolq", 50.0, 1)]
    assert _scores(store, seed=0, task="boolq") == [("boolq", 80.0, 1)]


def test_what_trains_no_prompt_takes_no_part(store: Store, commit_prompt: Commit) -> None:
    """Catches model tuning, or a milestone, that wins as a prompt."""
    commit_prompt(method="model_tuning", prompt_length=None, prompt_init=None, score=99.0)
    attempt = store.begin("0123456789abcdef")
    attempt.commit(
        TrialRecord(
            trial_id=attempt.trial_id, attempt=attempt.id, stage="lm_adaptation", label="60k-lm10",
            config={"model_size": "60k"}, metrics={"held_out_loss": 1.0}, provenance={}, files={},
        )
    )  # fmt: skip
    with pytest.raises(ValueError, match="has no committed trial of prompt_tuning; run some, or"):
        find_winners(store, {}, "task")
    commit_prompt(score=10.0)
    assert _scores(store) == [("boolq", 10.0, 1)]


def test_a_record_from_before_a_field_came_has_its_default(
    store: Store, config: Make, commit_prompt: Commit
) -> None:
    """Catches an older record that no filter finds, or that raises."""
    trial = config(seed=3)
    attempt = store.begin(trial.trial_id)
    older = {name: value for name, value in to_mapping(trial).items() if name != "dropout"}
    attempt.commit(
        TrialRecord(
            trial_id=trial.trial_id, attempt=attempt.id, stage="tuning", label=trial.label,
            config=older, metrics={"score": 44.0}, provenance={}, files={},
        )
    )  # fmt: skip
    commit_prompt(dropout=0.5, score=90.0)
    assert _scores(store, dropout=0.0) == [("boolq", 44.0, 1)]


NOTHING = [
    (
        {"task": "bolq"},
        (
            "task: 'bolq' is of no committed trial of prompt_tuning, only boolq, cb; did you mean "
            "'boolq'?"
        ),
    ),
    (
        {"seed": 7, "prompt_length": 6},
        (
            "seed: 7 is of no committed trial of prompt_tuning, only 0, 1; give one of these\n"
            "prompt_length: 6 is of no committed trial of prompt_tuning, only 5; give one of these"
        ),
    ),
    (
        {"train_examples": None},
        (
            "train_examples: None is of no committed trial of prompt_tuning, only 64; give one of "
            "these"
        ),
    ),
    (
        {"task": "cb", "seed": 1},
        "task=cb seed=1: no committed trial has all of these, each has some of them; leave one out",
    ),
    (
        {"method": "model_tuning"},
        (
            "method: 'model_tuning' is of no committed trial of prompt_tuning, only prompt_tuning; "
            "did you mean 'prompt_tuning'?"
        ),
    ),
]


@pytest.mark.parametrize(("filters", "message"), NOTHING, ids=[m[:40] for _, m in NOTHING])
def test_filters_that_match_nothing_are_told_what_there_is(
    store: Store, commit_prompt: Commit, filters: dict[str, object], message: str
) -> None:
    """Catches an empty table, which does not say that a name was mistyped."""
    commit_prompt(task="boolq", seed=0)
    commit_prompt(task="boolq", seed=1)
    commit_prompt(task="cb", seed=0)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        find_winners(store, filters, "task")


def _fail(store: Store, trial: TrialConfig) -> None:
    attempt = store.begin(trial.trial_id)
    store.fail(
        Failure(
            trial_id=trial.trial_id, attempt=attempt.id, kind="diverged", message="loss nan",
            config=to_mapping(trial), provenance={},
        )
    )  # fmt: skip
    attempt.abandon()


def test_failed_and_missing_trials_are_said(
    store: Store, config: Make, commit_prompt: Commit
) -> None:
    """Catches a winner of half a sweep that looks like the winner of all of it."""
    commit_prompt(seed=0)
    planned = [config(seed=seed) for seed in range(4)]
    planned.append(config(task="cb"))
    planned.append(config(method="model_tuning", prompt_length=None, prompt_init=None))
    store.write_manifest(
        "toy",
        {"trials": [{"trial_id": t.trial_id, "config": to_mapping(t)} for t in planned]},
    )
    _fail(store, planned[1])
    assert find_winners(store, {}, "task").notes == (
        "trials that match: 1 failed and have no score",
        "trials that match: 3 are planned and not done, so winners may change",
    )
    assert find_winners(store, {"seed": 0}, "task").notes == (
        "trials that match: 1 are planned and not done, so winners may change",
    )
    assert find_winners(store, {"task": "boolq", "seed": 0}, "task").notes == ()


def test_a_failure_that_was_made_good_is_not_said(
    store: Store, config: Make, commit_prompt: Commit
) -> None:
    """Catches a warning about a trial that has its score."""
    _fail(store, config(seed=0))
    commit_prompt(seed=0)
    assert find_winners(store, {}, "task").notes == ()


def test_scores_of_unlike_dev_sets_are_said(store: Store, commit_prompt: Commit) -> None:
    """Catches a winner that was judged on fewer and easier examples than its rivals."""
    commit_prompt(dev_examples=12, seed=0)
    commit_prompt(dev_examples=None, seed=1)
    commit_prompt(dev_examples=50, task="cb")
    assert find_winners(store, {}, "task").notes == (
        (
            "trials of boolq were scored on all and 12 dev examples; dev_examples=N compares like "
            "with like"
        ),
    )
    assert find_winners(store, {}, "cell").notes == ()


def test_an_unreadable_record_is_said_and_the_rest_takes_part(
    store: Store, commit_prompt: Commit
) -> None:
    """Catches one torn file that hides every result, or that is left out in silence."""
    commit_prompt(seed=0, score=60.0)
    torn, _ = commit_prompt(seed=1, score=70.0)
    path = Path(store.root) / "trials" / torn.trial_id[:2] / torn.trial_id / "record.json"
    path.write_text("{")
    for index in (Path(store.root) / "index").iterdir():
        index.unlink()
    found = find_winners(Store(store.root), {}, "task")
    assert [winner.record.metrics["score"] for winner in found.winners] == [60.0]
    (note,) = found.notes
    assert torn.trial_id in note and "is not readable" in note


def test_the_same_task_of_other_data_has_its_own_winner() -> None:
    """Catches scores on the microworld that are held against scores on SuperGLUE."""
    keys = [{"task": "rte", "data_source": source} for source in ("microworld", "superglue")]
    assert GROUPINGS["task"](keys[0]) != GROUPINGS["task"](keys[1])

"""Winners as a table."""

from collections.abc import Callable
from typing import Any

from runners.prompt.listing import choice, folder_names, listing
from runners.prompt.winners import find_winners
from runners.record import TrialRecord
from runners.store import Store

Commit = Callable[..., tuple[TrialRecord, Any]]


def test_a_table_shows_each_winner_with_what_sets_it_apart(
    store: Store, commit_prompt: Commit
) -> None:
    """Catches a winner whose config cannot be told, or columns that slip."""
    best, _ = commit_prompt(task="boolq", prompt_length=20, score=71.5)
    commit_prompt(task="boolq", prompt_length=5, score=60.25)
    lone, _ = commit_prompt(task="cb", prompt_length=5, score=8.0)
    lines = listing(find_winners(store, {}, "task")).splitlines()
    assert lines[:3] == [
        "task   score  chance  best of  trial             config that differs",
        f"boolq  71.50   50.00        2  {best.trial_id}  prompt_length=20",
        f"cb      8.00   50.00        1  {lone.trial_id}  prompt_length=5",
    ]
    assert lines[3].startswith(
        "in all, where it applies: method=prompt_tuning model_family=nano model_size=60k"
    )
    assert "parameter_scaling=false" in lines[3]
    assert "prompt_length" not in lines[3] and "null" not in lines[3]
    assert lines[4:] == ["note: chosen by dev score, so the scores of winners are biased upward"]


def test_a_null_that_means_something_is_shown_and_one_that_does_not_apply_is_not(
    store: Store, commit_prompt: Commit
) -> None:
    """Catches the whole of dev that looks like no setting, or a column of nulls."""
    adapted = {
        "pretraining_objective": "lm_adaptation", "lm_adaptation_steps": 10,
        "lm_adaptation_batch_size": 4, "lm_adaptation_learning_rate": 0.001,
        "lm_adaptation_seed": 0,
    }  # fmt: skip
    commit_prompt(task="boolq", dev_examples=None)
    commit_prompt(task="cb", **adapted)
    lines = listing(find_winners(store, {}, "task")).splitlines()
    assert lines[1].endswith(
        "  pretraining_objective=span_corruption lm_adaptation_steps=0 dev_examples=null"
    )
    assert lines[2].endswith(
        "  pretraining_objective=lm_adaptation lm_adaptation_steps=10 dev_examples=12"
    )
    assert "lm_adaptation_batch_size=4" in lines[3]


def test_a_stated_score_is_marked_and_one_trial_is_no_choice(
    store: Store, commit_prompt: Commit
) -> None:
    """Catches somebody's claim among measurements, or a warning where nothing was chosen."""
    record, _ = commit_prompt(measured=False, score=99.0)
    lines = listing(find_winners(store, {}, "task")).splitlines()
    assert lines[1] == f"boolq  99.00*                1  {record.trial_id}"
    assert lines[3:] == ["note: * stated by whoever imported it, not measured here"]


def test_the_choice_is_said_to_those_who_get_the_prompt(
    store: Store, commit_prompt: Commit
) -> None:
    """Catches the best of many that is passed on as if it were the only one."""
    commit_prompt(seed=0)
    (winner,) = find_winners(store, {}, "task").winners
    assert choice(winner) == "No choice was made: there was one trial."
    commit_prompt(seed=1)
    (winner,) = find_winners(store, {}, "task").winners
    assert choice(winner).startswith(
        "The best of 2 trials by this score, which is therefore biased"
    )


def test_folders_are_called_after_tasks_and_never_share_a_name(
    store: Store, commit_prompt: Commit
) -> None:
    """Catches a winner that is written over another, such as of a cell with the same label."""
    records = [commit_prompt(learning_rate=rate)[0] for rate in (0.1, 0.2)]
    commit_prompt(task="cb")
    by_task, by_cell = (find_winners(store, {}, by) for by in ("task", "cell"))
    assert list(folder_names(by_task, "task")) == ["boolq", "cb"]
    names = folder_names(by_cell, "cell")
    assert len(names) == 3
    assert records[0].label == records[1].label
    assert {f"{r.label}-{r.trial_id[:8]}" for r in records} <= set(names)

"""A search of training settings: what is tried, of whom, and where."""

from collections.abc import Callable
from typing import Any

import pytest

from ablation import grid
from ablation.study import Study
from runners.rules import ConfigError

Read = Callable[[object], Study]
Plain = dict[str, Any]


@pytest.fixture
def searched(plain: Plain) -> Plain:
    """A search of two methods at one cell, two sizes, two tasks and two seeds."""
    for axis in ("prompt_length", "prompt_init", "pretraining_objective", "lm_adaptation_steps"):
        del plain["axes"][axis]
    plain["design"] = "search"
    plain["search"] = {
        "prompt_tuning": {"learning_rate": [0.1, 0.3, 1], "warmup_steps": [0, 20]},
        "model_tuning": {"learning_rate": [0.001, 0.003]},
    }
    return plain


def _settings(study: Study, method: str) -> list[tuple[Any, ...]]:
    found = dict.fromkeys(
        (c.learning_rate, c.warmup_steps, c.decay_factor, c.decay_every)
        for c in (trial.config for trial in grid.build(study))
        if c.method == method
    )
    return list(found)


def test_every_setting_runs_at_the_default_cell(searched: Plain, read: Read) -> None:
    """Catches a setting that is tried at one size alone, or off the cell of the study."""
    trials = grid.build(read(searched))
    assert len(trials) == (6 + 2) * 2 * 2 * 2
    assert len({trial.config.trial_id for trial in trials}) == len(trials)
    assert {trial.panels for trial in trials} == {frozenset({"search"})}
    prompts = [t.config for t in trials if t.config.method == "prompt_tuning"]
    assert {(c.prompt_length, c.prompt_init, c.lm_adaptation_steps) for c in prompts} == {
        (20, "class_label", 1000)
    }
    assert {c.train_steps for c in prompts} == {200}


def test_the_winner_is_a_trial_of_the_study(searched: Plain, read: Read) -> None:
    """Catches a search whose best trials are run again when the study takes its setting."""
    found = {trial.config.trial_id for trial in grid.build(read(searched))}
    searched["design"] = "star"
    del searched["search"]
    study = {trial.config.trial_id for trial in grid.build(read(searched))}
    assert len(study) == 2 * 2 * 2 * 2
    assert study < found


def test_half_a_decay_is_not_tried(searched: Plain, read: Read) -> None:
    """Catches combinations that are no schedule, counted among the samples."""
    searched["search"]["prompt_tuning"] = {"decay_factor": [None, 0.5], "decay_every": [None, 40]}
    assert _settings(read(searched), "prompt_tuning") == [
        (0.3, 0, None, None), (0.3, 0, 0.5, 40),
    ]  # fmt: skip


def test_samples_are_drawn_by_the_seed(searched: Plain, read: Read) -> None:
    """Catches another search at every start, or one that repeats a setting."""
    searched["search"] |= {"samples": 3, "seed": 0}
    first, again = (_settings(read(searched), "prompt_tuning") for _ in range(2))
    assert first == again
    assert len(set(first)) == 3
    assert len(_settings(read(searched), "model_tuning")) == 2
    others = set()
    for seed in range(1, 6):
        searched["search"]["seed"] = seed
        others.add(tuple(_settings(read(searched), "prompt_tuning")))
    assert len(others | {tuple(first)}) > 1


def test_more_samples_keep_those_that_were_drawn(searched: Plain, read: Read) -> None:
    """Catches a search that begins anew when it is given more trials.

    Of 8 x 5 x 3 settings, so that draws of few and of many go different ways in
    `random.sample`, which keeps no such promise.
    """
    searched["search"] = {
        "prompt_tuning": {
            "learning_rate": [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3],
            "batch_size": [8, 16, 32, 64, 128], "warmup_steps": [0, 10, 20],
        },
        "model_tuning": {"learning_rate": [0.001]}, "seed": 0,
    }  # fmt: skip
    drawn: set[str] = set()
    for samples in (1, 2, 5, 6, 20, 40, 100, 120):
        searched["search"]["samples"] = samples
        trials = grid.build(read(searched))
        prompts = [t.config for t in trials if t.config.method == "prompt_tuning"]
        ids = {config.trial_id for config in prompts}
        assert len(ids) == samples * 2 * 2 * 2
        assert drawn < ids
        drawn = ids


def test_methods_may_have_samples_of_their_own(searched: Plain, read: Read) -> None:
    """Catches one method that gets the number of the other, or one that gets none."""
    searched["search"] |= {"samples": {"prompt_tuning": 4, "model_tuning": 1}, "seed": 0}
    study = read(searched)
    assert len(_settings(study, "prompt_tuning")) == 4
    assert len(_settings(study, "model_tuning")) == 1
    del searched["search"]["samples"]["model_tuning"]
    assert len(_settings(read(searched), "model_tuning")) == 2


def test_what_does_not_train_is_not_searched(searched: Plain, read: Read) -> None:
    """Catches a hand-written prompt that needs a learning rate to be looked for."""
    searched["baselines"] = ["model_tuning", "prompt_design"]
    methods = {trial.config.method for trial in grid.build(read(searched))}
    assert methods == {"prompt_tuning", "model_tuning"}


@pytest.mark.parametrize(
    ("search", "told"),
    [
        (
            {"prompt_tuning": {"learning_rat": [1]}, "model_tuning": {"learning_rate": [1]}},
            ["search.prompt_tuning.learning_rat: 'learning_rat' is not a known key; did you mean "],
        ),
        (
            {"prompt_tuning": {"learning_rate": [0]}, "model_tuning": {"learning_rate": [1]}},
            ["search.prompt_tuning.learning_rate[0]: 0 is not a number above 0; write a number"],
        ),
        (
            {"prompt_tuning": {"learning_rate": 1}, "model_tuning": {"learning_rate": [1]}},
            ["search.prompt_tuning.learning_rate: 1 is not a list; write [1]"],
        ),
        (
            {"prompt_tuning": {"learning_rate": [1]}},
            ["search.model_tuning: None is missing; give the values to try, such as learning_rate"],
        ),
        (
            {
                "prompt_tuning": {"learning_rate": [1]}, "model_tuning": {"learning_rate": [1]},
                "samples": 0,
            },
            [
                "search.samples: 0 is not a whole number of 1 or more; write",
                "search.seed: None is missing; give a whole number of 0 or more",
            ],
        ),
        (
            {
                "prompt_tuning": {"learning_rate": [1]}, "model_tuning": {"learning_rate": [1]},
                "samples": {"prompt_tuning": 0, "modle_tuning": 3}, "seed": 0,
            },
            [
                "search.samples.modle_tuning: 'modle_tuning' is not a known key; did you mean ",
                "search.samples.prompt_tuning: 0 is not a whole number of 1 or more; write",
            ],
        ),
        (
            {
                "prompt_tuning": {"learning_rate": [1]}, "model_tuning": {"learning_rate": [1]},
                "modle_tuning": {},
            },
            ["search.modle_tuning: 'modle_tuning' is not a known key; did you mean 'model_tuning'"],
        ),
    ],
)  # fmt: skip
def test_every_mistake_is_told(searched: Plain, read: Read, search: Plain, told: list[str]) -> None:
    """Catches a search that runs for hours over the wrong field."""
    searched["search"] = search
    with pytest.raises(ConfigError) as caught:
        read(searched)
    problems = [str(problem) for problem in caught.value.problems]
    assert len(problems) == len(told)
    assert all(found.startswith(start) for found, start in zip(problems, told, strict=True))


def test_a_search_varies_no_cell_and_other_designs_have_none(searched: Plain, read: Read) -> None:
    """Catches lengths that a search silently leaves out, and values that nobody tries."""
    searched["axes"]["prompt_length"] = [1, 20]
    with pytest.raises(
        ConfigError, match=r"axes.prompt_length: \[1, 20\] is more than the default"
    ):
        read(searched)
    del searched["axes"]["prompt_length"]
    searched["design"] = "complete"
    with pytest.raises(ConfigError, match="does not apply to design complete; leave it out, or"):
        read(searched)

"""What trials can name, and what is said of other names."""

import re
from collections.abc import Callable

import pytest

from runners.catalogue import Catalogue
from runners.config import TrialConfig
from runners.model.family import shipped

Make = Callable[..., TrialConfig]


def test_names_that_exist_are_no_problem(config: Make) -> None:
    """Catches a list of names that lacks one that works."""
    assert Catalogue().problems(config()) == []


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({"model_size": "70k", "task": "bolq"}, ["model_size", "task"]),
        ({"model_family": "nan", "model_size": "70k"}, ["model_family"]),
        ({"data_source": "microwrld", "task": "bolq"}, ["data_source"]),
    ],
)
def test_every_unknown_name_is_told_with_the_nearest(
    config: Make, changes: dict[str, str], keys: list[str]
) -> None:
    """Catches a second mistake that waits for the first, or a size judged by no family."""
    problems = Catalogue().problems(config(**changes))
    assert [problem.key for problem in problems] == keys
    assert all("did you mean" in problem.remedy for problem in problems)


RUNGS = "model_size of family nano: {!r} is not one of 60k, 200k, 600k, 2m; {}"


@pytest.mark.parametrize(
    ("family", "size", "message"),
    [
        (
            "nono",
            "60k",
            (
                "model_family: 'nono' is not one of nano, pythia, qwen, smollm2, t5, t5_efficient; "
                "did you mean 'nano'?"
            ),
        ),
        ("nano", "600", RUNGS.format("600", "did you mean '600k'?")),
        ("nano", "xxl", RUNGS.format("xxl", "use one of these")),
    ],
)
def test_a_rung_that_is_not_there_is_named(family: str, size: str, message: str) -> None:
    """Catches a KeyError, which would not tell which names there are."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Catalogue().rung(family, size)


def test_every_shipped_rung_is_found() -> None:
    """Catches a lookup that crosses families or sizes, and so loads another model."""
    for family in shipped().values():
        for size, rung in family.rungs.items():
            assert Catalogue().rung(family.name, size) is rung
            assert Catalogue().architecture(family.name) == family.architecture


def test_an_adaptation_that_nobody_released_is_told_before_anything_is_loaded(
    config: Make,
) -> None:
    """Catches a KeyError in a worker, in place of the steps that there are."""
    adapted = {"pretraining_objective": "lm_adaptation", "model_family": "t5"}
    there = config(**adapted, model_size="small", lm_adaptation_steps=100_000)
    assert Catalogue().problems(there) == []
    missing = config(**adapted, model_size="small", lm_adaptation_steps=50_000)
    (problem,) = Catalogue().problems(missing)
    assert str(problem) == (
        "lm_adaptation_steps: 50000 adaptations of t5 small are released at 100000; give one of "
        "these, or lm_adaptation_batch_size, _learning_rate and _seed"
    )
    nano = config(**adapted | {"model_family": "nano"}, lm_adaptation_steps=10)
    assert "of nano 60k are not released" in str(Catalogue().problems(nano)[0])


def test_an_objective_fits_the_architecture(config: Make) -> None:
    """Catches sentinels in front of a model that has none, or a T5 that is said to go on."""
    (problem,) = Catalogue().problems(config(pretraining_objective="causal_lm"))
    assert str(problem) == (
        "pretraining_objective: 'causal_lm' is not one of span_corruption; use one of these"
    )


def test_a_family_that_has_not_read_the_world_is_adapted_to_a_text(config: Make) -> None:
    """Catches documents of the embedded world in the pieces of a foreign tokenizer."""
    own = {
        "pretraining_objective": "lm_adaptation", "lm_adaptation_steps": 10,
        "lm_adaptation_batch_size": 4, "lm_adaptation_learning_rate": 0.1, "lm_adaptation_seed": 0,
    }  # fmt: skip
    assert Catalogue().problems(config(**own)) == []
    t5 = {**own, "model_family": "t5", "model_size": "small"}
    assert Catalogue().problems(config(**t5, lm_adaptation_text="0123")) == []
    (problem,) = Catalogue().problems(config(**t5))
    assert str(problem) == (
        "lm_adaptation_text: None is missing for family t5, which has not read the embedded "
        "world; give a folder of text (--text, or settings.lm_adaptation.text)"
    )

"""The names that exist, and what is said of others."""

from collections.abc import Callable

import pytest

from runners.config import TrialConfig
from runners.known import unknown_names

Make = Callable[..., TrialConfig]


def test_names_that_exist_are_no_problem(config: Make) -> None:
    """Catches a list of names that lacks one that works."""
    assert unknown_names(config()) == []


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
    problems = unknown_names(config(**changes))
    assert [problem.key for problem in problems] == keys
    assert all("did you mean" in problem.remedy for problem in problems)

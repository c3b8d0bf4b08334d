"""The names that exist: rungs of every model family, tasks of every data source.

A leaf: what people write is checked against it before torch is loaded.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType

from runners.config import TrialConfig
from runners.model.sizes import LADDERS
from runners.rules import Problem, Rule, violations
from runners.tasks.superglue import TASKS

TASKS_OF: Mapping[str, Collection[str]] = MappingProxyType({"microworld": tuple(TASKS)})
"""The tasks of every data source."""


def unknown_names(config: TrialConfig) -> list[Problem]:
    """A problem for each name in a config that nothing goes by."""
    legal: Mapping[str, Collection[str]] = {
        "model_family": LADDERS,
        "model_size": LADDERS.get(config.model_family, ()),
        "data_source": TASKS_OF,
        "task": TASKS_OF.get(config.data_source, ()),
    }
    return [
        problem
        for name, choices in legal.items()
        # Of a size nothing can be said where its family is unknown.
        if choices
        for problem in violations(name, getattr(config, name), _one_of(choices))
    ]


def _one_of(choices: Collection[str]) -> Rule:
    return Rule(type=str, choices=tuple(choices))

"""Where and how a sweep runs: everything about it that changes no number.

None of this enters the identity of a trial.
"""

from dataclasses import dataclass

from runners.rules import Rule
from runners.section import Section


@dataclass(frozen=True, kw_only=True)
class Execution:
    """Execution settings of one sweep."""

    store: str
    """Folder or fsspec URL of the results; a relative folder starts where the command runs."""
    workers: int = 1
    """Processes that train at the same time."""
    threads: int = 1
    """Cores that each of them computes on."""
    pack_size: int = 8
    """K, the most trials that share one batch."""
    checkpoint_seconds: float = 120.0
    """What runs is saved this often, so a kill loses no more than this."""


_COUNT = Rule(type=int, minimum=1)
_RULES = {
    "store": Rule(type=str),
    "workers": _COUNT,
    "threads": _COUNT,
    "pack_size": _COUNT,
    "checkpoint_seconds": Rule(type=float, above=0),
}


def read(section: Section) -> Execution | None:
    """The settings as written, or None where one is not legal, which is reported."""
    section.only(_RULES)
    names = [name for name in _RULES if name in section.values or name == "store"]
    values = {name: section.value(name, _RULES[name]) for name in names}
    return None if None in values.values() else Execution(**values)

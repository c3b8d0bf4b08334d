"""Whether what is left of a sweep can be read and fits its models, as far as this machine knows.

Data are read once, a task at a time. What is read of the hub is in the cache of `datasets`
from then on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runners.catalogue import MICROWORLD, READERS, DataPlace, Part
from runners.config import TrialConfig
from runners.data.hub import TASKS
from runners.rules import Problem
from sweeps import document
from sweeps.document import Located
from sweeps.local_data import places_of
from sweeps.plan import Plan

if TYPE_CHECKING:
    from runners.data.lengths import Notebook


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a look at data and models has found.

    `parts` are the splits that were to be read, `mistakes` those that could not be, as mistakes
    of the spec. `tasks` is how many were tried on models, `misfits` has a sentence for whatever
    does not fit them. `untried` names models of the hub that could not be had here.
    """

    parts: Mapping[Part, DataPlace]
    mistakes: list[Located]
    tasks: int = 0
    misfits: tuple[str, ...] = ()
    untried: str | None = None


def look(
    plan: Plan, parts: Mapping[Part, DataPlace], *, models: bool = True,
    notes: "Notebook | None" = None,
) -> Look:  # fmt: skip
    """Read the `parts`, and try what is left on its models, unless that is of no use yet.

    Of what ships everything fits. Torch is loaded where there is something else to try.
    """
    left = [w.config for w in plan.left if not _ships(w.config)] if models else []
    if not left and not parts:
        return Look(parts=parts, mistakes=[])
    from runners.data.fitting import findings

    found = findings(left, plan.spec.catalogue, parts, notes)
    mistakes = [_mistake(plan, part, parts[part], said) for part, said in found.unreadable.items()]
    return Look(
        parts=parts,
        mistakes=mistakes,
        tasks=len({(config.data_source, config.task) for config in left}),
        misfits=tuple(f"{', '.join(sizes)}: {said}" for said, sizes in found.misfits.items()),
        untried=_untried(found.absent),
    )


def parts_left(plan: Plan, *, hub: bool) -> dict[Part, DataPlace]:
    """What is left to be read of benchmarks, from local copies first, and then from the `hub`."""
    found = places_of((work.config for work in plan.left), plan.spec.catalogue)
    here = {part: place for part, place in found.items() if place.folder is not None}
    return {**here, **found} if hub else here


def _ships(config: TrialConfig) -> bool:
    return config.model_family in READERS and config.data_source == MICROWORLD


def _mistake(plan: Plan, part: Part, place: DataPlace, error: ValueError) -> Located:
    """What is wrong with a split, as a mistake where the spec names its place."""
    benchmark, task, _ = part
    key, value = f"data.{benchmark}.dir", str(place.folder)
    if place.folder is None:
        key, value = f"data.{benchmark}", hub_name(TASKS[task].repository, place.revision)
    said, _, remedy = str(error).rpartition("; ")
    problem = Problem(
        key=key, value=value, rule=f"cannot be used for {task}: {said}", remedy=remedy
    )
    return document.read(plan.spec.text).locate(problem)


def hub_name(repository: str, revision: str | None) -> str:
    """A data set of the hub as a spec names it."""
    return f"{repository}@{revision}" if revision else repository


def _untried(absent: Mapping[str, str]) -> str | None:
    if not absent:
        return None
    why = next(iter(absent.values()))
    return f"{', '.join(absent)} cannot be had here, so what fits was not tried there ({why})"

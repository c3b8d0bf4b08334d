"""The transfer tasks of a study: one list, of which the trials of a task leave out that task.

    settings:
      shared: {transfer_tasks: [qqp, mrpc]}     # trials of qqp are judged on mrpc too, and back

Methods that train nothing have none: what they say of another task is a trial of
that task.
"""

from collections.abc import Collection, Mapping
from typing import Any

from runners.catalogue import PUBLISHED, Catalogue
from runners.misfits import unfit_name
from runners.rules import Rule
from runners.section import Section

KEY = "transfer_tasks"


def read(
    shared: Section,
    *,
    tasks: Collection[str],
    data: Mapping[str, Mapping[str, Any]],
    catalogue: Catalogue,
) -> dict[str, dict[str, Any]]:
    """The fields of a trial of each task that say where else it is judged; none without the key.

    `data` are the tasks that the study may name, each with where it is from.
    Mistakes are reported to `shared`.
    """
    if shared.values.get(KEY) is None:
        return {}
    known = (*catalogue.tasks_of(PUBLISHED), *catalogue.own_tasks)
    names: tuple[str, ...] = shared.listed(KEY, Rule(type=str, choices=known))
    if len(names) == 1 and set(names) == set(tasks):
        shared.report(KEY, list(names), "has no other task than the study", "name another one")
    _check_names(shared, names)
    for task in tasks:
        _check_meaning(shared, task, names, data, catalogue)
    return {task: catalogue.transfer_fields(set(names) - {task}) for task in tasks}


def _check_names(shared: Section, names: Collection[str]) -> None:
    """Reports names of the user's own that no file can have."""
    for place, name in enumerate(names):
        if unfit := unfit_name(name):
            shared.report(f"{KEY}[{place}]", name, *unfit)


def _check_meaning(
    shared: Section,
    task: str,
    names: Collection[str],
    data: Mapping[str, Mapping[str, Any]],
    catalogue: Catalogue,
) -> None:
    """Reports names that stand for one task in the study and for another in a trial of `task`."""
    if task not in data:
        return
    for place, name in enumerate(names):
        meant = data[name]["data_source"] if name in data else None
        found = catalogue.transfer_source(name, str(data[task]["data_source"]))
        if meant is not None and name != task and meant != found:
            rule = f"is from {meant} here, and from {found} for trials of {task}"
            remedy = "give data_source published, or leave one of the two out"
            shared.report(f"{KEY}[{place}]", name, rule, remedy)

"""The transfer tasks of a study: one list for all of its tasks, or a list for each.

    settings:
      shared: {transfer_tasks: [qqp, mrpc]}     # trials of qqp are judged on mrpc too, and back
      shared:
        transfer_tasks: {squad: [squad_people, squad_topics], qqp: [mrpc]}

Of one list the trials of a task leave out that task. Methods that train nothing have
none: what they say of another task is a trial of that task.
"""

from collections.abc import Collection, Mapping
from typing import Any

from runners.catalogue import PUBLISHED, Catalogue
from runners.misfits import unfit_name
from runners.rules import Rule
from runners.section import Section

KEY = "transfer_tasks"
Data = Mapping[str, Mapping[str, Any]]
"""The tasks that a study may name, each with the fields that say where it is from."""


def read(
    shared: Section, *, tasks: Collection[str], data: Data, catalogue: Catalogue
) -> dict[str, dict[str, Any]]:
    """The fields of a trial of each task that say where else it is judged; none without the key.

    Mistakes are reported to `shared`.
    """
    written = shared.values.get(KEY)
    if written is None:
        return {}
    if isinstance(written, Mapping):
        return _read_each(shared.section(KEY), tasks, data, catalogue)
    known = (name for task in tasks for name in _known(task, data, catalogue))
    rule = Rule(type=str, choices=tuple(dict.fromkeys(known)) or _anywhere(catalogue))
    names: tuple[str, ...] = shared.listed(KEY, rule)
    if len(names) == 1 and set(names) == set(tasks):
        shared.report(KEY, list(names), "has no other task than the study", "name another one")
    _check_names(shared, KEY, names)
    for task in tasks:
        _check_meaning(shared, KEY, task, names, data, catalogue)
    return {task: catalogue.transfer_fields(set(names) - {task}) for task in tasks}


def _read_each(
    section: Section, tasks: Collection[str], data: Data, catalogue: Catalogue
) -> dict[str, dict[str, Any]]:
    """The same from a list for each task that has any."""
    section.only(tasks)
    found = {}
    for task in (task for task in tasks if task in section.values):
        choices = _known(task, data, catalogue)
        names: tuple[str, ...] = section.listed(task, Rule(type=str, choices=choices))
        if task in names:
            place = f"{task}[{names.index(task)}]"
            section.report(place, task, "is judged anyway", "leave it out, or name another task")
        _check_names(section, task, names)
        _check_meaning(section, task, task, names, data, catalogue)
        found[task] = catalogue.transfer_fields(names)
    return found


def _known(task: str, data: Data, catalogue: Catalogue) -> tuple[str, ...]:
    """The names that trials of a task may be judged on; of a task that is not legal all."""
    if task not in data:
        return _anywhere(catalogue)
    return catalogue.transfer_names(str(data[task]["data_source"]))


def _anywhere(catalogue: Catalogue) -> tuple[str, ...]:
    return (*catalogue.tasks_of(PUBLISHED), *catalogue.own_tasks)


def _check_names(section: Section, key: str, names: Collection[str]) -> None:
    """Reports names of the user's own that no file can have."""
    for place, name in enumerate(names):
        if unfit := unfit_name(name):
            section.report(f"{key}[{place}]", name, *unfit)


def _check_meaning(
    section: Section,
    key: str,
    task: str,
    names: Collection[str],
    data: Data,
    catalogue: Catalogue,
) -> None:
    """Reports names that stand for one task in the study and for another in a trial of `task`."""
    if task not in data:
        return
    for place, name in enumerate(names):
        meant = data[name]["data_source"] if name in data else None
        found = catalogue.transfer_source(name, str(data[task]["data_source"]))
        if name == task or meant in (None, found):
            continue
        rule = f"is from {meant} here, and from {found} for trials of {task}"
        remedy = "give data_source published, or leave one of the two out"
        if found is None:
            rule = f"is from {meant} alone, and trials of {task} are not"
            remedy = f"give {KEY} for each task, or leave one of the two out"
        section.report(f"{key}[{place}]", name, rule, remedy)

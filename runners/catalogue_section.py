"""What a spec adds to the catalogue: families, tasks of its own, places of benchmarks.

families: [mine.yaml]                        # family files, by their place from the spec
tasks: {reviews: {...}}                      # runners.tasks.own
data:
  superglue: {dir: ../superglue}             # a copy in the publisher's layout
  glue: {revision: bcdcba79d07bc864c1c254}   # the hub, at a commit
"""

from pathlib import Path

import yaml

from runners.catalogue import Catalogue, DataPlace
from runners.model.family import Family, read_family, shipped
from runners.rules import Problem, Rule, nearest
from runners.section import Section
from runners.tasks.benchmarks import BENCHMARK_OF, BENCHMARKS
from runners.tasks.own_section import read_tasks

KEYS = ("families", "tasks", "data")
"""The keys of a spec that are read here."""
_WORD = Rule(type=str)


def read_catalogue(top: Section, base: Path) -> Catalogue:
    """What ships and what the spec in the folder `base` adds; mistakes are reported to `top`."""
    return Catalogue(
        families={**shipped(), **_families(top, base)},
        own_tasks=read_tasks(top.section("tasks"), base, BENCHMARK_OF),
        data=_data(top.section("data"), base),
    )


def load_catalogue(path: Path) -> Catalogue:
    """The catalogue of a spec, or of a YAML file with these keys alone.

    Raises ValueError with every mistake.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: cannot be read ({error}); give a YAML file") from error
    problems: list[Problem] = []
    found = read_catalogue(Section(values, problems), path.parent)
    if problems:
        raise ValueError("\n".join(f"{path}: {problem}" for problem in problems))
    return found


def _families(top: Section, base: Path) -> dict[str, Family]:
    if "families" not in top.values:
        return {}
    found: dict[str, Family] = {}
    for number, name in enumerate(top.listed("families", _WORD)):
        where = f"families[{number}]"
        try:
            family = read_family(base / name)
        except ValueError as error:
            top.report(where, name, f"cannot be used: {error}", "mend the file, or name another")
            continue
        if family.name in {*shipped(), *found}:
            top.report(where, name, f"is a second family {family.name!r}", "rename the file")
        found[family.name] = family
    return found


def _data(section: Section, base: Path) -> dict[str, DataPlace]:
    section.only(BENCHMARKS)
    return {
        name: _place(section.section(name), base) for name in BENCHMARKS if name in section.values
    }


def _place(section: Section, base: Path) -> DataPlace:
    section.only(("dir", "revision"))
    if ("dir" in section.values) is ("revision" in section.values):
        both = "dir" in section.values
        rule = "stands beside revision, which is the hub's" if both else "is missing"
        section.report("dir", section.values.get("dir"), rule, "give dir or revision")
        return DataPlace()
    if "revision" in section.values:
        return DataPlace(revision=section.value("revision", _WORD))
    name = section.value("dir", _WORD)
    if name is None:
        return DataPlace()
    folder = base / name
    if not folder.is_dir():
        there = [each.name for each in folder.parent.glob("*") if each.is_dir()]
        near = nearest(folder.name, there)
        remedy = f"is {near!r} it?" if near else "give the path of a folder, from the spec's"
        section.report("dir", name, "is not a folder", remedy)
    return DataPlace(folder=folder)

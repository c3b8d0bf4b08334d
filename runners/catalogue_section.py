"""What a user adds to the catalogue: families, tasks, places of models and benchmarks, texts.

In a spec these are

families: [mine.yaml]                        # family files, by their place from the spec
models:
  t5: {dir: ../models}                       # copies of its checkpoints, by their names at the hub
tasks: {reviews: {...}}                      # runners.tasks.own
data:
  superglue: {dir: ../superglue}             # a copy in the publisher's layout
  glue: {revision: bcdcba79d07bc864c1c254}   # the hub, at a commit
settings:
  lm_adaptation: {text: ../text, ...}        # a folder (runners.data.text)
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import yaml

from runners.catalogue import Catalogue, DataPlace
from runners.data.text import read_text
from runners.model.family import Family, read_family, shipped
from runners.rules import ConfigError, Problem, Rule, nearest
from runners.section import Section
from runners.tasks.benchmarks import BENCHMARK_OF, BENCHMARKS
from runners.tasks.own import ABSENT
from runners.tasks.own_section import read_tasks

KEYS = ("families", "models", "tasks", "data")
"""The keys of a spec that are read here, beside its text."""
TEXT = "settings.lm_adaptation.text"
"""Where a spec has the folder of the text that models are adapted to."""
_WORD = Rule(type=str)


def read_catalogue(top: Section, base: Path) -> Catalogue:
    """What ships and what the spec in the folder `base` adds; mistakes are reported to `top`.

    All places are absolute, since workers have folders of their own.
    """
    families = {**shipped(), **_families(top, base)}
    return Catalogue(
        families={**families, **dict(_copied(top.section("models"), families, base))},
        own_tasks=read_tasks(top.section("tasks"), base, BENCHMARK_OF),
        data=_data(top.section("data"), base),
        texts=_texts(top, base),
    )


def add_family(catalogue: Catalogue, written: str) -> tuple[Catalogue, str]:
    """The catalogue with the family that `written` names, and its name.

    A name is taken as it is, and a family file is read. Raises ValueError where
    that cannot be read, has mistakes, or has the name of another family.
    """
    if not written.endswith((".yaml", ".yml")):
        return catalogue, written
    family = read_family(Path(written))
    if family.name in catalogue.families:
        raise ValueError(f"{written}: is a second family {family.name!r}; rename the file")
    return replace(catalogue, families={**catalogue.families, family.name: family}), family.name


def add_text(catalogue: Catalogue, folder: Path) -> tuple[Catalogue, str]:
    """The catalogue with a folder of text, and its fingerprint.

    Raises `ConfigError` as `read_text` does.
    """
    fingerprint = read_text(folder).fingerprint
    return replace(catalogue, texts={**catalogue.texts, fingerprint: folder.resolve()}), fingerprint


def with_fingerprint(
    values: Mapping[str, object], catalogue: Catalogue, base: Path
) -> Mapping[str, object]:
    """A spec's values with the fingerprint of its text in place of the folder."""
    folder = _written_text(values)
    for fingerprint, place in catalogue.texts.items():
        if folder is not None and place == (base / folder).resolve():
            return _put(values, TEXT.split("."), fingerprint)
    return values


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


def _texts(top: Section, base: Path) -> dict[str, Path]:
    """The folder that a spec adapts models to, by its fingerprint.

    One that is not there is reported, and goes by `ABSENT`, for who only plans.
    """
    written = _written_text(top.values)
    if written is None:
        return {}
    folder = (base / written).resolve()
    try:
        return dict(add_text(Catalogue(), folder)[0].texts)
    except ConfigError as error:
        top.problems += [replace(problem, key=TEXT) for problem in error.problems]
        return {} if folder.exists() else {ABSENT: folder}


def _written_text(values: Mapping[str, object]) -> str | None:
    """The folder of text as a spec has it; None where there is no word in its place."""
    found: object = values
    for key in TEXT.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, str) and found else None


def _put(values: Mapping[str, object], path: Sequence[str], value: object) -> Mapping[str, object]:
    """A copy of nested mappings with another value at one place."""
    first, *rest = path
    inner = values[first]
    if not rest:
        return {**values, first: value}
    assert isinstance(inner, Mapping)
    return {**values, first: _put(inner, rest, value)}


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


def _copied(
    section: Section, families: Mapping[str, Family], base: Path
) -> Iterator[tuple[str, Family]]:
    """The families of which a spec has copies, read from there."""
    section.only(families)
    for name in (name for name in families if name in section.values):
        place = section.section(name)
        place.only(("dir",))
        folder = _folder(place, base)
        if families[name].hub_ids and folder is not None:
            yield name, families[name].copied_to(folder)
        elif folder is not None:
            remedy = "leave it out"
            section.report(name, place.values["dir"], "has no checkpoint of the hub", remedy)


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
    return DataPlace(folder=_folder(section, base))


def _folder(section: Section, base: Path) -> Path | None:
    """The folder at `dir`, absolute; None where there is no word, which is reported."""
    name = section.value("dir", _WORD)
    if name is None:
        return None
    folder: Path = base / name
    if not folder.is_dir():
        there = [each.name for each in folder.parent.glob("*") if each.is_dir()]
        near = nearest(folder.name, there)
        remedy = f"is {near!r} it?" if near else "give the path of a folder, from the spec's"
        section.report("dir", name, "is not a folder", remedy)
    return folder.resolve()

"""A spec file as a checked `SweepSpec`: what to run (a study) and how to run it (execution).

Every mistake is found before anything starts, and all are reported together,
each with file, line, key, value, rule and remedy.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ablation import grid, study
from ablation.claim_names import CLAIMS
from ablation.grid import GridTrial
from ablation.study import Study
from runners import catalogue_section
from runners.catalogue import Catalogue, undroppable
from runners.model.family import Family
from runners.rules import FILE_NAME, ConfigError, Problem, Rule, nearest
from runners.section import Section
from runners.tasks.own import ABSENT
from sweeps import document, execution
from sweeps.document import Document, Located
from sweeps.execution import Execution

KEYS = ("name", *study.KEYS, *catalogue_section.KEYS, "must_hold", "execution")
"""The keys of a spec, in order."""


class SpecError(ConfigError):
    """Every mistake of one spec file, a line each, in the order of the file."""

    def __init__(self, path: str, mistakes: Iterable[Located]) -> None:
        ordered = sorted(mistakes, key=lambda mistake: mistake.line)
        super().__init__(mistake.problem for mistake in ordered)
        self.args = ("\n".join(f"{path}:{m.line}: {m.problem}" for m in ordered),)


@dataclass(frozen=True, kw_only=True)
class SweepSpec:
    """One sweep: the text it came from, and what that text means.

    `trials` are all trials of the study, in a fixed order; `sha256` is that of
    the UTF-8 bytes of `text`. `absent` says what a run needs and is not there,
    where the spec was read to plan alone.
    """

    name: str
    path: str
    text: str
    sha256: str
    study: Study
    catalogue: Catalogue
    execution: Execution
    trials: tuple[GridTrial, ...]
    absent: tuple[Located, ...] = ()


def load(path: str | Path, *, to_run: bool = True) -> SweepSpec:
    """The sweep of one spec file, to run or only to plan.

    Raises `SpecError` (a ValueError) with every mistake in it, and ValueError
    where there is no such file.
    """
    return parse(_text(Path(path)), path=str(path), to_run=to_run)


def parse(text: str, *, path: str, to_run: bool = True) -> SweepSpec:
    """The sweep of a spec's text.

    Errors call the spec `path`, and what it names by a relative path lies
    beside it. Text for LM adaptation and data that are not there are mistakes to
    who would run the sweep; a plan says that they are absent.

    Raises `SpecError` with every mistake.
    """
    source = document.read(text)
    problems: list[Problem] = []
    spec = _read(source, text, path, problems)
    absent = [] if to_run or spec is None else _absent(spec, problems)
    mistakes = [*source.mistakes, *(source.locate(p) for p in problems if p not in absent)]
    if mistakes:
        raise SpecError(path, mistakes)
    assert spec is not None
    located = sorted(map(source.locate, absent), key=lambda each: each.line)
    return replace(spec, absent=tuple(located))


def _absent(spec: SweepSpec, problems: Iterable[Problem]) -> list[Problem]:
    """The problems that say no more than that something is not there yet."""
    catalogue = spec.catalogue
    keys = {
        f"data.{name}.dir"
        for name, place in catalogue.data.items()
        if place.folder is not None and not place.folder.is_dir()
    }
    keys |= {
        f"tasks.{name}.{split}"
        for name, task in catalogue.own_tasks.items()
        for split, path in (("train", task.train), ("dev", task.dev))
        if path in task.absent
    }
    if ABSENT in catalogue.texts:
        keys.add(catalogue_section.TEXT)
    return [problem for problem in problems if problem.key in keys]


def _read(source: Document, text: str, path: str, problems: list[Problem]) -> SweepSpec | None:
    if source.values is None and source.mistakes:
        return None
    top = Section(source.values, problems)
    if problems:
        return None
    top.only(KEYS)
    name = _name(top)
    _check_claims(top)
    chosen = execution.read(top.section("execution"))
    base = Path(path).parent
    catalogue = catalogue_section.read_catalogue(top, base)
    values = catalogue_section.with_fingerprint(top.pick(study.KEYS), catalogue, base)
    try:
        asked = study.from_mapping(values, catalogue)
    except ConfigError as error:
        problems += error.problems
        return None
    if name is None or chosen is None:
        return None
    _check_family(top, chosen, asked.family)
    trials = grid.build(asked)
    _check_answers(top, trials, catalogue)
    _check_dropout(top, trials, asked.family)
    return SweepSpec(
        name=name,
        path=path,
        text=text,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        study=asked,
        catalogue=catalogue,
        execution=chosen,
        trials=trials,
    )


def _check_family(top: Section, chosen: Execution, family: Family) -> None:
    """Reports sizes that the family does not have, and what there is for T5 alone."""
    execution = top.section("execution")
    for name, by_size in (("ranks", chosen.ranks), ("gpu_shares", chosen.gpu_shares)):
        for size in by_size:
            if size not in family.rungs:
                execution.section(name).unknown(size, family.rungs)
    for size, count in chosen.ranks.items():
        if size in family.rungs and count > 1 and family.architecture != "t5":
            rule = f"is not there for {family.name}, for only T5 trains over several ranks"
            execution.section("ranks").report(size, count, rule, "leave it out")
    if chosen.compile and family.architecture != "t5":
        rule = f"is not there for {family.name}, for only a T5 is compiled"
        execution.report("compile", chosen.compile, rule, "leave it out")


def _check_answers(top: Section, trials: Sequence[GridTrial], catalogue: Catalogue) -> None:
    """Reports answers by likelihood of tasks that ask for free text."""
    settings = top.section("settings")
    methods = {trial.config.method for trial in trials}
    said = {m: m if "answer_by" in settings.section(m).values else "shared" for m in methods}
    alike = {(said[t.config.method], t.config.task, t.config.transfers): t.config for t in trials}
    for (where, *_), config in alike.items():
        for problem in catalogue.choiceless(config):
            settings.section(where).report(problem.key, problem.value, problem.rule, problem.remedy)


def _check_dropout(top: Section, trials: Sequence[GridTrial], family: Family) -> None:
    """Reports dropout of decoder-only models where the spec asks for it, or searches it."""
    if family.architecture == "t5":
        return
    search, settings = top.section("search"), top.section("settings")
    found = {}
    for config in (trial.config for trial in trials):
        places = (search.section(config.method), settings.section(config.method))
        place = next((p for p in places if "dropout" in p.values), settings.section("shared"))
        found[place.path, config.dropout] = place
    for (_, dropout), place in found.items():
        problem = undroppable(family, dropout)
        if problem is not None:
            place.report(problem.key, problem.value, problem.rule, problem.remedy)


def _check_claims(top: Section) -> None:
    """Reports what stands under `must_hold` and is no claim; analysis reads it from the spec."""
    names = top.values.get("must_hold", [])
    if not isinstance(names, list):
        top.report("must_hold", names, "is not a list", "write the names of claims in brackets")
        return
    for name in names:
        if name not in CLAIMS:
            near = nearest(str(name), CLAIMS)
            remedy = f"did you mean {near!r}?" if near else "use one of these"
            top.report("must_hold", name, f"is not one of {', '.join(CLAIMS)}", remedy)


def _name(top: Section) -> str | None:
    name: str | None = top.value("name", Rule(type=str))
    if name is not None and not FILE_NAME.fullmatch(name):
        rule = "is not a file name of letters, digits, '_', '-' and '.'"
        top.report("name", name, rule, "the store keeps the sweep under it, so write such a name")
        return None
    return name


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is not UTF-8 text ({error}); save it as UTF-8") from error
    except (FileNotFoundError, IsADirectoryError) as error:
        specs = sorted(str(other) for other in path.parent.glob("*.yaml"))
        near = nearest(str(path), specs)
        remedy = f"did you mean {near}?" if near else "give the path of a YAML file"
        raise ValueError(f"{path}: there is no such spec file; {remedy}") from error

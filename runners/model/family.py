"""Model families: ladders of frozen models, each a small YAML file that a user can add.

A leaf: a spec is checked and planned without torch. A family file says

    architecture: t5                    # or causal
    tokenizer: google/t5-v1_1-base      # where the rungs share one; else each has its own
    sizes:                              # smallest first
      small:
        checkpoint: google/t5-v1_1-small@COMMIT
        adapted: {100000: google/t5-small-lm-adapt@COMMIT}    # released LM adaptations, by steps
        parameters: 76961152            # N
        width: 512                      # H
      mine:
        checkpoint: ./ladder/mine       # a folder, from where the file lies
        shape: {vocabulary: 8000, d_model: 64, ...}    # of a T5, in place of the two counts

A place is a hub id with the commit after `@`, a folder that begins with `.` or
`/`, or `package:NAME/FILE`, a folder or a GGUF file inside an installed package.
"""

import functools
import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from runners.model.sizes import T5Shape
from runners.rules import ConfigError, Problem, Rule, unknown_key, violations

_COMMIT = re.compile("[0-9a-f]{40}")
FAMILIES = Path(__file__).resolve().parent / "families"
"""The families that ship, one file each."""
ARCHITECTURES: Mapping[str, str] = {"t5": "span_corruption", "causal": "causal_lm"}
"""What a family can be, each with the objective of its pre-training."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a checkpoint or a tokenizer is; one of `path`, `package` and `hub_id` says it."""

    path: Path | None = None
    """A folder on this machine."""
    package: str | None = None
    """`NAME/FILE`: a file inside an installed package."""
    hub_id: str | None = None
    revision: str | None = None
    """The commit of a hub id; a branch, or None, is whatever the hub has now."""

    def __str__(self) -> str:
        if self.package is not None:
            return f"package:{self.package}"
        if self.path is not None:
            return str(self.path)
        return f"{self.hub_id}@{self.revision}" if self.revision else str(self.hub_id)

    @property
    def is_fixed(self) -> bool:
        """Whether the same is there tomorrow as far as its name says: no branch of the hub."""
        return self.hub_id is None or _COMMIT.fullmatch(self.revision or "") is not None

    def copied_to(self, folder: Path) -> "Place":
        """Its copy in a folder, under the last part of its hub id; itself where it has none."""
        if self.hub_id is None:
            return self
        return Place(path=folder / self.hub_id.rpartition("/")[2])

    def local(self) -> Path | None:
        """The folder or file on this machine; None for a hub id.

        Raises ValueError where it is not there.
        """
        missing = self.missing()
        if missing is not None:
            raise ValueError(missing)
        return self._expected()

    def missing(self) -> str | None:
        """What to do where this machine should have it and has not; else None."""
        path = self._expected()
        if self.package is not None and path is None:
            name = self.package.partition("/")[0]
            return f"{self}: package {name} is not installed; install it"
        if path is not None and not path.exists():
            return f"checkpoint {path} does not exist; make it, or correct its family file"
        return None

    def _expected(self) -> Path | None:
        """Where it should be on this machine; None for a hub id or a package that is not there."""
        if self.package is None:
            return self.path
        name, _, file = self.package.partition("/")
        found = importlib.util.find_spec(name)
        return None if found is None or found.origin is None else Path(found.origin).parent / file


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One frozen model of a family.

    `adapted` are LM-adapted checkpoints that others have released, by their
    steps. `shape` is known where a file gives it, which pre-training needs.
    """

    name: str
    checkpoint: Place
    tokenizer: Place
    adapted: Mapping[int, Place]
    parameters: int
    """N, every weight, those that are tied counted once."""
    width: int
    """H."""
    shape: T5Shape | None = None

    @property
    def places(self) -> tuple[Place, ...]:
        """All that it is read from."""
        return self.checkpoint, self.tokenizer, *self.adapted.values()

    def copied_to(self, folder: Path) -> "Rung":
        """The same model, with all that is at the hub read from copies in a folder."""
        return replace(
            self, checkpoint=self.checkpoint.copied_to(folder),
            tokenizer=self.tokenizer.copied_to(folder),
            adapted={steps: place.copied_to(folder) for steps, place in self.adapted.items()},
        )  # fmt: skip

    def missing(self) -> list[str]:
        """What to do where this machine should have a part of it and has not."""
        told = (place.missing() for place in (self.checkpoint, self.tokenizer))
        return [each for each in told if each is not None]


@dataclass(frozen=True, kw_only=True)
class Family:
    """A ladder of models of one architecture, smallest first."""

    name: str
    architecture: str
    rungs: Mapping[str, Rung]

    @property
    def objective(self) -> str:
        """What the checkpoints learned before any adaptation, as `pretraining_objective`."""
        return ARCHITECTURES[self.architecture]

    @property
    def hub_ids(self) -> frozenset[str]:
        """What it has of the hub."""
        places = (place for rung in self.rungs.values() for place in rung.places)
        return frozenset(place.hub_id for place in places if place.hub_id is not None)

    def copied_to(self, folder: Path) -> "Family":
        """The same ladder, with all that is at the hub read from copies in a folder."""
        rungs = {name: rung.copied_to(folder) for name, rung in self.rungs.items()}
        return replace(self, rungs=rungs)


@functools.cache
def shipped() -> Mapping[str, Family]:
    """Every family that ships, by name."""
    families = (read_family(path) for path in sorted(FAMILIES.glob("*.yaml")))
    return {family.name: family for family in families}


def read_family(path: Path) -> Family:
    """The family in a file; its name is the file's, without the ending.

    Raises ValueError where the file cannot be read, and `ConfigError` with
    every mistake in it, each keyed by file and dotted path.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        said = " ".join(str(error).split())
        raise ValueError(
            f"model_family: {path} cannot be read ({said}); give a YAML file"
        ) from error
    reader = _Reader(path)
    family = reader.family(values)
    if reader.problems:
        raise ConfigError(reader.problems)
    return family


_NUMBER = Rule(type=int, minimum=1)
_WORD = Rule(type=str)
_KEYS = ("architecture", "tokenizer", "sizes")
_RUNG_KEYS = ("checkpoint", "tokenizer", "adapted", "parameters", "width", "shape")
_SHAPE = {field.name: field for field in fields(T5Shape)}


class _Reader:
    """Reads one file and collects its mistakes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.problems: list[Problem] = []

    def family(self, values: object) -> Family:
        """The family; what is wrong in it is reported and stands as a blank."""
        top = self._mapping("", values, _KEYS)
        architecture = self._value("architecture", top, Rule(type=str, choices=(*ARCHITECTURES,)))
        sizes = self._mapping("sizes", top.get("sizes"))
        if not sizes and isinstance(top.get("sizes"), Mapping):
            self._report("sizes", sizes, "is empty", "give at least one size")
        shared = self._place("tokenizer", top["tokenizer"]) if "tokenizer" in top else None
        rungs = {str(name): self._rung(str(name), size, shared) for name, size in sizes.items()}
        return Family(name=self._path.stem, architecture=str(architecture), rungs=rungs)

    def _rung(self, name: str, values: object, shared: Place | None) -> Rung:
        where = f"sizes.{name}"
        rung = self._mapping(where, values, _RUNG_KEYS)
        shape = self._shape(f"{where}.shape", rung["shape"]) if "shape" in rung else None
        checkpoint = self._place(f"{where}.checkpoint", rung.get("checkpoint"))
        own = self._place(f"{where}.tokenizer", rung["tokenizer"]) if "tokenizer" in rung else None
        parameters, width = self._counts(where, rung, shape)
        return Rung(
            name=name,
            checkpoint=checkpoint,
            tokenizer=own or shared or checkpoint,
            adapted=self._adapted(f"{where}.adapted", rung.get("adapted", {})),
            parameters=parameters,
            width=width,
            shape=shape,
        )

    def _counts(
        self, where: str, rung: Mapping[Any, Any], shape: T5Shape | None
    ) -> tuple[int, int]:
        """N and H: of the shape where one is given, else as written."""
        if "shape" not in rung:
            parameters = self._value(f"{where}.parameters", rung, _NUMBER)
            return parameters, self._value(f"{where}.width", rung, _NUMBER)
        for key in ("parameters", "width"):
            if key in rung:
                self._report(f"{where}.{key}", rung[key], "follows from shape", "leave it out")
        return (shape.parameter_count(), shape.d_model) if shape else (0, 0)

    def _shape(self, where: str, values: object) -> T5Shape | None:
        given = self._mapping(where, values, tuple(_SHAPE))
        needed = [n for n, f in _SHAPE.items() if n in given or n != "relative_buckets"]
        before = len(self.problems)
        found = {name: self._value(f"{where}.{name}", given, _NUMBER) for name in needed}
        return T5Shape(**found) if len(self.problems) == before else None

    def _adapted(self, where: str, values: object) -> Mapping[int, Place]:
        places = {}
        for steps, place in self._mapping(where, values).items():
            broken = violations(self._key(f"{where}.{steps}"), steps, _NUMBER)
            self.problems += broken
            if not broken:
                places[steps] = self._place(f"{where}.{steps}", place)
        return places

    def _place(self, where: str, value: object) -> Place:
        broken = violations(self._key(where), value, _WORD)
        self.problems += broken
        if broken:
            return Place()
        word = str(value)
        if word.startswith("package:"):
            return Place(package=word.removeprefix("package:"))
        if word.startswith((".", "/")):
            return Place(path=(self._path.parent / word).resolve())
        hub_id, _, revision = word.partition("@")
        if hub_id.count("/") > 1:
            remedy = "write NAME/MODEL@COMMIT, or a folder that begins with ./ or /"
            self._report(where, word, "is no hub id", remedy)
        return Place(hub_id=hub_id, revision=revision or None)

    def _mapping(self, where: str, values: object, keys: tuple[str, ...] = ()) -> Mapping[Any, Any]:
        if not isinstance(values, Mapping):
            self._report(where, values, "is not a mapping", "write 'key: value' lines below it")
            return {}
        unknown = [key for key in values if keys and key not in keys]
        for key in unknown:
            problem = unknown_key(str(key), keys)
            self._report(f"{where}.{key}".lstrip("."), key, problem.rule, problem.remedy)
        return values

    def _value(self, where: str, values: Mapping[Any, Any], rule: Rule) -> Any:
        value = values.get(where.rpartition(".")[2])
        self.problems += violations(self._key(where), value, rule)
        return value

    def _report(self, where: str, value: object, rule: str, remedy: str) -> None:
        key = self._key(where)
        self.problems.append(Problem(key=key, value=value, rule=rule, remedy=remedy))

    def _key(self, where: str) -> str:
        return f"{self._path}: {where or 'family'}"

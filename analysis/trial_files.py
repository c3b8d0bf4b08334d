"""What stands in the files of a trial, line by line, and in words what is wrong with a broken one.

A file of lines is JSON, an object a line. Every line is held against the shape that its
reader needs, so that a file which was cut off, or is somebody else's, costs what is drawn
from it and nothing else.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runners.store import DefectError, Store

_REMEDY = "see python -m sweeps verify"
_LARGEST = 2**53
"""The largest whole number that a float has exactly."""


class BrokenFile(ValueError):
    """A file of a trial that cannot be used: which trial, which path, which line, and why."""


@dataclass(frozen=True, kw_only=True)
class Key:
    """What stands under a key of a line: `rule` in words, and whether every line has it."""

    rule: str
    fits: Callable[[Any], bool]
    needed: bool = True


@dataclass(frozen=True, kw_only=True)
class LineFile:
    """A file of lines: its name in the attempt, and the keys that are read."""

    name: str
    keys: Mapping[str, Key]


def is_number(value: object) -> bool:
    """Whether a value is a finite number, and no truth value."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= _LARGEST if isinstance(value, int) else math.isfinite(value)


def is_count(value: object) -> bool:
    """Whether a value is a whole number of 0 or more."""
    return isinstance(value, int) and is_number(value) and value >= 0


def _is_score(value: Any) -> bool:
    return is_number(value) and 0 <= value <= 100


def _list_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and bool(value) and all(map(fits, value))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


TEXT = Key(rule="a text", fits=_is_text)
COUNT = Key(rule="a whole number of 0 or more", fits=is_count)
_ASIDE = Key(rule="a number", fits=lambda value: value is None or is_number(value), needed=False)
_TEXTS = "a list of texts"

HISTORY = LineFile(
    name="history.jsonl",
    keys={
        "step": COUNT, "score": Key(rule="a number from 0 to 100", fits=_is_score),
        "train_loss": _ASIDE, "neighbour_similarity": _ASIDE,
    },
)  # fmt: skip
"""A line for each evaluation on dev."""
NEIGHBOURS = LineFile(
    name="neighbours.jsonl",
    keys={
        "position": COUNT, "pieces": Key(rule=_TEXTS, fits=_list_of(_is_text)),
        "cosines": Key(rule="a list of numbers", fits=_list_of(is_number)),
    },
)  # fmt: skip
"""A line for each prompt token."""
PREDICTIONS = LineFile(
    name="predictions.jsonl",
    keys={
        "input": TEXT, "target": TEXT, "prediction": TEXT,
        "key": Key(rule="a list of numbers or texts", needed=False,
                   fits=_list_of(lambda part: _is_text(part) or is_number(part))),
        # WSC has no right answer where the pronoun means somebody else.
        "references": Key(rule=_TEXTS, needed=False,
                          fits=lambda value: value == [] or _list_of(_is_text)(value)),
        "holds": Key(rule="true or false", fits=lambda value: isinstance(value, bool),
                     needed=False),
    },
)  # fmt: skip
"""A line for each dev example, with the answer to it."""


Read = Callable[[Store, str, LineFile], list[dict[str, Any]]]
"""Reads the lines of a file of a trial as `read_lines` does, which may have read them before."""


def read_lines(store: Store, trial_id: str, file: LineFile) -> list[dict[str, Any]]:
    """Every line of a trial's file.

    Raises BrokenFile where there is no such file, none of its lines, or one that is not
    what it should be.
    """
    return parsed(store, trial_id, file, raw_lines(store, trial_id, file))


def raw_lines(store: Store, trial_id: str, file: LineFile) -> list[bytes]:
    """The lines of a trial's file as they are; BrokenFile where there are none."""
    try:
        lines = store.read(trial_id, file.name).splitlines()
    except DefectError as error:
        raise BrokenFile(f"trial {trial_id}: {error.defects[0]}") from error
    except ValueError as error:
        # It says which trial is not committed, or which files it has.
        raise BrokenFile(str(error)) from error
    if not lines:
        raise _broken(store, trial_id, file, "has no line")
    return lines


def parsed(
    store: Store, trial_id: str, file: LineFile, lines: Sequence[bytes], first: int = 1
) -> list[dict[str, Any]]:
    """Lines of a file as objects, the first of them being its line `first`.

    Raises BrokenFile with the first line that is not what it should be.
    """
    found = []
    for number, line in enumerate(lines, first):
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _broken(
                store, trial_id, file, f"line {number} is cut off, or is not JSON"
            ) from error
        if problem := _problem(file, values):
            raise _broken(store, trial_id, file, f"line {number} {problem}")
        found.append(values)
    return found


def _problem(file: LineFile, values: Any) -> str:
    """What is wrong with a line, or ''."""
    if not isinstance(values, dict):
        return "is not an object"
    for name, key in file.keys.items():
        if name not in values and key.needed:
            return f"has no {name}"
        if name in values and not key.fits(values[name]):
            return f"has a {name} that is not {key.rule}"
    if file is NEIGHBOURS and len(values["pieces"]) != len(values["cosines"]):
        return "has not one of cosines for each of pieces"
    return ""


def _broken(store: Store, trial_id: str, file: LineFile, problem: str) -> BrokenFile:
    path = store.path(trial_id, file.name)
    return BrokenFile(f"trial {trial_id}: {path}: {problem}; {_REMEDY}")

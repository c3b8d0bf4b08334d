"""Rules for values that people write, and the errors that teach them.

Mistakes are collected, never raised one at a time: `ConfigError` carries every
`Problem` of a config, each with key, value, rule and remedy.
"""

import argparse
import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

FILE_NAME = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)
"""Names that a file can have everywhere."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One mistake in a config: where, what it says, the rule it breaks, and the way out."""

    key: str
    value: object
    rule: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.key}: {self.value!r} {self.rule}; {self.remedy}"


class ConfigError(ValueError):
    """Every problem of one config, reported together."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


_NOUNS = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """The type and legal range of one field; `None` bounds are open."""

    type: type
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    below: float | None = None
    above: float | None = None
    optional: bool = False

    def violation(self, value: object) -> tuple[str, str] | None:
        """The broken rule and its remedy, or None where `value` is legal."""
        if value is None:
            return None if self.optional else ("is missing", f"give {self.wanted()}")
        if not self._has_type(value):
            return f"is not {self.wanted()}", f"write {self.wanted()}"
        if self.choices and value not in self.choices:
            near = nearest(str(value), self.choices)
            remedy = f"did you mean {near!r}?" if near else "use one of these"
            return f"is not one of {', '.join(self.choices)}", remedy
        if not self._in_range(value):
            return f"is not {self.wanted()}", f"write {self.wanted()}"
        return None

    def wanted(self) -> str:
        """The rule in words, such as 'a whole number of 1 or more'."""
        parts = [_NOUNS[self.type]]
        if self.minimum is not None:
            parts.append(f"of {self.minimum:g} or more")
        if self.above is not None:
            parts.append(f"above {self.above:g}")
        if self.below is not None:
            parts.append(f"below {self.below:g}")
        return " ".join(parts)

    def coerce(self, value: object) -> object:
        """A whole number where a float is wanted, as a float; everything else as it is."""
        if self.type is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        return value

    def _has_type(self, value: object) -> bool:
        if isinstance(value, bool) and self.type is not bool:
            return False
        if self.type is float:
            return isinstance(value, int | float) and math.isfinite(value)
        return isinstance(value, self.type)

    def _in_range(self, value: Any) -> bool:
        if self.type is str:
            return bool(value)
        return (
            (self.minimum is None or value >= self.minimum)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )


def count(word: str) -> int:
    """A whole number of 1 or more, as the value of a command's option."""
    number = int(word)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{word} is too few; give a whole number of 1 or more")
    return number


class LegalValues:
    """Values of fields that were found legal; a grid has few of them, and very many trials."""

    def __init__(self) -> None:
        self._known: set[tuple[str, type, object]] = set()

    def unknown(self, values: Mapping[str, Any]) -> list[str]:
        """The fields whose values are still to be checked; all where one cannot be looked up."""
        try:
            return [name for name, v in values.items() if (name, v.__class__, v) not in self._known]
        except TypeError:
            return list(values)

    def learn(self, values: Mapping[str, Any]) -> None:
        """Take these for legal from now on."""
        self._known.update((name, value.__class__, value) for name, value in values.items())


def unknown_key(key: str, known: Iterable[str]) -> Problem:
    """The problem of a key that nobody reads, with the nearest that somebody does."""
    near = nearest(key, known)
    remedy = f"did you mean {near!r}?" if near else f"legal keys: {', '.join(known)}"
    return Problem(key=key, value=key, rule="is not a known key", remedy=remedy)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like `word`, or None where none is like it."""
    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return matches[0] if matches else None


def violations(name: str, value: object, rule: Rule) -> list[Problem]:
    """The problem of `value` under the key `name`, or none where it is legal."""
    broken = rule.violation(value)
    return [Problem(key=name, value=value, rule=broken[0], remedy=broken[1])] if broken else []

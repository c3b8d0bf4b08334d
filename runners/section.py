"""Reading one mapping of plain values, with every mistake collected and none raised."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from runners.rules import Problem, Rule, nearest, unknown_key, violations


class Section:
    """The values under one key of a spec; its mistakes go to a list that sections share.

    A value that breaks its rule is reported and read as None. Problems are
    keyed by the dotted path of the value, such as `axes.prompt_length[2]`.
    """

    def __init__(self, values: object, problems: list[Problem], path: str = "") -> None:
        self.path = path
        self.problems = problems
        self.values: Mapping[str, object] = {}
        if isinstance(values, Mapping):
            # YAML reads 0 and true as no text, and `labels: {0: bad}` is easily written.
            self.values = {str(name): value for name, value in values.items()}
            for name in values:
                if not isinstance(name, str):
                    remedy = f'write "{str(name).lower()}", in quotation marks'
                    self.report("", name, "is a key that is not text", remedy)
        else:
            self.report("", values, "is not a mapping", "write 'key: value' lines below it")

    def key(self, name: str) -> str:
        """The dotted path of `name`."""
        return ".".join(part for part in (self.path, name) if part)

    def report(self, name: str, value: object, rule: str, remedy: str) -> None:
        """One mistake at `name`; the empty name is the section itself."""
        key = self.key(name) or "spec"
        self.problems.append(Problem(key=key, value=value, rule=rule, remedy=remedy))

    def check(self, name: str, value: object, rule: Rule) -> bool:
        """Whether `value` is legal at `name`; a mistake is reported."""
        broken = violations(self.key(name), value, rule)
        self.problems += broken
        return not broken

    def only(self, known: Iterable[str]) -> None:
        """Reports every key that is not among `known`."""
        for name in self.values:
            if name not in known:
                self.unknown(name, known)

    def unknown(self, name: str, known: Iterable[str]) -> None:
        """Reports a key that nobody reads, with the nearest of `known`."""
        self.problems.append(replace(unknown_key(name, known), key=self.key(name)))

    def section(self, name: str) -> "Section":
        """The mapping under `name`; an empty one where the spec leaves it out.

        What must be in it then reports itself as missing.
        """
        return Section(self.values.get(name, {}), self.problems, self.key(name))

    def pick(self, names: Iterable[str]) -> dict[str, object]:
        """The values as written of those `names` that are there."""
        return {name: self.values[name] for name in names if name in self.values}

    def value(self, name: str, rule: Rule) -> Any:
        """The legal value at `name`, or None."""
        value = self.values.get(name)
        return rule.coerce(value) if self.check(name, value, rule) else None

    def listed(self, name: str, rule: Rule) -> tuple[Any, ...]:
        """The list at `name`, at least one value and none twice; empty where any is wrong."""
        values = self.values.get(name)
        if values is None:
            self.report(name, None, "is missing", f"give a list, each {rule.wanted()}")
            return ()
        if not isinstance(values, list | tuple):
            self.report(name, values, "is not a list", f"write [{values}]")
            return ()
        if not values:
            self.report(name, [], "is empty", f"give at least one, each {rule.wanted()}")
        before = len(self.problems)
        for index, value in enumerate(values):
            if value in values[:index]:
                self.report(f"{name}[{index}]", value, "is listed twice", "keep one")
            else:
                self.check(f"{name}[{index}]", value, rule)
        return tuple(map(rule.coerce, values)) if len(self.problems) == before else ()

    def among(self, name: str, value: object, legal: tuple[Any, ...], where: str) -> bool:
        """Whether `value` is one of `legal`, which the spec gives at `where`."""
        if value in legal:
            return True
        remedy = "add it there, or use one of these"
        if isinstance(value, str):
            near = nearest(value, map(str, legal))
            remedy = f"did you mean {near!r}?" if near else remedy
        choices = ", ".join(map(str, legal))
        self.report(name, value, f"is not among {where} ({choices})", remedy)
        return False

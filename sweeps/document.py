"""YAML as plain values that remember their lines, with doubled keys refused.

Stricter than YAML where its freedom hides mistakes: a key stands once, keys are
words, and aliases are refused. One thing is freer: `1e-3` is a number.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import yaml

from runners.rules import Problem


@dataclass(frozen=True, kw_only=True)
class Located:
    """A mistake and the line it stands on."""

    line: int
    problem: Problem


@dataclass(frozen=True, kw_only=True)
class Document:
    """A text's values, the line of each by its dotted path, and what is wrong with its form.

    `values` is None where the text is empty or no YAML.
    """

    values: object
    lines: Mapping[str, int]
    mistakes: tuple[Located, ...]

    def locate(self, problem: Problem) -> Located:
        """The line of a problem's value, or of the nearest thing around a value that is missing."""
        path = problem.key
        while path and path not in self.lines:
            path = re.sub(r"(^|[.\[])[^.\[]*$", "", path)
        return Located(line=self.lines.get(path, 1), problem=problem)


def read(text: str) -> Document:
    """The values of the one YAML document in `text`."""
    try:
        reader = _Reader(loader=_Loader(text))
        node = reader.loader.get_single_node()
        values = reader.read(node, "") if node else None
    except yaml.YAMLError as error:
        return Document(values=None, lines={}, mistakes=(_unreadable(error),))
    return Document(values=values, lines=reader.lines, mistakes=tuple(reader.mistakes))


class _Loader(yaml.SafeLoader):
    """Plain values only."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


@dataclass(kw_only=True)
class _Reader:
    loader: _Loader
    lines: dict[str, int] = field(default_factory=dict)
    mistakes: list[Located] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)

    def read(self, node: yaml.Node, path: str) -> object:
        """The value of `node`, which stands at `path`."""
        self.lines.setdefault(path, _line(node))
        if id(node) in self.seen:
            self._report(node, path, "an alias", "is not read here", "write the value out")
            return None
        self.seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(item, f"{path}[{index}]") for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: str) -> dict[str, object]:
        values: dict[str, object] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            place = f"{path}.{name}" if path else name
            if name in values:
                rule = f"is given twice, first on line {self.lines[place]}"
                self._report(key, place, name, rule, "keep one")
            elif not isinstance(self._scalar(key, place), str):
                self._report(key, place, name, "is not a word, as keys are", "write 'key: value'")
            else:
                self.lines[place] = _line(key)
                values[name] = self.read(value, place)
        return values

    def _scalar(self, node: yaml.Node, path: str) -> object:
        try:
            return self.loader.construct_object(node, deep=True)
        except ValueError as error:
            self._report(node, path, node.value, f"cannot be read: {error}", "quote it")
            return None

    def _report(self, node: yaml.Node, path: str, value: object, rule: str, remedy: str) -> None:
        problem = Problem(key=path or "spec", value=value, rule=rule, remedy=remedy)
        self.mistakes.append(Located(line=_line(node), problem=problem))


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _unreadable(error: yaml.YAMLError) -> Located:
    marked = error if isinstance(error, yaml.MarkedYAMLError) else None
    line = marked.problem_mark.line + 1 if marked and marked.problem_mark else 1
    said = " ".join(str(marked.problem if marked else error).split())
    remedy = "mend the syntax on this line or above it"
    problem = Problem(key="spec", value="YAML", rule=f"cannot be read: {said}", remedy=remedy)
    return Located(line=line, problem=problem)

"""YAML with lines: what it reads, where it says a value stands, and what it refuses."""

import pytest

from runners.rules import Problem
from sweeps import document


def problem(key: str) -> Problem:
    """A mistake at a path, whatever it is."""
    return Problem(key=key, value=None, rule="", remedy="")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a: 1e-3", {"a": 0.001}),
        ("a: 2.5E4", {"a": 25000.0}),
        ("a: 60k", {"a": "60k"}),
        ("a: '1e-3'", {"a": "1e-3"}),
        ("a: [1, 2.5, true, null, x]", {"a": [1, 2.5, True, None, "x"]}),
        ("a:\n  b: {c: 1}", {"a": {"b": {"c": 1}}}),
        ("", None),
        ("# nothing", None),
    ],
)
def test_values(text: str, values: object) -> None:
    """`1e-3` is a word in YAML 1.1, and a learning rate to everybody else."""
    read = document.read(text)
    assert read.values == values
    assert read.mistakes == ()


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("a", 1),
        ("a.b", 2),
        ("a.b[1]", 4),
        ("a.b[7]", 2),
        ("a.missing", 1),
        ("a.missing.deeper[0]", 1),
        ("c", 5),
        ("spec", 1),
        ("other[x", 1),
    ],
)
def test_lines(key: str, line: int) -> None:
    """A mistake without its line has to be searched for."""
    read = document.read("a:\n  b:\n    - 1\n    - 2\nc: 3\n")
    assert read.locate(problem(key)).line == line


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: 1\nb: 2\na: 3", 3, "a: 'a' is given twice, first on line 1; keep one"),
        ("x:\n  a: 1\n  a: 1", 3, "x.a: 'a' is given twice, first on line 2; keep one"),
        ("1: x", 1, "1: '1' is not a word, as keys are; write 'key: value'"),
        ("on: x", 1, "on: 'on' is not a word, as keys are; write 'key: value'"),
        ("a: &b 1\nc: *b", 1, "c: 'an alias' is not read here; write the value out"),
        ("a: 2020-99-99", 1, "a: '2020-99-99' cannot be read: month must be in 1..12; quote it"),
    ],
)
def test_refusals(text: str, line: int, said: str) -> None:
    """The last of two equal keys wins in plain YAML, without a word."""
    (mistake,) = document.read(text).mistakes
    assert (mistake.line, str(mistake.problem)) == (line, said)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: [1,\n2", 2, "expected ',' or ']', but got '<stream end>'"),
        ("a: !!python/name:os.system ''", 1, "could not determine a constructor for the tag"),
        ("a: 1\n---\nb: 1", 2, "but found another document"),
        ("a: \x00", 1, "unacceptable character #x0000"),
    ],
)
def test_what_is_no_yaml(text: str, line: int, said: str) -> None:
    """An error of the parser must come out as a mistake of the spec, with its line."""
    (mistake,) = document.read(text).mistakes
    assert mistake.line == line
    assert f"spec: 'YAML' cannot be read: {said}" in str(mistake.problem)
    assert mistake.problem.remedy == "mend the syntax on this line or above it"


def test_a_mapping_that_holds_itself_is_refused() -> None:
    """Following an alias to what encloses it would never end."""
    assert document.read("a: &x [*x]").mistakes

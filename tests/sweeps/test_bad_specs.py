"""Bad specs, and every mistake in exact words: file, line, key, value, rule and remedy."""

from pathlib import Path

import pytest

from sweeps.spec import SpecError, parse

TABLE = Path(__file__).parents[1] / "golden" / "bad_specs.txt"


def read_table() -> list[tuple[str, str, str]]:
    """Of each block, what is replaced, by what, and what is said of it."""
    blocks = [block for block in TABLE.read_text().split("\n\n") if not block.startswith("#")]
    rows = []
    for block in blocks:
        change, *said = block.strip("\n").splitlines()
        plain = change.replace("\\n", "\n").replace("(nothing)", "")
        old, new = plain.split(" => ")
        rows.append((old, new, "\n".join(f"my.yaml:{line.strip()}" for line in said)))
    return rows


BAD = read_table()


def mistakes(text: str) -> str:
    """What a spec of that text is told."""
    with pytest.raises(SpecError) as caught:
        parse(text, path="my.yaml")
    return str(caught.value)


@pytest.mark.parametrize(("old", "new", "said"), BAD, ids=[new or old for old, new, _ in BAD])
def test_a_bad_spec(text: str, old: str, new: str, said: str) -> None:
    """A mistake that passes runs for hours; one that is not named is searched for as long."""
    assert old in text
    assert mistakes(text.replace(old, new, 1)) == said


def test_all_mistakes_are_reported_together(text: str) -> None:
    """One error at a time makes as many rounds as there are mistakes."""
    for old, new in (
        ("star", "strar"),
        ("[60k, 200k]", "[6k]"),
        ("seed: [0]", "sed: [0]"),
        ("prompt_init: class_label", "prompt_init: clas_label"),
        ("1e-3", "fast"),
        ("[model_tuning]", "[modell_tuning]"),
        ("workers", "worker"),
    ):
        text = text.replace(old, new)
    said = mistakes(text).splitlines()
    keys = [line.removeprefix("my.yaml:").split(": ", 2)[:2] for line in said]
    assert keys == [
        ["2", "design"],
        ["4", "axes.seed"],
        ["5", "axes.model_size[0]"],
        ["9", "axes.sed"],
        ["12", "defaults.prompt_init"],
        ["18", "settings.model_tuning.learning_rate"],
        ["19", "settings.lm_adaptation.learning_rate"],
        ["20", "baselines[0]"],
        ["21", "execution.worker"],
    ]
    near = ["star", "60k", "seed", "class_label", "model_tuning", "workers"]
    assert all(any(f"did you mean {word!r}?" in line for line in said) for word in near)

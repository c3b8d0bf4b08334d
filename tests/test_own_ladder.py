"""The page on one's own ladder says what the code reads: its files and commands."""

import json
import re
import shlex
from pathlib import Path

import pytest

from runners import lm_adaptation, pretraining
from runners.alone import config_of
from runners.catalogue_section import load_catalogue
from runners.data.source import load_task_data
from runners.data.text import read_text
from runners.model.checkpoint import LADDER
from runners.model.family import Place, read_family
from runners.model.reading import read_codec
from runners.prompt_tuning import DEFAULTS
from sweeps.spec import load

PAGE = Path(__file__).resolve().parents[1] / "docs" / "own_ladder.md"


def _blocks(language: str) -> list[str]:
    """The blocks of one language, in the order of the page."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def _commands(program: str) -> list[list[str]]:
    """The words after `python -m PROGRAM` of every command on the page."""
    lines = "".join(_blocks("sh")).replace("\\\n", " ").splitlines()
    start = f"python -m {program} "
    return [shlex.split(line.removeprefix(start)) for line in lines if line.startswith(start)]


@pytest.fixture
def english(tmp_path: Path) -> Path:
    """The page's folder: family and spec as it prints them, and a text."""
    folder = tmp_path / "english"
    (folder / "text").mkdir(parents=True)
    (folder / "text" / "a.txt").write_text("\n\n".join(f"Sentence {n}." for n in range(500)))
    (tmp_path / "data" / "superglue").mkdir(parents=True)
    (tmp_path / "data" / "glue").mkdir()
    for name, block in zip(("english.yaml", "study.yaml"), _blocks("yaml"), strict=True):
        (folder / name).write_text(block)
    return folder


def test_the_family_has_the_sizes_that_the_page_tells(english: Path) -> None:
    """Catches a table of parameters that is not of the shapes above it."""
    family = read_family(english / "english.yaml")
    told = re.findall(
        r"^\| (\w+) \| \d+ \| \d \+ \d \| ([\d,]+) \|", PAGE.read_text(), re.MULTILINE
    )
    assert told == [(name, f"{rung.parameters:,}") for name, rung in family.rungs.items()]


def test_the_spec_is_legal(english: Path) -> None:
    """Catches a page whose last step fails."""
    spec = load(english / "study.yaml")
    assert spec.study.family.name == "english"
    fingerprint = read_text(english / "text").fingerprint
    texts = {trial.config.lm_adaptation_text for trial in spec.trials}
    assert texts == {None, fingerprint}


def test_the_commands_have_words_that_exist() -> None:
    """Catches an option that was renamed."""
    for module in (pretraining, lm_adaptation):
        (words,) = _commands(module.__name__)
        assert module._parser().parse_args(words).family == "english/english.yaml"


def test_the_single_trial_can_be_read_and_has_data(english: Path) -> None:
    """Catches a default that RTE's dev split refuses, or a field that does not fit the family.

    The split has RTE's 277 rows; the fingerprint is that of the text here.
    """
    (words,) = _commands("runners.prompt_tuning")
    options = dict(zip(words[:4:2], words[1:4:2], strict=True))
    assert options == {
        "--catalogue": "english/study.yaml", "--store": "results/english",
    }  # fmt: skip
    fingerprint = read_text(english / "text").fingerprint
    said = [re.sub(r"(lm_adaptation_text=).*", rf"\g<1>{fingerprint}", each) for each in words[4:]]
    catalogue = load_catalogue(english / "study.yaml")
    config = config_of(said, DEFAULTS, catalogue)
    assert catalogue.problems(config) == []
    rows = [
        json.dumps({"idx": n, "premise": "It rains.", "hypothesis": "It pours.",
                    "label": "not_entailment"})
        for n in range(277)
    ]  # fmt: skip
    folder = english.parent / "data" / "superglue" / "RTE"
    folder.mkdir()
    for name in ("train", "val"):
        (folder / f"{name}.jsonl").write_text("\n".join(rows))
    codec = read_codec(Place(path=LADDER / "tokenizer"), continues=False)
    assert len(load_task_data(config, codec, catalogue).dev) == 277

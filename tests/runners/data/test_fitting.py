"""Data and models held against each other before any weights are read."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import GPT2Config, MT5Config

from runners.catalogue import Catalogue
from runners.catalogue_section import load_catalogue
from runners.config import TrialConfig
from runners.data import fitting, source
from runners.data.fitting import misfits
from runners.model.checkpoint import LADDER

Make = Callable[..., TrialConfig]
SIZE = "{checkpoint: ./%s, tokenizer: ./tokenizer%s, parameters: 1, width: 32}"
TASK = (
    "{train: rows.tsv, dev: rows.tsv, input: '{text}', target: '{label}', labels: {'0': bad, '1': "
    "WORD}}"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two sizes of a T5, each with a tokenizer of its own, and a task; no weights anywhere."""
    for number in "12":
        shutil.copytree(LADDER / "tokenizer", tmp_path / f"tokenizer{number}")
        (tmp_path / f"size{number}").mkdir()
        shutil.copy(LADDER / "60k" / "config.json", tmp_path / f"size{number}")
    sizes = ", ".join(f"s{n}: {SIZE % (f'size{n}', n)}" for n in "12")
    (tmp_path / "mine.yaml").write_text(f"architecture: t5\nsizes: {{{sizes}}}\n")
    (tmp_path / "long.tsv").write_text("text\tlabel\nthe dog and the cat and the dog\t1\n")
    (tmp_path / "rows.tsv").write_text("text\tlabel\nthe dog and the cat\t1\nthe dog\t0\n")
    return tmp_path


def _catalogue(folder: Path, word: str = "good") -> Catalogue:
    task = TASK.replace("WORD", word)
    other = task.replace("train: rows.tsv, dev: rows.tsv", "dev: long.tsv")
    text = f"families: [mine.yaml]\ntasks:\n  mood: {task}\n  other: {other}\n"
    (folder / "my.yaml").write_text(text)
    return load_catalogue(folder / "my.yaml")


def _trials(catalogue: Catalogue, config: Make, **changes: object) -> list[TrialConfig]:
    own = {
        "model_family": "mine", "task": "mood", "train_examples": None, "dev_examples": None,
        **catalogue.fields_of("mood", "microworld"), **changes,
    }  # fmt: skip
    return [config(model_size=size, seed=n, **own) for size in ("s1", "s2") for n in range(3)]


def test_what_fits_is_not_told_and_stays_in_no_memory(folder: Path, config: Make) -> None:
    """Catches a driver that holds the rows of every task for as long as its sweep runs."""
    catalogue = _catalogue(folder)
    assert misfits(_trials(catalogue, config), catalogue) == {}
    assert source._load.cache_info().currsize == 0


def test_a_label_is_told_once_for_all_sizes(folder: Path, config: Make) -> None:
    """Catches a class that no model can name, found out after its LM adaptation."""
    catalogue = _catalogue(folder, word="b\U0001f600d")
    (said,) = misfits(_trials(catalogue, config), catalogue).items()
    assert said[1] == ["s1", "s2"]
    assert said[0].startswith("mood: label: 'b\U0001f600d' has characters that the tokenizer")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"input_length": 4}, "input_length: 1 of 2 rows of mood are longer than 4 tokens"),
        ({"train_examples": 3}, "train_examples: 3 is more than the 2 of mood; give 2 or less"),
        (
            {"transfer_tasks": "other", "input_length": 7},
            "input_length: 1 of 1 rows of other are longer than 7 tokens",
        ),
    ],
)
def test_rows_are_tried_as_a_trial_reads_them(
    folder: Path, config: Make, changes: dict[str, object], told: str
) -> None:
    """Catches a row that is too long, or a number of rows that is not there, told by the trial."""
    catalogue = _catalogue(folder)
    if "transfer_tasks" in changes:
        changes |= catalogue.transfer_fields(["other"])
    (said,) = misfits(_trials(catalogue, config, **changes), catalogue)
    assert said.startswith(told)


def test_what_is_cut_is_not_read(
    folder: Path, config: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a minute of ReCoRD before every run, of which nothing can be wrong."""
    monkeypatch.setattr(fitting, "load_task_data", lambda *_: pytest.fail("read"))
    catalogue = _catalogue(folder)
    assert misfits(_trials(catalogue, config, long_inputs="cut"), catalogue) == {}
    (said,) = misfits(
        _trials(catalogue := _catalogue(folder, word="b\U0001f600d"), config, long_inputs="cut"),
        catalogue,
    )
    assert said.startswith("mood: label: ")


def test_equal_tokenizers_read_once(
    folder: Path, config: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a ladder of five copies of a tokenizer that reads every benchmark five times."""
    codecs = []

    def noted(config: TrialConfig, codec: object, catalogue: Catalogue) -> object:
        codecs.append(codec)
        return source.load_task_data(config, codec, catalogue)  # type: ignore[arg-type]

    monkeypatch.setattr(fitting, "load_task_data", noted)
    catalogue = _catalogue(folder)
    misfits(_trials(catalogue, config), catalogue)
    assert len(codecs) == 2
    assert codecs[0] is codecs[1]


def test_what_models_are_is_looked_at(folder: Path, config: Make) -> None:
    """Catches a checkpoint of another kind, or positions for half of a row, after hours."""
    path = folder / "size1" / "config.json"
    usual = path.read_text()
    path.write_text(json.dumps(json.loads(usual) | {"vocab_size": 64}))
    (said,) = misfits(_trials(catalogue := _catalogue(folder), config), catalogue)
    assert said.startswith(f"model {folder / 'size1'}: has an embedding of 64 pieces, and its")
    path.write_text(usual)
    MT5Config().save_pretrained(folder / "size2")
    catalogue = _catalogue(folder)
    ((said, sizes),) = misfits(_trials(catalogue, config), catalogue).items()
    assert (sizes, said.partition(": ")[2]) == (
        ["s2"],
        "model_type 'mt5' is not t5; give a T5 1.0 or 1.1",
    )
    for name in ("size1", "size2"):
        GPT2Config(n_positions=4).save_pretrained(folder / name)
    family = (folder / "mine.yaml").read_text()
    (folder / "mine.yaml").write_text(family.replace("architecture: t5", "architecture: causal"))
    trials = _trials(_catalogue(folder), config, pretraining_objective="causal_lm")
    ((said, sizes),) = misfits(trials, _catalogue(folder)).items()
    assert sizes == ["s1", "s2"]
    assert said.startswith("input_length: 512 lets mood have rows of")


def test_a_tokenizer_that_is_none_is_told(folder: Path, config: Make) -> None:
    """Catches a folder without a tokenizer, which the first worker finds out."""
    (folder / "tokenizer1" / "tokenizer.json").write_text(json.dumps([]))
    catalogue = _catalogue(folder)
    ((said, sizes),) = misfits(_trials(catalogue, config), catalogue).items()
    assert sizes == ["s1"]
    assert said.startswith(f"model {folder / 'tokenizer1'}: cannot be read")

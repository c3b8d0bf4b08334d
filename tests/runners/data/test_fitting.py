"""Data and models held against each other before any weights are read."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM, GPT2Config, UMT5Config

from runners.catalogue import Catalogue, DataPlace
from runners.catalogue_section import load_catalogue
from runners.config import TrialConfig
from runners.data import examples, fitting, records, source
from runners.data.fitting import Findings, findings
from runners.data.lengths import Lengths, lengths_of
from runners.model.checkpoint import LADDER
from runners.model.family import Place
from runners.model.reading import read_codec
from runners.tasks.task import Split

Make = Callable[..., TrialConfig]
SIZE = "{checkpoint: ./%s, tokenizer: ./tokenizer%s, parameters: 69728, width: 32}"
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


def misfits(trials: list[TrialConfig], catalogue: Catalogue) -> Mapping[str, list[str]]:
    """What does not fit where there is no benchmark to read."""
    return findings(trials, catalogue, {}).misfits


def _trials(catalogue: Catalogue, config: Make, **changes: object) -> list[TrialConfig]:
    own = {
        "model_family": "mine", "task": "mood", "train_examples": None, "dev_examples": None,
        **catalogue.fields_of("mood", "microworld"), **changes,
    }  # fmt: skip
    return [config(model_size=size, seed=n, **own) for size in ("s1", "s2") for n in range(3)]


def test_what_fits_is_not_told_and_stays_in_no_memory(folder: Path, config: Make) -> None:
    """Catches a driver that holds the rows of every task for as long as its sweep runs."""
    catalogue = _catalogue(folder)
    source.forget()
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
    for name in ("load_task_data", "lengths_of"):
        monkeypatch.setattr(fitting, name, lambda *_: pytest.fail("read"))
    catalogue = _catalogue(folder)
    assert misfits(_trials(catalogue, config, long_inputs="cut"), catalogue) == {}
    (said,) = misfits(
        _trials(catalogue := _catalogue(folder, word="b\U0001f600d"), config, long_inputs="cut"),
        catalogue,
    )
    assert said.startswith("mood: label: ")


def test_what_fits_is_measured_once_and_not_loaded(
    folder: Path, config: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a ladder of five copies of a tokenizer that reads every benchmark five times."""
    measured = []

    def noted(*arguments: object) -> Lengths:
        measured.append(arguments)
        return lengths_of(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(fitting, "lengths_of", noted)
    monkeypatch.setattr(fitting, "load_task_data", lambda *_: pytest.fail("loaded"))
    catalogue = _catalogue(folder)
    assert misfits(_trials(catalogue, config), catalogue) == {}
    assert len(measured) == 2


def test_every_split_is_read_once(
    folder: Path, config: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches ReCoRD read from its files once to see that they are whole and again for its rows."""
    read: list[tuple[object, ...]] = []

    def noted(*arguments: object) -> object:
        read.append(arguments)
        return records.read_records(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(examples, "read_records", noted)
    catalogue, place, parts = _benchmark(folder)
    trials = [
        config(
            model_family="mine", model_size=size, task="rte", data_source="superglue",
            train_examples=None, dev_examples=None, pretraining_objective=objective,
            prompt_length=length,
        )
        for size in ("s1", "s2")
        for objective in ("span_corruption", "span_corruption_sentinel")
        for length in (1, 5)
    ]  # fmt: skip
    assert findings(trials, catalogue, parts) == Findings(unreadable={}, misfits={}, absent={})
    assert read == [("superglue", "rte", split, place) for split in ("train", "dev")]


def test_a_row_that_no_trial_reads_is_told_for_its_split(folder: Path, config: Make) -> None:
    """Catches a label that is none, told as a misfit of a model or by the trial."""
    catalogue, _, parts = _benchmark(folder)
    row = {"premise": "The dog.", "hypothesis": "The cat.", "label": "no", "idx": 0}
    (folder / "RTE" / "val.jsonl").write_text(json.dumps(row))
    trial = config(model_family="mine", model_size="s1", task="rte", data_source="superglue",
                   train_examples=3, dev_examples=None)  # fmt: skip
    found = findings([trial], catalogue, parts)
    ((part, error),) = found.unreadable.items()
    assert part == ("superglue", "rte", "dev")
    assert "label: 'no' is not one of" in str(error)
    assert not found.misfits


def _benchmark(
    folder: Path,
) -> tuple[Catalogue, DataPlace, dict[tuple[str, str, Split], DataPlace]]:
    """A catalogue with RTE in a folder, its place, and its splits."""
    (folder / "RTE").mkdir()
    row = {"premise": "The dog.", "hypothesis": "The cat.", "label": "entailment", "idx": 0}
    for name in ("train", "val"):
        (folder / "RTE" / f"{name}.jsonl").write_text(json.dumps(row))
    (folder / "my.yaml").write_text("families: [mine.yaml]\ndata: {superglue: {dir: .}}\n")
    catalogue = load_catalogue(folder / "my.yaml")
    place = catalogue.data["superglue"]
    splits: tuple[Split, ...] = ("train", "dev")
    return catalogue, place, {("superglue", "rte", split): place for split in splits}


@pytest.mark.parametrize(("positions", "fits"), [(11, True), (10, False)])
def test_positions_are_counted_to_the_last(
    folder: Path, config: Make, positions: int, fits: bool
) -> None:
    """Catches a row that has exactly the positions of its model, and is refused or cut."""
    _decoder(folder, positions)
    catalogue = _catalogue(folder)
    # Five tokens of the prompt, five of the input, and of two of the answer the first.
    trials = _trials(catalogue, config, pretraining_objective="causal_lm", prompt_length=5)
    assert (misfits(trials, catalogue) == {}) == fits


@pytest.mark.parametrize(("spare", "fits"), [(0, True), (-1, False)])
def test_the_longest_right_answer_has_positions(
    folder: Path, config: Make, spare: int, fits: bool
) -> None:
    """Catches room for the first of several right answers alone, found out by the trial."""
    said = ("dog", "the dog and the cat")
    asked = {"question": "Who?", "answers": [{"text": text} for text in said]}
    rows = {"data": [{"paragraphs": [{"context": "the dog and the cat", "qas": [asked]}]}]}
    (folder / "rows.json").write_text(json.dumps(rows))
    codec = read_codec(Place(path=folder / "tokenizer1"), continues=True)
    (text,) = codec.inputs(["question: Who ? context: the dog and the cat"])
    (answer,) = codec.targets([said[1]])
    _decoder(folder, 5 + len(text) + len(answer) - 1 + spare)
    (folder / "my.yaml").write_text(
        "families: [mine.yaml]\ntasks: {mood: {train: rows.json, dev: rows.json}}\n"
    )
    catalogue = load_catalogue(folder / "my.yaml")
    trials = _trials(catalogue, config, pretraining_objective="causal_lm", prompt_length=5)
    assert (misfits(trials, catalogue) == {}) == fits


def _decoder(folder: Path, positions: int) -> None:
    """Make both sizes decoder-only models of so many positions."""
    shape = GPT2Config(n_positions=positions, n_layer=1, n_embd=32, n_head=2, vocab_size=700)
    for name in ("size1", "size2"):
        shape.save_pretrained(folder / name)
    parameters = AutoModelForCausalLM.from_config(shape).num_parameters()
    family = (folder / "mine.yaml").read_text().replace("69728", str(parameters))
    (folder / "mine.yaml").write_text(family.replace("architecture: t5", "architecture: causal"))


def test_what_models_are_is_looked_at(folder: Path, config: Make) -> None:
    """Catches a checkpoint of another kind, or positions for half of a row, after hours."""
    path = folder / "size1" / "config.json"
    usual = path.read_text()
    path.write_text(json.dumps(json.loads(usual) | {"vocab_size": 64}))
    (said,) = misfits(_trials(catalogue := _catalogue(folder), config), catalogue)
    assert said.startswith(f"model {folder / 'size1'}: has an embedding of 64 pieces, and its")
    path.write_text(usual)
    UMT5Config().save_pretrained(folder / "size2")
    catalogue = _catalogue(folder)
    ((said, sizes),) = misfits(_trials(catalogue, config), catalogue).items()
    assert (sizes, said.partition(": ")[2]) == (
        ["s2"],
        "model_type 'umt5' is not t5; give a T5 1.0 or 1.1, or an mT5",
    )
    _decoder(folder, positions=4)
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


@pytest.mark.parametrize(
    ("key", "said", "there"), [("parameters", 69727, 69728), ("width", 31, 32)]
)
def test_a_size_that_the_family_file_has_wrong_is_told(
    folder: Path, config: Make, key: str, said: int, there: int
) -> None:
    """Catches a number that a user has mistyped, told after hours of another size's trials."""
    path = folder / "mine.yaml"
    path.write_text(path.read_text().replace(f"{key}: {there}", f"{key}: {said}", 1))
    catalogue = _catalogue(folder)
    assert misfits(_trials(catalogue, config), catalogue) == {
        f"model_family mine, size s1: {key} is {said} in the family file and {there} in "
        f"{folder / 'size1'}; correct the one or name the other": ["s1"]
    }


def _cached(folder: Path, cache: Path, source: str) -> None:
    """Put a tokenizer into the hub's cache, as the hub's client lays it out."""
    commit = "0" * 40
    place = cache / "models--someone--pieces"
    shutil.copytree(folder / source, place / "snapshots" / commit)
    shutil.copy(LADDER / "60k" / "config.json", place / "snapshots" / commit)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(commit)


def test_a_tokenizer_of_the_hub_is_tried_where_it_can_be_had(
    folder: Path, config: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a tokenizer in the hub's cache that finds out hours later what it cannot write."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    path = folder / "mine.yaml"
    path.write_text(
        path.read_text().replace("tokenizer: ./tokenizer1", "tokenizer: someone/pieces")
    )
    catalogue = _catalogue(folder, word="b\U0001f600d")
    found = findings(_trials(catalogue, config), catalogue, {})
    assert list(found.absent) == ["someone/pieces"]
    assert [*found.misfits.values()] == [["s2"]]
    _cached(folder, tmp_path / "hub", "tokenizer1")
    found = findings(_trials(catalogue, config), catalogue, {})
    assert not found.absent
    assert [*found.misfits.values()] == [["s1", "s2"]]

"""Bad models, data and prompts, each through the command that a user gives.

The modules that find these mistakes have tests of their own, with more cases. Here a
mistake has to come out of the command: with an exit code of 2, all of its
four parts (subject, value, rule, remedy), no traceback, and nothing written.
"""

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from runners import alone, pretraining, prompt_tuning, prompts
from runners.model.checkpoint import LADDER
from runners.prompt.npy_format import write_npy

# Makes the bad input in a folder and gives the words of the command.
Prepare = Callable[[Path], list[str]]

SPAN = ["pretraining_objective=span_corruption"]
SHAPE = (
    "{vocabulary: 2100, d_model: 32, d_ff: 64, heads: 2, d_kv: 16, encoder_layers: 1, "
    "decoder_layers: 1}"
)
OWN = "{train: rows.tsv, dev: rows.tsv, input: '{text}', target: '{label}', labels: LABELS}"

LABELS = "{'0': bad, '1': good}"


def _sst2(folder: Path, *files: str, header: str = "sentence\tlabel") -> None:
    place = folder / "glue" / "SST-2"
    place.mkdir(parents=True)
    for file in files:
        (place / file).write_text(f"{header}\nfun\t1\ndull\t0\n")
    (folder / "my.yaml").write_text("data: {glue: {dir: glue}}\n")


def _missing_split(folder: Path) -> list[str]:
    _sst2(folder, "train.tsv")
    return [*SPAN, "task=sst2", "data_source=published"]


def _column_of_a_benchmark(folder: Path) -> list[str]:
    _sst2(folder, "train.tsv", "dev.tsv", header="review\tlabel")
    return [*SPAN, "task=sst2", "data_source=published"]


def _questionless(folder: Path) -> list[str]:
    place = folder / "superglue" / "MultiRC"
    place.mkdir(parents=True)
    for file in ("train.jsonl", "val.jsonl"):
        passage = {"text": "Ann owns a cat.", "questions": []}
        (place / file).write_text(json.dumps({"idx": 0, "passage": passage}))
    (folder / "my.yaml").write_text("data: {superglue: {dir: superglue}}\n")
    return [*SPAN, "task=multirc", "data_source=published"]


def _header_alone(folder: Path) -> list[str]:
    (folder / "mrqa").mkdir()
    header = json.dumps({"header": {"dataset": "BioASQ"}}).encode()
    (folder / "mrqa" / "BioASQ.jsonl.gz").write_bytes(gzip.compress(header))
    (folder / "my.yaml").write_text("data: {mrqa: {dir: mrqa}}\n")
    return [*SPAN, "task=cb", "transfer_tasks=bioasq"]


def _damaged_file(folder: Path) -> list[str]:
    words = _header_alone(folder)
    file = folder / "mrqa" / "BioASQ.jsonl.gz"
    packed = file.read_bytes()
    file.write_bytes(packed[:10] + bytes([packed[10] ^ 0xFF]) + packed[11:])
    return words


def _own(folder: Path, task: str, rows: str) -> list[str]:
    (folder / "rows.tsv").write_text(f"text\tlabel\n{rows}")
    (folder / "my.yaml").write_text(f"tasks:\n  mood: {task}\n")
    return [*SPAN, "task=mood"]


def _column_of_a_template(folder: Path) -> list[str]:
    task = OWN.replace("{text}", "{review}").replace("LABELS", LABELS)
    return _own(folder, task, "fun\t1\ndull\t0\n")


def _number(folder: Path) -> list[str]:
    return _own(folder, OWN.replace("LABELS", "{0: bad, 1: good}"), "fun\t1\ndull\t0\n")


def _verbalizer(folder: Path) -> list[str]:
    return _own(folder, OWN.replace("LABELS", LABELS), "fun\t1\ndull\t0\nso so\t2\n")


def _long_rows(folder: Path) -> list[str]:
    words = _own(
        folder,
        OWN.replace("LABELS", LABELS),
        f"fun\t1\n{'the dog and the cat ' * 20}\t0\n",
    )
    return [*words, "input_length=16", "dev_examples=null"]


def _family(folder: Path, change: Callable[[Path], object]) -> list[str]:
    """A copy of the shipped 60k, changed, as a family of the user's own."""
    shutil.copytree(LADDER / "60k", folder / "ladder")
    shutil.copytree(LADDER / "tokenizer", folder / "tokenizer")
    change(folder / "ladder")
    (folder / "family.yaml").write_text(
        "architecture: t5\ntokenizer: ./tokenizer\n"
        "sizes: {tiny: {checkpoint: ./ladder, parameters: 69728, width: 32}}\n"
    )
    (folder / "my.yaml").write_text("families: [family.yaml]\n")
    return [*SPAN, "task=cb", "model_family=family", "model_size=tiny"]


def _other_config(folder: Path) -> list[str]:
    def widen(checkpoint: Path) -> None:
        path = checkpoint / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"d_ff": 80}))

    return _family(folder, widen)


def _cut_weights(folder: Path) -> list[str]:
    def cut(checkpoint: Path) -> None:
        path = checkpoint / "model.safetensors"
        path.write_bytes(path.read_bytes()[:-1000])

    return _family(folder, cut)


def _dropout(folder: Path) -> list[str]:
    (folder / "my.yaml").write_text("data: {}\n")
    causal = ["pretraining_objective=causal_lm", "model_family=pythia", "model_size=14m"]
    return [*causal, "task=cb", "dropout=0.1"]


TRIALS: dict[str, tuple[Prepare, list[str]]] = {
    "a missing split": (_missing_split, ["dev.tsv"]),
    "a wrong column of a benchmark": (_column_of_a_benchmark, ["sentence", "review"]),
    "a split that asks nothing": (
        _questionless,
        ["multirc: no record of train in", "superglue has an example", "give the publisher's"],
    ),
    "a file with a header alone": (_header_alone, ["BioASQ.jsonl.gz: holds no question; put the"]),
    "a damaged file": (_damaged_file, ["BioASQ.jsonl.gz: is no whole gzip file", "copy it again"]),
    "a wrong column in a template": (
        _column_of_a_template,
        ["'{review}'", "name one of text, label"],
    ),
    "a verbalizer of a number": (
        _number,
        ["tasks.mood.labels: 0 is a key that is not text", '"0"'],
    ),
    "a label without a verbalizer": (_verbalizer, ["'2'", "rows.tsv"]),
    "a row that is too long": (_long_rows, ["1 of 2", "16", "raise input_length"]),
    "weights of another config": (
        _other_config,
        ["ladder", "DenseReluDense", "[64, 32]", "[80, 32]"],
    ),
    "dropout of a decoder-only model": (_dropout, ["dropout: 0.1", "for pythia", "give 0"]),
    "truncated weights": (_cut_weights, ["ladder", "file not fully covered"]),
}


@pytest.mark.parametrize("name", TRIALS)
def test_a_trial_on_bad_input(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a traceback, a message without its subject, and a trial that starts regardless."""
    prepare, told = TRIALS[name]
    words = [*prepare(tmp_path), "--catalogue", str(tmp_path / "my.yaml")]
    words += ["--store", str(tmp_path / "store")]
    assert alone.main("door", prompt_tuning.DEFAULTS, words) == 2
    said = capsys.readouterr().err
    assert ";" in said, "no remedy"
    assert not [part for part in told if part not in said]
    assert "Traceback" not in said
    assert not list(tmp_path.glob("store/trials/*"))


def _other_width(folder: Path) -> Path:
    write_npy(folder / "cb.npy", np.ones((5, 24), np.float32))
    return folder / "cb.npy"


def _cut_prompt(folder: Path) -> Path:
    write_npy(folder / "cb.npy", np.ones((5, 32), np.float32))
    (folder / "cb.npy").write_bytes((folder / "cb.npy").read_bytes()[:-100])
    return folder / "cb.npy"


PROMPTS: dict[str, tuple[Callable[[Path], Path], list[str]]] = {
    "a prompt of another width": (_other_width, ["24", "32"]),
    "a truncated prompt": (_cut_prompt, ["cb.npy"]),
}


@pytest.mark.parametrize("name", PROMPTS)
def test_the_import_of_a_bad_prompt(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a prompt that is committed and fails only where somebody uses it."""
    prepare, told = PROMPTS[name]
    words = [
        "import", str(tmp_path / "store"), str(prepare(tmp_path)), *SPAN, "model_family=nano",
        "model_size=60k", "lm_adaptation_steps=0", "prompt_init=class_label", "task=cb", "seed=0",
        "train_steps=4", "eval_every=2", "batch_size=4", "learning_rate=1",
        "--score", "accuracy=70", "--score", "f1_macro=60",
    ]  # fmt: skip
    assert prompts.main(words) == 2
    said = capsys.readouterr().err
    assert not [part for part in told if part not in said]
    assert not list(tmp_path.glob("store/trials/*"))


@pytest.mark.parametrize("file", [None, "empty.txt"])
def test_a_text_folder_with_nothing_in_it(
    file: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a tokenizer of nothing, trained in silence."""
    (tmp_path / "text").mkdir()
    if file is not None:
        (tmp_path / "text" / file).write_text(" \n\n")
    (tmp_path / "family.yaml").write_text(
        "architecture: t5\ntokenizer: ./ladder/tokenizer\n"
        f"sizes: {{tiny: {{checkpoint: ./ladder/tiny, shape: {SHAPE}}}}}\n"
    )
    words = ["--family", str(tmp_path / "family.yaml"), "--size", "tiny", "--steps", "2"]
    with pytest.raises(SystemExit, match="2"):
        pretraining.main([*words, "--text", str(tmp_path / "text")])
    said = capsys.readouterr().err
    assert str(tmp_path / "text") in said
    assert not (tmp_path / "ladder").exists()

"""The door of pre-training: its words, what they make, and what is told of wrong ones."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from transformers import AutoTokenizer

from runners.catalogue import Catalogue
from runners.catalogue_section import add_family
from runners.model.checkpoint import fingerprint_of
from runners.model.family import shipped
from runners.model.loading import load_pretrained
from runners.pretraining import main
from runners.training import world_pretraining

SHAPE = {
    "vocabulary": 600, "d_model": 16, "d_ff": 24, "heads": 2, "d_kv": 8, "encoder_layers": 1,
    "decoder_layers": 1,
}  # fmt: skip


LARGER = {**SHAPE, "d_model": 24, "heads": 3, "encoder_layers": 2}


def _family(folder: Path, name: str = "mine", **changes: object) -> str:
    """A family file, small and a larger size, beside which its checkpoints are to lie."""
    sizes = {
        "small": {"checkpoint": "./ladder/small", "shape": SHAPE, **changes},
        "larger": {"checkpoint": "./ladder/larger", "shape": LARGER},
    }
    values = {"architecture": "t5", "tokenizer": "./ladder/tokenizer", "sizes": sizes}
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(values))
    return str(path)


def _words(family: str, text: Path, work: Path, *more: str) -> list[str]:
    words = ["--family", family, "--size", "small", "--text", str(text), "--steps", "4"]
    words += ["--batch-size", "2", "--window", "16", "--every", "2", "--work", str(work)]
    return [*words, *more]


def _told(words: list[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    said = capsys.readouterr().err.partition("python -m runners.pretraining: error: ")[2]
    return said.splitlines()


def test_a_ladder_of_ones_own_is_written_where_its_family_says(
    tmp_path: Path, text_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a checkpoint that the family file does not find, or a run that tells nothing."""
    family = _family(tmp_path)
    words = _words(family, text_folder, tmp_path / "work", "--pieces", "500")
    assert main(words) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in told] == ["text", "tokenizer", "tokens", *["small"] * 3]
    assert "% of the held-out pieces are unknown" in told[1]
    assert "4 steps read 128, which is " in told[2]
    assert told[3].startswith("small: step 2 of 4, loss ")

    catalogue, name = add_family(Catalogue(), family)
    assert load_pretrained(catalogue, name, "small", "float32").width == 16
    assert len(AutoTokenizer.from_pretrained(tmp_path / "ladder" / "tokenizer")) == 600
    log = (tmp_path / "ladder" / "small" / "training.jsonl").read_text().splitlines()
    assert [json.loads(line).get("step") for line in log] == [None, 2, 4]

    assert main(words) == 0
    assert "is made by this command already; nothing was done" in capsys.readouterr().out
    assert "holds a checkpoint of another run" in _told([*words, "--seed", "1"], capsys)[0]


def test_a_size_begins_with_what_a_smaller_one_has_learned(
    tmp_path: Path, text_folder: Path
) -> None:
    """Catches a large model that begins anew although it was given a start."""
    words = _words(_family(tmp_path), text_folder, tmp_path / "work")
    small, larger = (tmp_path / "ladder" / size for size in ("small", "larger"))
    assert main([*words, "--steps", "40", "--learning-rate", "0.02"]) == 0
    grown = [*words, "--size", "larger", "--learning-rate", "1e-9"]
    assert main([*grown, "--start", str(small)]) == 0
    assert main([*grown, "--out", str(tmp_path / "anew")]) == 0
    lines = [json.loads(line) for line in (larger / "training.jsonl").read_text().splitlines()]
    assert lines[0]["start"] == fingerprint_of(small)
    learned = _held_out(small)
    assert _held_out(larger) == pytest.approx(learned, abs=0.02)
    assert _held_out(tmp_path / "anew" / "larger") > learned + 0.5


def _held_out(checkpoint: Path) -> float:
    """The loss that a run ended with."""
    line = json.loads((checkpoint / "training.jsonl").read_text().splitlines()[-1])
    return float(line["held_out_loss"])


def test_a_start_of_another_tokenizer_is_refused(
    tmp_path: Path, text_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches embeddings that are taken for those of other pieces, and a start that tells nothing.

    Also a larger model than the one that is asked for.
    """
    words = _words(_family(tmp_path), text_folder, tmp_path / "work")
    assert main([*words, "--size", "larger"]) == 0
    larger = tmp_path / "ladder" / "larger"
    told = _told([*words, "--start", str(larger)], capsys)
    assert told[0].startswith(f"--start {larger}: ") and "give a larger size" in told[0]
    log = larger / "training.jsonl"
    lines = log.read_text().splitlines()
    log.write_text(
        "\n".join([json.dumps({**json.loads(lines[0]), "tokenizer": "f00"}), *lines[1:]])
    )
    told = _told([*words, "--start", str(larger)], capsys)
    assert told[0].startswith(f"--start {larger}: was made with the tokenizer f00, and this family")
    log.unlink()
    told = _told([*words, "--start", str(larger)], capsys)
    assert told[0].startswith(f"--start {larger}: there is no {log}; give a folder")


def test_out_is_another_place(tmp_path: Path, text_folder: Path) -> None:
    """Catches a trial run that writes over the ladder."""
    family, out = _family(tmp_path), tmp_path / "out"
    words = _words(family, text_folder, tmp_path / "work", "--out", str(out))
    assert main(words) == 0
    assert (out / "small" / "model.safetensors").exists()
    assert (out / "tokenizer" / "tokenizer.json").exists()
    assert not (tmp_path / "ladder").exists()


def test_a_tokenizer_may_lie_in_the_checkpoint(tmp_path: Path, text_folder: Path) -> None:
    """Catches a family of one size, whose file names no tokenizer."""
    values = yaml.safe_load(Path(_family(tmp_path)).read_text())
    del values["tokenizer"]
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(values))
    words = _words(str(tmp_path / "mine.yaml"), text_folder, tmp_path / "work")
    assert main(words) == main(words) == 0
    assert (tmp_path / "ladder" / "small" / "tokenizer.json").exists()


def test_a_learning_rate_that_is_too_high_says_so(
    tmp_path: Path, text_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a traceback, or an exit code 0 without a checkpoint."""
    words = _words(_family(tmp_path), text_folder, tmp_path / "work", "--learning-rate", "1e30")
    assert main(words) == 1
    assert "give a smaller learning rate" in capsys.readouterr().err


def test_the_embedded_world_is_read_by_the_same_door(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a default that is not the one with which the shipped ladder was made."""
    asked = []
    monkeypatch.setattr(
        world_pretraining, "pretrain", lambda recipe, **folders: asked.append((recipe, folders))
    )
    words = ["--size", "60k", "--stages", "primer:500", "world:1000", "--out", str(tmp_path)]
    assert main([*words, "--device", "cpu"]) == 0
    ((recipe, folders),) = asked
    assert (recipe.batch_size, recipe.batches, recipe.learning_rate) == (64, 20, 0.002)
    assert (recipe.salient, recipe.seed, recipe.compute_dtype, recipe.begin) == (
        0.9,
        0,
        "float32",
        0,
    )
    assert [(stage.mix, stage.until) for stage in recipe.stages] == [
        ("primer", 500), ("world", 1000)
    ]  # fmt: skip
    assert folders == {
        "start": None, "out": tmp_path, "work": Path("results/pretraining"),
        "device": torch.device("cpu"),
    }  # fmt: skip


@pytest.mark.parametrize("words", ["--stages primer:500", "--family FILE --text TEXT --steps 2"])
def test_a_gpu_that_is_not_there_is_told_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    """Catches days of pre-training on the cores that were to be hours on a GPU."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    given = words.replace("FILE", str(tmp_path)).replace("TEXT", str(tmp_path)).split()
    with pytest.raises(SystemExit, match="2"):
        main(["--size", "60k", *given, "--out", str(tmp_path), "--device", "cuda"])
    assert "device: 'cuda' is not here, for torch finds no GPU;" in capsys.readouterr().err


WORLD_WORDS = "give MIX:UNTIL for the embedded world; for your own text"
TEXT_WORDS = "give --family FILE, --text FOLDER and --steps NUMBER"
COUNT = "a whole number of 1 or more"
WINDOW = "a whole number of 8 or more below 2001"
BAD: list[tuple[list[str], list[str]]] = [
    (
        ["--size", "60k"],
        [f"--stages: None is missing; {WORLD_WORDS} {TEXT_WORDS}"],
    ),
    (
        ["--size", "small", "--family", "mine.yaml"],
        [
            f"--text: None is missing; {TEXT_WORDS}",
            f"--steps: None is missing; {TEXT_WORDS}",
        ],
    ),
    (
        ["--size", "small", "--text", "t", "--steps", "4"],
        [f"--family: None is missing; {TEXT_WORDS}"],
    ),
    (
        [
            "--size", "s", "--family", "m.yaml", "--text", "t", "--steps", "0", "--window", "7",
            "--pieces", "0", "--every", "0", "--batch-size", "0", "--threads", "0", "--seed", "-1",
            "--learning-rate", "0", "--stages", "world:500",
        ],
        [
            "--stages: 'world:500' does not apply to your own text; leave it out",
            f"--steps: 0 is not {COUNT}; write {COUNT}",
            f"--batch-size: 0 is not {COUNT}; write {COUNT}",
            f"--pieces: 0 is not {COUNT}; write {COUNT}",
            f"--every: 0 is not {COUNT}; write {COUNT}",
            f"--threads: 0 is not {COUNT}; write {COUNT}",
            "--seed: -1 is not a whole number of 0 or more; write a whole number of 0 or more",
            "--learning-rate: 0.0 is not a number above 0; write a number above 0",
            f"--window: 7 is not {WINDOW}; write {WINDOW}",
        ],
    ),
    (
        ["--size", "60k", "--stages", "world:500", "--window", "64", "--steps", "5"],
        [
            "--steps: '5' does not apply to the embedded world; leave it out",
            "--window: '64' does not apply to the embedded world; leave it out",
        ],
    ),
    (
        ["--size", "60", "--stages", "world:500"],
        ["model_size of family nano: '60' is not one of 60k, 200k, 600k, 2m; did you mean '60k'?"],
    ),
    (
        ["--size", "60k", "--family", "nono", "--text", "t", "--steps", "4"],
        [f"model_family: 'nono' is not one of {', '.join(shipped())}; did you mean 'nano'?"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("words", "said"), BAD)
def test_bad_words(words: list[str], said: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a typing error that trains for an hour on something else, or a second round."""
    assert _told(words, capsys) == said


def test_a_folder_without_text_is_refused_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a tokenizer of nothing."""
    (tmp_path / "text").mkdir()
    words = _words(_family(tmp_path), tmp_path / "text", tmp_path / "work")
    assert _told(words, capsys) == [
        f"text: '{tmp_path / 'text'}' is empty; put .txt or .jsonl files into it"
    ]
    assert not (tmp_path / "ladder").exists()


def test_places_that_are_not_ones_own_are_refused(
    tmp_path: Path, text_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches the shipped ladder written over, or a hub id taken for a folder."""
    work = tmp_path / "work"
    words = _words("nano", text_folder, work)
    words[words.index("small")] = "60k"
    assert "is not yours to write; name a folder that begins with ./" in _told(words, capsys)[0]
    words = _words(_family(tmp_path, checkpoint="me/mine@abc"), text_folder, work)
    (told,) = _told(words, capsys)
    assert told == (
        f"{tmp_path / 'mine.yaml'}: the checkpoint of size small, me/mine@abc, is not yours to "
        "write; name a folder that begins with ./ in a family file, or give --out"
    )
    words = _words(_family(tmp_path, "nano"), text_folder, work)
    assert _told(words, capsys) == [
        f"{tmp_path / 'nano.yaml'}: is a second family 'nano'; rename the file"
    ]


def test_a_model_that_cannot_be_made_is_refused(
    tmp_path: Path, text_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a new model of no shape, or a T5 under the name of something else."""
    family = Path(_family(tmp_path))
    values = yaml.safe_load(family.read_text())
    values["sizes"]["small"] = {"checkpoint": "./a", "parameters": 10, "width": 4}
    family.write_text(yaml.safe_dump(values))
    words = _words(str(family), text_folder, tmp_path / "work")
    assert _told(words, capsys)[0].startswith(f"{family}: size small has no shape, which a new")
    family.write_text(yaml.safe_dump({**values, "architecture": "causal"}))
    assert _told(words, capsys) == [
        f"{family}: architecture causal is not made here; write architecture: t5"
    ]

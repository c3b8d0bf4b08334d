"""One trial from the shell."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from runners import alone, model_tuning, prompt_tuning
from runners.catalogue import Catalogue
from runners.config import from_mapping, to_words
from runners.model import loading
from runners.model.t5_backbone import T5Backbone
from runners.prompt.importing import Stated, import_prompt
from runners.prompt.npy_format import write_npy
from runners.store import Store
from runners.training import adaptation
from runners.training.trial import Diverged

QUICK = ["train_steps=4", "eval_every=2", "batch_size=4", "train_examples=32", "dev_examples=8"]
SPAN = ["pretraining_objective=span_corruption"]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, backbone: T5Backbone) -> None:
    monkeypatch.setattr(loading, "load_pretrained", lambda *_, **__: backbone)


def _main(tmp_path: Path, *words: str) -> int:
    return alone.main("door", prompt_tuning.DEFAULTS, [*words, "--store", str(tmp_path / "store")])


def test_the_defaults_of_both_doors_are_legal() -> None:
    """Catches a door that refuses its own command."""
    assert from_mapping(prompt_tuning.DEFAULTS).method == "prompt_tuning"
    assert from_mapping(model_tuning.DEFAULTS).method == "model_tuning"


def test_a_trial_is_run_shown_and_not_run_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a door that loses its result, or trains what the store has."""
    assert _main(tmp_path, *SPAN, *QUICK, "task=cb") == 0
    first = capsys.readouterr()
    assert "60k-p20-class_label-span_corruption-cb-s0" in first.out
    assert "f1_macro" in first.out
    assert "trained parameters" in first.out
    assert "step 3 of 4" in first.err
    monkeypatch.setattr(loading, "load_pretrained", lambda *_, **__: pytest.fail("trained again"))
    assert _main(tmp_path, *SPAN, *QUICK, "task=cb") == 0
    assert capsys.readouterr().out == first.out


def test_a_trial_takes_the_threads_that_are_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a small model on all cores of a machine, where it takes ten times as long."""
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    assert _main(tmp_path, *SPAN, *QUICK, "task=cb") == 0
    assert _main(tmp_path, *SPAN, *QUICK, "task=cb", "seed=1", "--threads", "3") == 0
    assert asked == [1, 3]
    with pytest.raises(SystemExit, match="2"):
        _main(tmp_path, "--threads", "0")
    assert "--threads: 0 is too few; give a whole number of 1 or more" in capsys.readouterr().err


def test_labels_without_a_position_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a start that leaves a label out and says nothing, where the released code warns."""
    assert _main(tmp_path, *SPAN, *QUICK, "task=cb", "prompt_length=1") == 0
    told = "prompt_length 1 has no position for the label contradiction, neutral"
    assert told in capsys.readouterr().out.splitlines()
    assert _main(tmp_path, *SPAN, *QUICK, "task=cb", "prompt_length=3") == 0
    assert "has no position" not in capsys.readouterr().out


def test_rows_that_were_cut_and_dev_rows_that_are_not_there_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches inputs that end early, or a score on fewer rows than were asked, without a word."""
    for split, count in (("train", 40), ("dev", 6)):
        rows = "".join(f"a row of many words {n}\t{n % 2}\n" for n in range(count))
        (tmp_path / f"{split}.tsv").write_text(f"text\tlabel\n{rows}")
    (tmp_path / "catalogue.yaml").write_text(
        "tasks:\n  odd: {train: train.tsv, dev: dev.tsv, input: '{text}', target: '{label}',\n"
        "        labels: {'0': 'False', '1': 'True'}}\n"
    )
    words = [*SPAN, *QUICK, "task=odd", "--catalogue", str(tmp_path / "catalogue.yaml")]
    assert _main(tmp_path, *words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "dev has 6 examples, of at most 8 that were asked" in lines
    assert not any("lost tokens" in line for line in lines)
    assert _main(tmp_path, *words, "input_length=4", "long_inputs=cut") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "32 rows of train lost tokens, for they were too long" in lines
    assert "6 rows of dev lost tokens, for they were too long" in lines


def test_every_mistake_of_a_command_is_told_and_nothing_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a command whose second typo shows only after the first is mended."""
    assert _main(tmp_path, "prompt_lenght=5", "dropout=2", "seed") == 2
    told = capsys.readouterr().err
    assert "did you mean 'prompt_length'?" in told
    assert "dropout: 2.0" in told
    assert "write key=value" in told
    assert not (tmp_path / "store").exists()


def test_a_task_of_ones_own_goes_by_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a shell user who has to know the fingerprint of a file."""
    rows = "".join(f"row {n}\t{n % 2}\n" for n in range(40))
    (tmp_path / "rows.tsv").write_text(f"text\tlabel\n{rows}")
    (tmp_path / "catalogue.yaml").write_text(
        "tasks:\n  odd: {train: rows.tsv, dev: rows.tsv, input: '{text}', target: '{label}',\n"
        "        labels: {'0': 'False', '1': 'True'}}\n"
    )
    words = [*SPAN, *QUICK, "task=odd", "--catalogue", str(tmp_path / "catalogue.yaml")]
    assert _main(tmp_path, *words) == 0
    assert "60k-p20-class_label-span_corruption-odd-s0" in capsys.readouterr().out
    assert _main(tmp_path, *words[:-1], str(tmp_path / "gone.yaml")) == 2
    assert "gone.yaml: cannot be read" in capsys.readouterr().err


def test_a_published_task_finds_its_benchmark(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a task of GLUE that is looked for in the embedded world."""
    folder = tmp_path / "glue" / "SST-2"
    folder.mkdir(parents=True)
    for file in ("train.tsv", "dev.tsv"):
        (folder / file).write_text("sentence\tlabel\n" + "fun\t1\ndull\t0\n" * 20)
    path = tmp_path / "catalogue.yaml"
    path.write_text("data: {glue: {dir: glue}}\n")
    words = [*SPAN, *QUICK, "task=sst2", "data_source=published", "--catalogue", str(path)]
    assert _main(tmp_path, *words) == 0
    assert "accuracy" in capsys.readouterr().out


def test_a_trial_that_fails_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches an exit code 0 without a result, or a failure without its reason."""
    assert _main(tmp_path, *SPAN, *QUICK, "learning_rate=1e39") == 1
    told = capsys.readouterr().err
    assert "is not finite at step" in told
    assert told.endswith("failed\n")


def test_an_adaptation_that_diverges_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a traceback, or a trial that starts from what there was before."""

    def diverge(*_: object, **__: object) -> Iterator[tuple[int, int]]:
        yield 1, 2
        raise Diverged("60k LM adaptation: loss nan")

    monkeypatch.setattr(adaptation, "adapt", diverge)
    assert _main(tmp_path, *QUICK) == 1
    assert "60k LM adaptation: loss nan\n" in capsys.readouterr().err


def test_a_gpu_that_is_not_there_is_told_before_anything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a trial that was to be on a GPU and is trained on the cores."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(adaptation, "adapt", lambda *_, **__: pytest.fail("adapted"))
    assert _main(tmp_path, *QUICK, "--device", "cuda") == 2
    assert "device: 'cuda' is not here, for torch finds no GPU;" in capsys.readouterr().err


def test_names_and_data_are_checked_before_anything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches minutes of adaptation before a mistyped task is told, and one mistake at a time."""
    monkeypatch.setattr(adaptation, "adapt", lambda *_, **__: pytest.fail("adapted"))
    assert _main(tmp_path, *QUICK, "model_size=70k", "task=bolq") == 2
    told = capsys.readouterr().err
    assert "model_size: '70k' is not one of 60k, 200k, 600k, 2m; did you mean '60k'?" in told
    assert "did you mean 'boolq'?" in told
    assert _main(tmp_path, *QUICK, "data_source=superglu", "model_family=T5") == 2
    told = capsys.readouterr().err
    assert "data_source: 'superglu' is not one of microworld" in told
    assert "model_family: 'T5' is not one of nano" in told
    assert _main(tmp_path, *QUICK, "input_length=9") == 2
    assert "raise input_length" in capsys.readouterr().err


def test_an_imported_trial_is_shown_and_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a traceback about a loss that nobody stated, or a training in its place."""
    monkeypatch.setattr(loading, "load_pretrained", lambda *_, **__: pytest.fail("trained"))
    write_npy(tmp_path / "cb.npy", np.ones((5, 32), np.float32))
    fields = {
        "model_family": "nano", "model_size": "60k", "pretraining_objective": "span_corruption",
        "lm_adaptation_steps": 0, "prompt_length": 5, "prompt_init": "class_label", "task": "cb",
        "seed": 0, "train_steps": 4, "eval_every": 2, "batch_size": 4, "learning_rate": 3.0,
        "train_examples": 32, "dev_examples": 8,
    }  # fmt: skip
    stated = Stated(words=to_words(fields), scores=["f1_macro=60", "accuracy=70"])
    store = Store(str(tmp_path / "store"))
    record = import_prompt(tmp_path / "cb.npy", stated, store, Catalogue())
    assert _main(tmp_path, *SPAN, *QUICK, "task=cb", "prompt_length=5") == 0
    assert capsys.readouterr().out.splitlines() == [
        f"60k-p5-class_label-span_corruption-cb-s0  (trial {record.trial_id})",
        "score      65.00",
        "accuracy   70.00",
        "f1_macro   60.00",
        "imported from cb.npy; scores are stated, not measured",
        "160 trained parameters beside 69,728 (0.23%)",
    ]


def test_transfer_tasks_are_named_in_any_order_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a user who has to sort names or to fingerprint files, or a result nobody sees."""
    (tmp_path / "far.csv").write_text("a,b\nIs it?,True\nIs it not?,False\n")
    (tmp_path / "my.yaml").write_text("tasks: {far: {dev: far.csv, input: '{a}', target: '{b}'}}")
    mine = ["transfer_tasks=wic, far,cb", "--catalogue", str(tmp_path / "my.yaml")]
    assert _main(tmp_path, *SPAN, *QUICK, *mine) == 0
    lines = capsys.readouterr().out.splitlines()
    told = [line.partition(": score ")[0] for line in lines if line.startswith("on ")]
    assert told == ["on cb", "on far", "on wic"]
    assert not [line for line in lines if line.startswith("cb/")]
    assert _main(tmp_path, *SPAN, *QUICK, "transfer_tasks=wic,boolq") == 2
    assert "each once and none the trial's own; give wic" in capsys.readouterr().err
    assert _main(tmp_path, *SPAN, *QUICK, "transfer_tasks=multirc", "input_length=40") == 2
    assert "rows of multirc are longer than 40" in capsys.readouterr().err

"""The command that adapts a model."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load

from runners.catalogue import Catalogue
from runners.config import AdaptationConfig
from runners.data.text import read_text
from runners.lm_adaptation import main
from runners.model.checkpoint import WEIGHTS
from runners.store import Store
from runners.training.adaptation import adapt

pytestmark = pytest.mark.usefixtures("small_adaptations")

CONFIG = AdaptationConfig(
    model_family="nano",
    model_size="60k",
    batch_size=4,
    learning_rate=0.003,
    seed=0,
    compute_dtype="float32",
)


def test_a_gpu_that_is_not_there_is_told_before_anything_is_adapted(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches an adaptation that was to be on a GPU and crawls along on the cores."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    words = ["--size", "60k", "--steps", "2", "--store", store.root, "--device", "cuda"]
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert "device: 'cuda' is not here, for torch finds no GPU;" in capsys.readouterr().err
    assert list(store.records()) == []


def test_a_decoder_only_family_is_refused(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches hours of prefix language modelling for a model that has done nothing else."""
    words = ["--family", "smollm2", "--size", "135m", "--steps", "2", "--store", store.root]
    with pytest.raises(SystemExit, match="2"):
        main(words)
    told = capsys.readouterr().err
    assert (
        "--family: 'smollm2' is decoder-only, and has learned to go on from a text already" in told
    )
    assert list(store.records()) == []


def test_the_door_adapts_and_shows_the_milestones(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a command in an error message that does not exist."""
    words = ["--size", "60k", "--steps", "4", "2", "--batch-size", "4", "--store", store.root]
    words += ["--learning-rate", "0.003"]
    assert main(words) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in told] == ["60k-lm2", "60k-lm4"]
    assert CONFIG.milestone_id(2) in told[0]


@pytest.mark.parametrize(("words", "threads"), [([], 1), (["--threads", "3"], 3)])
def test_the_door_takes_the_threads_that_are_asked_for(
    store: Store, monkeypatch: pytest.MonkeyPatch, words: list[str], threads: int
) -> None:
    """Catches a small model on all cores of a machine, where it takes ten times as long."""
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    given = ["--size", "60k", "--steps", "1", "--batch-size", "4", "--store", store.root, *words]
    assert main(given) == 0
    assert asked == [threads]


def test_the_door_adapts_to_a_text(
    store: Store, text_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a text that is named and not read, or that shares milestones with the world."""
    words = ["--size", "60k", "--steps", "2", "--batch-size", "4", "--store", store.root]
    assert main([*words, "--text", str(text_folder)]) == 0
    told = capsys.readouterr().out
    config = replace(CONFIG, text=read_text(text_folder).fingerprint)
    assert config.milestone_id(2) in told
    assert store.get(CONFIG.milestone_id(2)) is None
    list(adapt(CONFIG, [2], store, Catalogue()))
    of_world, of_text = (load(store.read(c.milestone_id(2), WEIGHTS)) for c in (CONFIG, config))
    assert not all(torch.equal(of_world[name], of_text[name]) for name in of_world)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--size", "small", "--steps", "2", "--family", "t5"],
            "lm_adaptation_text: None is missing for family t5, which has not read the embedded",
        ),
        (["--size", "60k", "--steps", "2", "--text", "/gone"], "text: '/gone' does not exist"),
        (["--size", "60k", "--steps", "2", "--family", "/gone.yaml"], "/gone.yaml cannot be read"),
        (["--size", "600", "--steps", "2"], "did you mean '600k'?"),
        (["--size", "60k", "--steps", "0"], "give a whole number of 1 or more"),
    ],
)
def test_the_door_refuses_what_it_cannot_do(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a traceback for a mistyped size."""
    with pytest.raises(SystemExit) as caught:
        main([*words, "--store", str(tmp_path)])
    assert caught.value.code == 2
    assert said in capsys.readouterr().err

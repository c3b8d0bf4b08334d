"""Pre-training a nano model: resumable, seeded, and a checkpoint that transformers reads."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, T5ForConditionalGeneration

from runners import pretraining as module
from runners.model.checkpoint import LADDER
from runners.model.sizes import NANO
from runners.pretraining import Recipe, new_model, pretrain
from runners.training.language_model import held_out_loss


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "STEPS_A_CHUNK": 2,
        "DOCUMENTS_A_CHUNK": 64,
        "TOKENIZER_DOCUMENTS": 3000,
    }.items():
        monkeypatch.setattr(module, name, value)


def _recipe(steps: int) -> Recipe:
    return Recipe(
        size="60k", steps=steps, primer_steps=0, batch_size=4, learning_rate=1e-3, salient=0.5,
        seed=0, compute_dtype="float32",
    )  # fmt: skip


def test_the_checkpoint_loads_with_transformers(tmp_path: Path) -> None:
    """Catches a folder that only this project can read, or an output layer tied to the input."""
    pretrain(_recipe(4), out=tmp_path / "ladder", work=tmp_path / "work")
    model = T5ForConditionalGeneration.from_pretrained(tmp_path / "ladder" / "60k")
    assert sum(p.numel() for p in model.parameters()) == NANO["60k"].parameter_count()
    assert not torch.equal(model.lm_head.weight, model.shared.weight)
    assert not model.config.scale_decoder_outputs
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "ladder" / "tokenizer")
    assert len(tokenizer) == model.config.vocab_size
    lines = (tmp_path / "ladder" / "60k" / "training.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["recipe"]["steps"] == 4
    assert [json.loads(line)["step"] for line in lines[1:]] == [2, 4]


def test_a_run_that_was_cut_off_ends_at_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a lost moment, a repeated chunk, or a schedule that starts over."""
    for out in ("whole", "cut"):
        shutil.copytree(LADDER / "tokenizer", tmp_path / out / "tokenizer")
    pretrain(_recipe(6), out=tmp_path / "whole", work=tmp_path / "work_whole")
    original, calls = held_out_loss, iter(range(10))

    def stop(*arguments: object) -> float:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "held_out_loss", stop)
    with pytest.raises(KeyboardInterrupt):
        pretrain(_recipe(6), out=tmp_path / "cut", work=tmp_path / "work")
    monkeypatch.setattr(module, "held_out_loss", original)
    pretrain(_recipe(6), out=tmp_path / "cut", work=tmp_path / "work")
    left, right = (
        T5ForConditionalGeneration.from_pretrained(tmp_path / name / "60k").state_dict()
        for name in ("whole", "cut")
    )
    assert all(torch.equal(left[name], right[name]) for name in left)


def test_the_learning_rate_warms_up_stays_and_falls() -> None:
    """Catches a schedule that ends high or starts cold."""
    recipe = _recipe(1000)
    rates = [recipe.rate(step) for step in (0, 199, 500, 699, 850, 999)]
    assert rates[0] == pytest.approx(1e-3 / 200)
    assert rates[1] == rates[2] == rates[3] == pytest.approx(1e-3)
    assert rates[4] == pytest.approx(5e-4)
    assert 0 < rates[5] < 1e-5


def test_a_new_model_is_seeded_and_untied() -> None:
    """Catches weights that nobody can make again."""
    first, again, other = (new_model(NANO["60k"], seed=seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["shared.weight"], other["shared.weight"])
    assert not torch.equal(first["shared.weight"], first["lm_head.weight"])

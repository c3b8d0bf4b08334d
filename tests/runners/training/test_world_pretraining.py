"""Pre-training a nano model: resumable, seeded, and a checkpoint that transformers reads."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, T5ForConditionalGeneration

from runners.microworld.exchanges import MIXES
from runners.model.checkpoint import LADDER, fingerprint_of
from runners.pretraining import main
from runners.training import pretrainer
from runners.training import world_pretraining as module
from runners.training.language_model import held_out_loss
from runners.training.pretrainer import new_model
from runners.training.world_pretraining import Recipe, Stage, nano_shape, pretrain


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "STEPS_A_CHUNK": 2,
        "DOCUMENTS_A_CHUNK": 64,
        "TOKENIZER_DOCUMENTS": 3000,
    }.items():
        monkeypatch.setattr(module, name, value)


def _recipe(steps: int, *, begin: int = 0) -> Recipe:
    return Recipe(
        size="60k", stages=(Stage(mix="world", until=steps),), begin=begin, batch_size=4, batches=1,
        learning_rate=1e-3, salient=0.5, seed=0, compute_dtype="float32",
    )  # fmt: skip


def _cut_off(recipe: Recipe, monkeypatch: pytest.MonkeyPatch, *, out: Path, work: Path) -> None:
    """A run that ends in its second chunk, before it has a state and a line of it."""
    calls = iter(range(10))

    def stop(*arguments: object) -> float:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return held_out_loss(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(pretrainer, "held_out_loss", stop)
        with pytest.raises(KeyboardInterrupt):
            pretrain(recipe, start=None, out=out, work=work)


def test_the_checkpoint_loads_with_transformers(tmp_path: Path) -> None:
    """Catches a folder that only this project can read, or an output layer tied to the input."""
    pretrain(_recipe(4), start=None, out=tmp_path / "ladder", work=tmp_path / "work")
    model = T5ForConditionalGeneration.from_pretrained(tmp_path / "ladder" / "60k")
    assert sum(p.numel() for p in model.parameters()) == nano_shape("60k").parameter_count()
    assert not torch.equal(model.lm_head.weight, model.shared.weight)
    assert not model.config.scale_decoder_outputs
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "ladder" / "tokenizer")
    assert len(tokenizer) == model.config.vocab_size
    lines = (tmp_path / "ladder" / "60k" / "training.jsonl").read_text().splitlines()
    origin = json.loads(lines[0])
    assert origin["recipe"]["stages"] == [{"mix": "world", "until": 4}]
    assert set(origin["documents"]) == {"world"}
    assert origin["start"] is None
    assert [json.loads(line)["step"] for line in lines[1:]] == [2, 4]


def test_a_run_that_was_cut_off_ends_at_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a lost moment, a repeated chunk, or a schedule that starts over."""
    for out in ("whole", "cut"):
        shutil.copytree(LADDER / "tokenizer", tmp_path / out / "tokenizer")
    pretrain(_recipe(6), start=None, out=tmp_path / "whole", work=tmp_path / "work_whole")
    _cut_off(_recipe(6), monkeypatch, out=tmp_path / "cut", work=tmp_path / "work")
    pretrain(_recipe(6), start=None, out=tmp_path / "cut", work=tmp_path / "work")
    left, right = (
        T5ForConditionalGeneration.from_pretrained(tmp_path / name / "60k").state_dict()
        for name in ("whole", "cut")
    )
    assert all(torch.equal(left[name], right[name]) for name in left)


def test_the_learning_rate_warms_up_stays_and_falls() -> None:
    """Catches a schedule that ends high or starts cold."""
    for begin in (0, 400):
        recipe = _recipe(begin + 1000, begin=begin)
        rates = [recipe.schedule.rate(begin + step) for step in (0, 199, 500, 699, 850, 999)]
        assert rates[0] == pytest.approx(1e-3 / 200)
        assert rates[1] == rates[2] == rates[3] == pytest.approx(1e-3)
        assert rates[4] == pytest.approx(5e-4)
        assert 0 < rates[5] < 1e-5


def test_a_run_goes_on_from_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches new weights, a rate that is still at zero, or a log of the second part alone."""
    out, words = tmp_path / "ladder", ["--size", "60k", "--batch-size", "4"]
    words += ["--out", str(out), "--work", str(tmp_path / "work")]
    pretrain(_recipe(2), start=None, out=out, work=tmp_path / "work")
    first = T5ForConditionalGeneration.from_pretrained(out / "60k").state_dict()
    started_from = fingerprint_of(out / "60k")
    assert main([*words, "--start", str(out / "60k"), "--stages", "drill:6"]) == 0
    second = T5ForConditionalGeneration.from_pretrained(out / "60k").state_dict()
    moved = {name: (first[name] - second[name]).abs().max() for name in first}
    assert 0 < max(moved.values()) < 0.01
    lines = (out / "60k" / "training.jsonl").read_text().splitlines()
    assert [json.loads(line).get("step") for line in lines] == [None, 2, None, 4, 6]
    assert [json.loads(lines[n])["recipe"]["begin"] for n in (0, 2)] == [0, 2]
    assert json.loads(lines[2])["start"] == started_from


def test_a_larger_size_grows_from_a_smaller(tmp_path: Path) -> None:
    """Catches a large model that begins anew although it was given a start."""
    out, begin = tmp_path / "ladder", 16_000
    shutil.copytree(LADDER / "tokenizer", out / "tokenizer")
    losses = {}
    for size in ("60k", "200k"):
        stages = (Stage(mix="world", until=begin + 2),)
        recipe = replace(_recipe(2), size=size, stages=stages, begin=begin, learning_rate=1e-7)
        pretrain(recipe, start=LADDER / "60k", out=out, work=tmp_path / "work")
        log = (out / size / pretrainer.LOG).read_text()
        lines = [json.loads(line) for line in log.splitlines()]
        losses[size] = lines[-1]["held_out_loss"]
    assert [line["recipe"]["size"] for line in lines if "recipe" in line][-2:] == ["60k", "200k"]
    assert losses["200k"] == pytest.approx(losses["60k"], abs=0.01)


def test_a_start_is_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a folder without a log, or a model that is too large to grow from."""
    folders = {"out": tmp_path / "ladder", "work": tmp_path / "work"}
    with pytest.raises(SystemExit):
        main(["--size", "60k", "--stages", "world:4", "--start", str(tmp_path)])
    assert "there is no" in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"--start .*200k: .*give a larger size"):
        pretrain(_recipe(12, begin=8), start=LADDER / "200k", **folders)


def test_a_state_of_another_run_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a run that goes on from another's weights under a recipe that did not make them."""
    folders = {"out": tmp_path / "ladder", "work": tmp_path / "work"}
    _cut_off(_recipe(6), monkeypatch, **folders)
    for recipe, start in (
        (replace(_recipe(6), learning_rate=2e-3), None),
        (_recipe(6, begin=2), LADDER / "60k"),
    ):
        with pytest.raises(ValueError, match=r"60k.safetensors is the state of another run"):
            pretrain(recipe, start=start, **folders)
    with monkeypatch.context() as patch:
        patch.setattr(module, "_documents_fingerprint", lambda _: "other")
        with pytest.raises(ValueError, match="is the state of another run"):
            pretrain(_recipe(6), start=None, **folders)


def test_every_stage_reads_its_mix() -> None:
    """Catches a stage that is skipped, or that begins a step early."""
    stages = (Stage(mix="primer", until=2), Stage(mix="school", until=6))
    recipe = replace(_recipe(6), stages=stages)
    found = [recipe.mix(step) for step in range(6)]
    assert found == [MIXES["primer"]] * 2 + [MIXES["school"]] * 4
    assert recipe.steps == 6


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        (["wrold:4"], "--stages wrold:4: 'wrold' is not one of primer, world, drill"),
        (["wrold:4"], "did you mean 'world'?"),
        (["world"], "--stages world: a stage ends at a multiple of 2 steps after 0"),
        (["world:3"], "--stages world:3: a stage ends at a multiple of 2 steps"),
        (["primer:4", "world:4"], "--stages world:4: a stage ends at a multiple of 2 steps after"),
    ],
)
def test_stages_are_checked(
    stages: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a typing error that trains for an hour on something else."""
    with pytest.raises(SystemExit):
        main(["--size", "60k", "--stages", *stages])
    assert message in capsys.readouterr().err


def test_a_new_model_is_seeded_and_untied() -> None:
    """Catches weights that nobody can make again."""
    first, again, other = (
        new_model(nano_shape("60k"), seed=seed).state_dict() for seed in (0, 0, 1)
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["shared.weight"], other["shared.weight"])
    assert not torch.equal(first["shared.weight"], first["lm_head.weight"])

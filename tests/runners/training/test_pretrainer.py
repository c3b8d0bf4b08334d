"""The shared trainer of pre-training: its schedule, its log, and going on from a state."""

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from runners.data.windows import CorruptedWindows, Windows
from runners.model.sizes import T5Shape
from runners.model.t5_backbone import T5Backbone
from runners.training.language_model import held_out_loss
from runners.training.pretrainer import (
    HELD_OUT_BATCHES,
    LOG,
    Course,
    Pretraining,
    Schedule,
    behind,
    new_model,
    weights_of,
    write_checkpoint,
)
from runners.training.trial import Diverged

SHAPE = T5Shape(
    vocabulary=700, d_model=16, d_ff=24, heads=2, d_kv=8, encoder_layers=1, decoder_layers=1,
    relative_buckets=16,
)  # fmt: skip


def _course(folder: Path, *, steps: int = 6, every: int = 2, peak: float = 1e-3) -> Course:
    stream = np.random.default_rng(0).integers(3, 600, 400).astype(np.int32)
    windows = Windows(stream=stream, length=20, batch_size=3, seed=0)
    rows = CorruptedWindows(windows=windows, end_id=1, first_sentinel=699)
    return Course(
        rows=rows, held_out=rows, every=every, tokens_a_step=60, origin={"recipe": [1, 2]},
        schedule=Schedule(peak=peak, begin=0, steps=steps, warm_up=2),
        state=folder / "work" / "run.safetensors",
    )  # fmt: skip


def _run(course: Course, backbone: T5Backbone) -> Pretraining:
    model = new_model(SHAPE, seed=0)
    return Pretraining(course, behind(model, backbone.codec, "float32"), weights_of(model))


def _same(one: Pretraining, other: Pretraining) -> bool:
    return all(torch.equal(one.weights[name], other.weights[name]) for name in one.weights)


def _without_seconds(log: list[str]) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in log]
    return [{name: line[name] for name in line if name != "seconds"} for line in lines]


def test_the_learning_rate_warms_up_stays_and_falls() -> None:
    """Catches a schedule that ends high, starts cold, or counts from another run's beginning."""
    for begin in (0, 400):
        schedule = Schedule(peak=1e-3, begin=begin, steps=begin + 1000, warm_up=10)
        rates = [schedule.rate(begin + step) for step in (0, 9, 500, 699, 850, 999)]
        assert rates[0] == pytest.approx(1e-4)
        assert rates[1] == rates[2] == rates[3] == pytest.approx(1e-3)
        assert rates[4] == pytest.approx(5e-4)
        assert 0 < rates[5] < 1e-5


def test_every_line_has_step_tokens_and_losses(tmp_path: Path, backbone: T5Backbone) -> None:
    """Catches a last line that is missing where the steps are no multiple, or a wrong count."""
    run = _run(_course(tmp_path, steps=5), backbone)
    lines = list(run.run())
    assert [line["step"] for line in lines] == [2, 4, 5]
    assert [line["tokens"] for line in lines] == [120, 240, 300]
    assert all(0 < line["train_loss"] < 20 and 0 < line["held_out_loss"] < 20 for line in lines)
    assert [json.loads(line) for line in run.log] == [{"recipe": [1, 2]}, *lines]
    run.close()
    assert not (tmp_path / "work" / "run.safetensors").exists()


def test_the_held_out_loss_is_of_the_first_batches(tmp_path: Path, backbone: T5Backbone) -> None:
    """Catches a loss on other rows at every line, which moves by chance."""
    course = _course(tmp_path, steps=2)
    run = _run(course, backbone)
    (line,) = run.run()
    batches = [course.held_out.batch(step) for step in range(HELD_OUT_BATCHES)]
    model = new_model(SHAPE, seed=0)
    expected = held_out_loss(behind(model, backbone.codec, "float32"), run.weights, batches)
    assert line["held_out_loss"] == round(expected, 4)


@pytest.mark.parametrize("cut", [1, 2])
def test_a_run_that_was_cut_off_loses_nothing(
    tmp_path: Path, backbone: T5Backbone, cut: int
) -> None:
    """Catches a lost moment, a repeated batch, and a line of the log that is lost or doubled."""
    whole = _run(_course(tmp_path / "whole"), backbone)
    list(whole.run())
    lines = _run(_course(tmp_path), backbone).run()
    for _ in range(cut):
        next(lines)
    again = _run(_course(tmp_path), backbone)
    assert [line["step"] for line in again.run()] == [2, 4, 6][cut:]
    assert _same(again, whole)
    assert _without_seconds(again.log) == _without_seconds(whole.log)


def test_a_run_may_go_on_with_other_marks(tmp_path: Path, backbone: T5Backbone) -> None:
    """Catches how often a state is saved in what the weights become."""
    whole = _run(_course(tmp_path / "whole", every=6), backbone)
    list(whole.run())
    next(_run(_course(tmp_path, every=2), backbone).run())
    again = _run(_course(tmp_path, every=3), backbone)
    assert [line["step"] for line in again.run()] == [3, 6]
    assert _same(again, whole)


def test_seconds_go_on_from_the_state(
    tmp_path: Path, backbone: T5Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a forecast from the time since the restart over the steps since the beginning."""
    clock = iter(range(0, 10_000, 7))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    first = next(_run(_course(tmp_path), backbone).run())
    second = next(_run(_course(tmp_path), backbone).run())
    assert (first["seconds"], second["seconds"]) == (7.0, 14.0)


def test_a_state_of_another_origin_is_refused(tmp_path: Path, backbone: T5Backbone) -> None:
    """Catches a run that goes on from another's weights under words that did not make them."""
    next(_run(_course(tmp_path), backbone).run())
    other = replace(_course(tmp_path), origin={"recipe": [1, 3]})
    with pytest.raises(ValueError, match=r"run.safetensors is the state of another run"):
        next(_run(other, backbone).run())


def test_a_run_without_finite_numbers_diverges(tmp_path: Path, backbone: T5Backbone) -> None:
    """Catches an hour of training on, and a checkpoint of, numbers that are none."""
    run = _run(_course(tmp_path, peak=1e30), backbone)
    with pytest.raises(Diverged, match="give a smaller learning rate"):
        list(run.run())
    assert not (tmp_path / "work" / "run.safetensors").exists()


def test_a_new_model_has_the_shape_that_is_asked_for(tmp_path: Path) -> None:
    """Catches a number of a family file that the model does not get, such as its buckets."""
    model = new_model(SHAPE, seed=0)
    assert sum(p.numel() for p in model.parameters()) == SHAPE.parameter_count()
    assert model.config.relative_attention_num_buckets == 16
    write_checkpoint(model, weights_of(model), ["{}"], tmp_path)
    assert (tmp_path / LOG).read_text() == "{}\n"

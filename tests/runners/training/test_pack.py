"""The scientific invariants of the shared trainer: what may move, and what nobody may feel."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from runners.catalogue import Catalogue
from runners.config import TrialConfig
from runners.model.backbone import Backbone
from runners.model.t5_backbone import T5Backbone
from runners.training.pack import run_pack, start
from runners.training.trial import TrialRun
from tests.runners.conftest import Wrap
from tests.runners.model.decoders import random_decoder

Make = Callable[..., TrialConfig]


@dataclass
class Kept:
    """An observer that keeps what it is told."""

    done: dict[str, TrialRun] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)

    def finished(self, run: TrialRun) -> None:
        """Keep a finished run."""
        self.done[run.config.trial_id] = run

    def diverged(self, run: TrialRun, reason: str) -> None:
        """Keep the reason."""
        self.lost[run.config.trial_id] = reason


def _train(backbone: Backbone, configs: Sequence[TrialConfig], slots: int) -> Kept:
    kept = Kept()
    for _ in run_pack(
        backbone, (start([c], backbone, Catalogue()) for c in configs), slots=slots, observer=kept
    ):
        pass
    return kept


def _prompt(kept: Kept, config: TrialConfig) -> torch.Tensor:
    return kept.done[config.trial_id].parameters["prompt"].detach()


def _neighbours(config: Make, steps: int) -> list[TrialConfig]:
    differences: tuple[dict[str, Any], ...] = (
        {},
        {"task": "record", "prompt_length": 9, "seed": 1},
        {"task": "wsc", "prompt_length": 1, "prompt_init": "random_uniform"},
        {"task": "copa", "prompt_init": "sampled_vocab", "learning_rate": 3.0},
    )
    return [
        config(train_steps=steps, eval_every=steps, dev_examples=2, **each) for each in differences
    ]


def test_packed_and_alone_give_the_same_prompt(backbone: T5Backbone, config: Make) -> None:
    """Catches any leak between rows: attention, loss, optimizer, order of data.

    After 50 steps at learning rate 0.3 the prompts agree to 1e-3 of their size;
    what remains is the rounding of sums over other shapes.
    """
    trials = _neighbours(config, 50)
    packed = _train(backbone, trials, slots=4)
    for trial in trials:
        alone = _prompt(_train(backbone, [trial], slots=1), trial)
        torch.testing.assert_close(_prompt(packed, trial), alone, rtol=1e-3, atol=1e-3)


def test_packed_and_alone_agree_as_the_shipped_sweeps_run(
    backbone: T5Backbone, config: Make
) -> None:
    """Catches a leak that only bfloat16 or a high rate lets through.

    With the frozen part in bfloat16 (8 bits of mantissa) and a rate of 3, sums
    over other shapes round differently by 0.4% a step and the optimizer answers
    to the sign of a gradient: after 50 steps prompts agree to 5% of their own
    root mean square.
    """
    frozen = {name: weight.bfloat16() for name, weight in backbone.weights.items()}
    rounded = replace(backbone, weights=frozen, dtype=torch.bfloat16)
    trials = [
        replace(each, learning_rate=3.0, compute_dtype="bfloat16")
        for each in _neighbours(config, 50)
    ]
    packed = _train(rounded, trials, slots=4)
    for trial in trials:
        alone = _prompt(_train(rounded, [trial], slots=1), trial)
        apart = (_prompt(packed, trial) - alone).square().mean().sqrt()
        assert apart / alone.square().mean().sqrt() < 0.05, trial.label


def test_decoder_only_trials_in_a_pack_are_those_alone(as_causal: Wrap, config: Make) -> None:
    """Catches a leak through prompts that are read once, and rows of another trial behind them."""
    causal = as_causal(random_decoder("llama"))
    trials = [replace(each, batch_size=8) for each in _neighbours(config, 10)]
    packed = _train(causal, trials, slots=4)
    for trial in trials:
        alone = _train(causal, [trial], slots=1)
        torch.testing.assert_close(
            _prompt(packed, trial), _prompt(alone, trial), rtol=1e-3, atol=1e-3
        )
        found, expected = (kept.done[trial.trial_id].members[0] for kept in (packed, alone))
        assert found.history == [pytest.approx(each, rel=1e-4) for each in expected.history]


def test_in_the_same_pack_the_same_seed_gives_the_same_bytes(
    backbone: T5Backbone, config: Make
) -> None:
    """Catches a source of chance that no seed controls."""
    trials = _neighbours(config, 5)
    first, second = _train(backbone, trials, slots=4), _train(backbone, trials, slots=4)
    for trial in trials:
        assert torch.equal(_prompt(first, trial), _prompt(second, trial))


def test_a_neighbour_of_any_scale_changes_nothing(backbone: T5Backbone, config: Make) -> None:
    """Catches a clip or a second moment that is shared by the trials of a pack."""
    quiet = config(train_steps=10, eval_every=10)
    loud = config(train_steps=10, eval_every=10, seed=2, learning_rate=30.0)
    calm = config(train_steps=10, eval_every=10, seed=2, learning_rate=1e-6)
    beside_loud = _prompt(_train(backbone, [quiet, loud], slots=2), quiet)
    beside_calm = _prompt(_train(backbone, [quiet, calm], slots=2), quiet)
    torch.testing.assert_close(beside_loud, beside_calm, rtol=1e-5, atol=1e-6)


def _copy(backbone: T5Backbone) -> dict[str, Tensor]:
    return {name: weight.clone() for name, weight in backbone.weights.items()}


def _same(left: Mapping[str, Tensor], right: Mapping[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[n], right[n]) for n in left)


def test_only_the_prompt_moves(backbone: T5Backbone, config: Make) -> None:
    """Catches a frozen model that learns: users of other tools doubt that it is frozen."""
    before = _copy(backbone)
    trial = config()
    kept = _train(backbone, [trial], slots=1)
    run = kept.done[trial.trial_id]
    assert list(run.parameters) == ["prompt"]
    assert not torch.equal(
        run.parameters["prompt"], start([trial], backbone, Catalogue()).parameters["prompt"]
    )
    assert _same(backbone.weights, before)
    assert all(weight.grad is None for weight in backbone.weights.values())


def test_model_tuning_moves_every_weight_and_leaves_the_shared_model_alone(
    backbone: T5Backbone, config: Make
) -> None:
    """Catches a baseline that trains a part only, or that spoils the model for its neighbours."""
    before = _copy(backbone)
    trial = config(
        method="model_tuning", prompt_length=None, prompt_init=None,
        learning_rate=1e-2, parameter_scaling=True,
    )  # fmt: skip
    run = _train(backbone, [trial], slots=1).done[trial.trial_id]
    assert set(run.parameters) == set(backbone.weights)
    for name, weight in run.parameters.items():
        assert not torch.equal(weight, backbone.weights[name]), name
    assert _same(backbone.weights, before)


def test_a_trial_that_diverges_leaves_and_the_others_do_not_feel_it(
    backbone: T5Backbone, config: Make
) -> None:
    """Catches a NaN that spreads through the summed loss, or that stops the pack."""
    # Few steps: a pack's rounding, which each of them makes larger, is not what is looked for.
    healthy, broken = config(train_steps=3), config(seed=5)
    runs = [start([healthy], backbone, Catalogue()), start([broken], backbone, Catalogue())]
    runs[1].parameters["prompt"].data[0, 0] = float("nan")
    kept = Kept()
    for _ in run_pack(backbone, iter(runs), slots=2, observer=kept):
        pass
    assert list(kept.lost) == [broken.trial_id]
    assert "not finite at step 1" in kept.lost[broken.trial_id]
    alone = _prompt(_train(backbone, [healthy], slots=1), healthy)
    torch.testing.assert_close(_prompt(kept, healthy), alone, rtol=1e-4, atol=1e-5)


def test_a_parameter_that_overflows_is_a_divergence(backbone: T5Backbone, config: Make) -> None:
    """Catches a prompt of infinities from the last step, whose score would be committed."""
    wild = config(train_steps=1, eval_every=1, learning_rate=1e39)
    kept = _train(backbone, [wild], slots=1)
    assert list(kept.lost) == [wild.trial_id]
    assert "not finite at step 1" in kept.lost[wild.trial_id]


def test_the_next_in_the_queue_takes_the_rows_of_who_is_done(
    backbone: T5Backbone, config: Make
) -> None:
    """Catches a pack that waits for its slowest trial before it takes more."""
    short, long, third = config(train_steps=3), config(seed=1), config(seed=2)
    kept = Kept()
    runs = (start([c], backbone, Catalogue()) for c in (short, long, third))
    live = [
        {run.config.trial_id for run in step}
        for step in run_pack(backbone, runs, slots=2, observer=kept)
    ]
    assert {long.trial_id, third.trial_id} in live
    assert len(kept.done) == 3


def test_resumed_equals_uninterrupted(backbone: T5Backbone, config: Make) -> None:
    """Catches a lost optimizer state, a repeated batch, or a best point that is forgotten."""
    trial = config(train_steps=9)
    whole = _train(backbone, [trial], slots=1)
    kept = Kept()
    steps = run_pack(
        backbone, iter([start([trial], backbone, Catalogue())]), slots=1, observer=kept
    )
    live = [next(steps) for _ in range(5)][-1]
    checkpoint = live[0].to_bytes({"code": "x"})
    resumed = start([trial], backbone, Catalogue()).resume(checkpoint)
    assert resumed.step == 5
    for _ in run_pack(backbone, iter([resumed]), slots=1, observer=kept):
        pass
    assert torch.equal(_prompt(kept, trial), _prompt(whole, trial))
    assert (
        kept.done[trial.trial_id].members[0].history
        == whole.done[trial.trial_id].members[0].history
    )


def test_dropout_is_the_same_in_a_pack_and_alone(backbone: T5Backbone, config: Make) -> None:
    """Catches a mask drawn from the pack's stream of random numbers."""
    trial, dry = config(dropout=0.1), config()
    neighbour = config(dropout=0.1, seed=1, prompt_length=8, task="record")
    packed = _prompt(_train(backbone, [trial, neighbour], slots=2), trial)
    alone = _prompt(_train(backbone, [trial], slots=1), trial)
    torch.testing.assert_close(packed, alone, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(alone, _prompt(_train(backbone, [dry], slots=1), dry), atol=1e-3)

"""Batches whose lengths are padded to few: the same numbers, and few shapes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from runners.catalogue import Catalogue
from runners.config import TrialConfig
from runners.data.batching import Encoded, static_length
from runners.model.causal_backbone import CausalBackbone
from runners.model.loading import Loaded
from runners.model.t5_backbone import T5Backbone
from runners.training.language_model import gradients
from runners.training.memory import Room
from runners.training.pack import start, train_step
from tests.runners.model.decoders import random_decoder

Make = Callable[..., TrialConfig]
Wrap = Callable[..., CausalBackbone]
Shapes = list[tuple[int, int, int]]
"""Rows, positions of inputs and positions of targets of each part that went through a model."""


def noted(backbone: Loaded, shapes: Shapes) -> Any:
    """The same model, which notes the shapes that train."""
    kind: Any = type(backbone)

    class Noted(kind):  # type: ignore[misc]  # either of the two
        def losses(self, weights: Any, embedded: Tensor, mask: Tensor, targets: Tensor,
                   *rest: Any, **more: Any) -> Any:  # fmt: skip
            shapes.append((*embedded.shape[:2], targets.shape[1]))
            return super().losses(weights, embedded, mask, targets, *rest, **more)

    return Noted(**vars(backbone))


def steps(backbone: Loaded, configs: list[TrialConfig], room: Room) -> tuple[Shapes, list[Any]]:
    """Shapes, and losses and gradients of prompts, of three steps that change nothing."""
    shapes: Shapes = []
    model = noted(backbone, shapes)
    runs = [start([each], model, Catalogue()) for each in configs]
    found: list[Any] = []
    for step in range(3):
        for run in runs:
            run.step = step
        found.append(train_step(model, runs, room))
        found.append([run.parameters["prompt"].grad for run in runs])
    return shapes, found


def check(plain: tuple[Shapes, list[Any]], static: tuple[Shapes, list[Any]]) -> None:
    """The same numbers within rounding, of batches with lengths that are padded to few."""
    (shapes, expected), (padded, found) = plain, static
    assert shapes != padded
    for _, *lengths in padded:
        assert lengths == [static_length(each) for each in lengths]
    assert [shape[0] for shape in padded] == [shape[0] for shape in shapes]
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_trials_learn_the_same(backbone: T5Backbone, config: Make, dropout: float) -> None:
    """Catches padding that is learned or read, and dropout that goes by places in a tensor."""
    configs = [config(task=task, batch_size=8, dropout=dropout) for task in ("cb", "copa")]
    check(*(steps(backbone, configs, Room(is_static=static)) for static in (False, True)))


def test_decoder_only_trials_learn_the_same(as_causal: Wrap, config: Make) -> None:
    """Catches positions that count the padding before an input."""
    causal = as_causal(random_decoder("llama"))
    configs = [config(task="cb", batch_size=8, prompt_length=5, prompt_init="random_uniform")]
    check(*(steps(causal, configs, Room(is_static=static)) for static in (False, True)))


def test_all_weights_learn_the_same(backbone: T5Backbone) -> None:
    """Catches LM adaptation that weighs padding."""
    draw = np.random.default_rng(0).integers
    rows = [
        Encoded(input_ids=draw(3, 200, n), target_ids=draw(3, 200, 40 - n)) for n in (13, 9, 21)
    ]
    weights = {n: w.float().clone().requires_grad_() for n, w in backbone.weights.items()}
    shapes: Shapes = []
    model = noted(backbone, shapes)
    loss, expected = gradients(model, weights, rows)
    found_loss, found = gradients(model, weights, rows, Room(is_static=True))
    assert shapes == [(3, 21, 31), (3, 24, 32)]
    assert found_loss == pytest.approx(loss, rel=1e-5)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


def test_a_bound_counts_what_rows_are_padded_to(backbone: T5Backbone, config: Make) -> None:
    """Catches parts that fit by their own lengths, and not by those that they are given."""
    run = start([config(batch_size=2)], backbone, Catalogue())
    along = run.config.prompt_length or 0
    run.train = [Encoded(input_ids=np.arange(3, 20), target_ids=np.array([1]))] * 2
    shapes: Shapes = []
    for static in (False, True):
        train_step(noted(backbone, shapes), [run], Room(most=2 * (along + 17), is_static=static))
    assert shapes == [(2, 17, 1), (1, 24, 1), (1, 24, 1)]

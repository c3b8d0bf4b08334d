"""Adafactor against `transformers`, where the two agree, and against T5X, where they do not."""

import pytest
import torch
from transformers.optimization import Adafactor as Transformers

from runners.training.adafactor import Adafactor, is_factored

STEPS = 50


def _gradients(shape: tuple[int, ...]) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(shape, generator=generator) * (1 + step % 5) for step in range(STEPS)]


def _ours(start: torch.Tensor, optimizer: Adafactor, gradients: list[torch.Tensor]) -> torch.Tensor:
    parameters = {"p": start.clone()}
    state = optimizer.initial_state(parameters)
    for step, gradient in enumerate(gradients, start=1):
        optimizer.step(parameters, {"p": gradient}, state, step=step)
    return parameters["p"]


def _theirs(start: torch.Tensor, gradients: list[torch.Tensor]) -> torch.Tensor:
    """`transformers`' steps at the rate 0.3, its decay set to T5X's, which it multiplies by it."""
    parameter = torch.nn.Parameter(start.clone())
    optimizer = Transformers(
        [parameter], lr=0.3, weight_decay=1e-5 / 0.3, scale_parameter=False, relative_step=False
    )
    for gradient in gradients:
        parameter.grad = gradient.view_as(parameter).clone()
        optimizer.step()
    return parameter.detach()


def test_a_small_prompt_is_not_factored() -> None:
    """Catches the factoring of every matrix, as `transformers` does it."""
    start = torch.randn(100, 48, generator=torch.Generator().manual_seed(0))
    gradients = _gradients((100, 48))
    optimizer = Adafactor(learning_rate=0.3, weight_decay=1e-5, parameter_scaling=False)
    ours = _ours(start, optimizer, gradients)
    flat = _theirs(start.flatten(), gradients).view(100, 48)
    torch.testing.assert_close(ours, flat, rtol=1e-4, atol=1e-5)
    assert (ours - _theirs(start, gradients)).abs().max() > 0.1


def test_a_large_matrix_is_factored_as_transformers_does() -> None:
    """Catches row and column means over the wrong axis, or a missing normalisation."""
    start = torch.randn(150, 130, generator=torch.Generator().manual_seed(0))
    gradients = _gradients((150, 130))
    optimizer = Adafactor(learning_rate=0.01, weight_decay=1e-5, parameter_scaling=True)
    ours = _ours(start, optimizer, gradients)
    assert is_factored(start)
    theirs = _scaled_decay(start, gradients)
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def _scaled_decay(start: torch.Tensor, gradients: list[torch.Tensor]) -> torch.Tensor:
    """`transformers`' step with no decay of its own, and T5X's decay before it.

    With parameter scaling the two decays are not proportional, so T5X's
    `(1 - weight_decay) * param - update` (t5x/adafactor.py) is written out.
    """
    parameter = torch.nn.Parameter(start.clone())
    optimizer = Transformers([parameter], lr=0.01, scale_parameter=True, relative_step=False)
    for gradient in gradients:
        before = parameter.detach().clone()
        parameter.grad = gradient.clone()
        optimizer.step()
        update = parameter.detach() - before
        parameter.data = (1 - 1e-5) * before + update
    return parameter.detach()


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_the_update_does_not_feel_the_scale_of_the_loss(factor: float) -> None:
    """Catches a sum over a pack where a mean of one trial belongs, or a missing RMS."""
    start = torch.randn(20, 16, generator=torch.Generator().manual_seed(0))
    optimizer = Adafactor(learning_rate=0.3, weight_decay=0.0, parameter_scaling=False)
    gradients = _gradients((20, 16))
    plain = _ours(start, optimizer, gradients)
    scaled = _ours(start, optimizer, [gradient * factor for gradient in gradients])
    torch.testing.assert_close(plain, scaled, rtol=1e-3, atol=1e-4)


def test_weight_decay_is_not_times_the_learning_rate() -> None:
    """Catches transformers' decay, which at 0.3 is a third of T5X's."""
    start = torch.ones(4, 4)
    optimizer = Adafactor(learning_rate=1e-12, weight_decay=0.1, parameter_scaling=False)
    ended = _ours(start, optimizer, [torch.ones(4, 4)] * 2)
    torch.testing.assert_close(ended, torch.full((4, 4), 0.81))

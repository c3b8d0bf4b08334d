"""Adafactor against `transformers` and `torch.optim`: where they agree, and where they do not.

In float64, to 1e-10 after 50 steps. T5X's own rule is in `test_adafactor_against_t5x.py`.
"""

import pytest
import torch
from transformers.optimization import Adafactor as Transformers

from runners.training.adafactor import Adafactor, is_factored

STEPS = 50


def _gradients(shape: tuple[int, ...]) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    drawn = [torch.randn(shape, generator=generator).double() for _ in range(STEPS)]
    return [gradient * (1 + step % 5) for step, gradient in enumerate(drawn)]


def _random(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).double()


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


@pytest.mark.parametrize("shape", [(100, 48), (1, 64), (20, 200)], ids=str)
def test_a_small_prompt_is_not_factored(shape: tuple[int, ...]) -> None:
    """Catches the factoring of every matrix, as `transformers` does it.

    The two agree where `transformers` is given one flat parameter.
    """
    start, gradients = _random(shape), _gradients(shape)
    optimizer = Adafactor(learning_rate=0.3, weight_decay=1e-5, parameter_scaling=False)
    ours = _ours(start, optimizer, gradients)
    flat = _theirs(start.flatten(), gradients).view(shape)
    torch.testing.assert_close(ours, flat, rtol=1e-10, atol=1e-10)
    if shape[0] > 1:
        assert (ours - _theirs(start, gradients)).abs().max() > 0.1


def test_transformers_own_decay_is_another() -> None:
    """Catches the decay of 1e-5 that a reader of the paper would give to `transformers`."""
    start, gradients = _random((640,)), _gradients((640,))
    theirs = torch.nn.Parameter(start.clone())
    optimizer = Transformers(
        [theirs], lr=0.3, weight_decay=1e-5, scale_parameter=False, relative_step=False
    )
    rule = Adafactor(learning_rate=0.3, weight_decay=1e-5, parameter_scaling=False)
    theirs.grad = gradients[0].clone()
    optimizer.step()
    ours = _ours(start, rule, gradients[:1])
    torch.testing.assert_close(
        theirs.detach() - ours, start * (1 - 0.3) * 1e-5, rtol=1e-8, atol=1e-12
    )


@pytest.mark.parametrize("shape", [(150, 130), (3, 130, 140)], ids=str)
def test_a_large_matrix_is_factored_as_transformers_does(shape: tuple[int, ...]) -> None:
    """Catches row and column means over the wrong axis, or matrices of a stack that are mixed."""
    start, gradients = _random(shape), _gradients(shape)
    optimizer = Adafactor(learning_rate=0.01, weight_decay=1e-5, parameter_scaling=True)
    ours = _ours(start, optimizer, gradients)
    assert is_factored(start)
    theirs = _scaled_decay(start, gradients)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


def test_torch_has_another_rule() -> None:
    """Catches a change to `torch.optim.Adafactor`, whose rate is 0.087 where the paper's is 0.3.

    It scales by the parameter, here of root mean square 0.29, and cannot be told not to.
    """
    start = torch.full((640,), 0.29, dtype=torch.float64)
    parameter = torch.nn.Parameter(start.clone())
    theirs = torch.optim.Adafactor([parameter], lr=0.3, weight_decay=0.0)
    parameter.grad = torch.ones_like(start)
    theirs.step()
    torch.testing.assert_close(start - parameter.detach(), torch.full_like(start, 0.29 * 0.3))
    optimizer = Adafactor(learning_rate=0.3, weight_decay=0.0, parameter_scaling=False)
    ours = _ours(start, optimizer, [torch.ones_like(start)])
    torch.testing.assert_close(start - ours, torch.full_like(start, 0.3))


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
    start, gradients = _random((20, 16)), _gradients((20, 16))
    optimizer = Adafactor(learning_rate=0.3, weight_decay=0.0, parameter_scaling=False)
    plain = _ours(start, optimizer, gradients)
    scaled = _ours(start, optimizer, [gradient * factor for gradient in gradients])
    torch.testing.assert_close(plain, scaled, rtol=1e-10, atol=1e-10)


def test_weight_decay_is_not_times_the_learning_rate() -> None:
    """Catches transformers' decay, which at 0.3 is a third of T5X's."""
    start = torch.ones(4, 4)
    optimizer = Adafactor(learning_rate=1e-12, weight_decay=0.1, parameter_scaling=False)
    ended = _ours(start, optimizer, [torch.ones(4, 4)] * 2)
    torch.testing.assert_close(ended, torch.full((4, 4), 0.81))

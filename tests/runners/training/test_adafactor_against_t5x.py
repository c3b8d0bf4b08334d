"""Adafactor for 50 steps against a transcription of T5X's rule, in float64.

Source of the transcription: `apply_param_gradient` and `_factored_dims` of
t5x/adafactor.py, without momentum, with the settings of prompt-tuning's
t5_1_1_prompt.gin (decay exponent 0.8, clip 1.0, weight decay 1e-5).
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from runners.training.adafactor import Adafactor, is_factored

Array = npt.NDArray[np.float64]
Gradient = Callable[[int, Array], Array]
"""From the step, counted from 0, and the parameter to its gradient."""

STEPS = 50
DECAY = 1e-5
UNFACTORED = [(100, 64), (127, 256), (256, 127), (1, 300), (7,)]
FACTORED = [(150, 256), (256, 150), (128, 128)]
TOLERANCE = {torch.float64: 1e-12, torch.float32: 5e-5}
"""Relative and absolute; the reference is in float64 throughout."""


def _rms(x: Array) -> float:
    return float(np.sqrt(np.mean(x * x)))


def t5x(start: Array, gradient: Gradient, *, rate: float, scaling: bool) -> Array:
    """The parameter after all steps of T5X's rule.

    T5X factors a matrix along its smaller dimension (rows) and its larger one
    (columns), whichever comes first.
    """
    p, second, row, column = start.copy(), np.zeros(1), np.zeros(1), np.zeros(1)
    order = np.argsort(start.shape)
    factored = start.ndim == 2 and start.shape[order[0]] >= 128
    for step in range(STEPS):
        beta2 = 1.0 - (step + 1.0) ** -0.8
        g = gradient(step, p)
        squared = g * g + 1e-30
        if factored:
            smaller, larger = int(order[0]), int(order[1])
            row = beta2 * row + (1 - beta2) * squared.mean(axis=larger)
            column = beta2 * column + (1 - beta2) * squared.mean(axis=smaller)
            share = np.expand_dims(row / row.mean(), larger)
            update = g / np.sqrt(share * np.expand_dims(column, smaller))
        else:
            second = beta2 * second + (1 - beta2) * squared
            update = g / np.sqrt(second)
        update = update / max(1.0, _rms(update) / 1.0)
        size = rate * max(_rms(p), 1e-3) if scaling else rate
        p = (1 - DECAY) * p - size * update
    return p


def _ours(
    start: Array, gradient: Gradient, *, rate: float, scaling: bool, dtype: torch.dtype
) -> Tensor:
    optimizer = Adafactor(learning_rate=rate, weight_decay=DECAY, parameter_scaling=scaling)
    parameters = {"p": torch.from_numpy(start).to(dtype, copy=True)}
    state = optimizer.initial_state(parameters)
    for step in range(STEPS):
        found = gradient(step, parameters["p"].double().numpy())
        gradients = {"p": torch.from_numpy(found).to(dtype)}
        optimizer.step(parameters, gradients, state, step=step + 1)
    return parameters["p"]


def _random_gradients(shape: tuple[int, ...]) -> Gradient:
    """Gradients whose size moves by a factor of five, and elements that are sometimes zero."""
    rng = np.random.default_rng(3)
    drawn = [rng.normal(size=shape) * (1 + step % 5) for step in range(STEPS)]
    kept = [rng.random(shape) > 0.05 for _ in range(STEPS)]

    def gradient(step: int, _: Array) -> Array:
        return np.asarray(drawn[step] * kept[step])

    return gradient


def _of_a_loss(shape: tuple[int, ...]) -> Gradient:
    """The gradient of half the mean squared error of <inputs, p> over 16 examples.

    Targets are out of reach of 50 steps: around an optimum, steps of a constant
    rate turn rounding into chaos.
    """
    rng = np.random.default_rng(4)
    inputs = rng.normal(size=(16, *shape)) / np.sqrt(np.prod(shape))
    targets = rng.normal(size=16) * 30 * np.sqrt(np.prod(shape))

    def gradient(_: int, p: Array) -> Array:
        errors = (inputs * p).reshape(16, -1).sum(axis=1) - targets
        return np.asarray(np.tensordot(errors, inputs, axes=1) / 16)

    return gradient


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(("rate", "scaling"), [(0.3, False), (0.01, True)])
@pytest.mark.parametrize("gradients", [_random_gradients, _of_a_loss])
@pytest.mark.parametrize("shape", UNFACTORED + FACTORED, ids=str)
def test_fifty_steps(
    shape: tuple[int, ...],
    gradients: Callable[[tuple[int, ...]], Gradient],
    rate: float,
    scaling: bool,
    dtype: torch.dtype,
) -> None:
    """Catches another decay, clip, scale or factor, and a bound of factoring that is off by one."""
    start = np.random.default_rng(0).normal(size=shape) * 0.5
    gradient = gradients(shape)
    expected = t5x(start, gradient, rate=rate, scaling=scaling)
    found = _ours(start, gradient, rate=rate, scaling=scaling, dtype=dtype)
    apart = TOLERANCE[dtype]
    np.testing.assert_allclose(found.double().numpy(), expected, rtol=apart, atol=apart)
    assert np.abs(expected - start).min() > 0


@pytest.mark.parametrize("start", [0.0, 1e-4])
def test_a_parameter_near_zero_counts_as_a_thousandth(start: float) -> None:
    """Catches a scale without its floor, under which a parameter at zero would stay there."""
    value, gradient = np.full((3, 5), start), _random_gradients((3, 5))
    expected = t5x(value, gradient, rate=0.01, scaling=True)
    found = _ours(value, gradient, rate=0.01, scaling=True, dtype=torch.float64)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-11, atol=1e-15)
    assert np.abs(expected).max() > 1e-5


def test_an_element_without_a_gradient_only_decays() -> None:
    """Catches a division by a second moment of zero."""

    def nothing(_: int, p: Array) -> Array:
        return np.zeros_like(p)

    start = np.ones((2, 3))
    found = _ours(start, nothing, rate=0.3, scaling=False, dtype=torch.float64)
    np.testing.assert_allclose(found.numpy(), start * (1 - DECAY) ** STEPS, rtol=1e-12)


@pytest.mark.parametrize("shape", UNFACTORED + FACTORED, ids=str)
def test_what_is_factored_and_what_is_kept(shape: tuple[int, ...]) -> None:
    """Catches a prompt of 100 that is factored, or one of 150 whose state is as large as itself."""
    parameter = torch.zeros(shape)
    optimizer = Adafactor(learning_rate=0.3, weight_decay=DECAY, parameter_scaling=False)
    state = {name: tuple(s.shape) for name, s in optimizer.initial_state({"p": parameter}).items()}
    assert is_factored(parameter) is (shape in FACTORED)
    if shape in FACTORED:
        assert state == {"p/row": shape[:1], "p/column": shape[1:]}
    else:
        assert state == {"p": shape}

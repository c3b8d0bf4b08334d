"""Adafactor as T5X runs it, which neither `transformers` nor `torch.optim` does.

Source: t5x/adafactor.py and prompt-tuning's t5_1_1_prompt.gin. Against
`transformers.Adafactor`: a second moment is factored only where its last two
dimensions are both 128 or more, and weight decay is not multiplied by the
learning rate. `torch.optim.Adafactor` always scales by the parameter and caps
the rate. There is no momentum and no warm-up. T5X refuses parameters of three
dimensions or more that have no rule of their own; here every matrix of the last
two is factored by itself, as `transformers` does.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from runners.model.shards import added_up

DECAY_EXPONENT = 0.8
"""beta2 at step t (from 1) is 1 - t ** -0.8."""
CLIP = 1.0
"""Updates are scaled down to this root mean square."""
EPSILON = 1e-30
"""Added to squared gradients."""
SMALLEST_SCALE = 1e-3
"""With parameter scaling, a parameter counts as at least this large."""
SMALLEST_FACTORED = 128
"""A second moment is factored where its two dimensions reach this."""


@dataclass(frozen=True, kw_only=True)
class Adafactor:
    """The settings of one optimizer; its state is a flat mapping of tensors."""

    learning_rate: float
    weight_decay: float
    parameter_scaling: bool

    @torch.no_grad()
    def initial_state(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Zero second moments: `name` whole, or `name/row` and `name/column` where factored."""
        state: dict[str, Tensor] = {}
        for name, p in parameters.items():
            if is_factored(p):
                state[f"{name}/row"] = torch.zeros_like(added_up(p.sum(dim=-1)))
                state[f"{name}/column"] = torch.zeros_like(added_up(p.sum(dim=-2)))
            else:
                state[name] = torch.zeros_like(p)
        return state

    @torch.no_grad()
    def step(
        self,
        parameters: Mapping[str, Tensor],
        gradients: Mapping[str, Tensor],
        state: Mapping[str, Tensor],
        *,
        step: int,
    ) -> None:
        """One update in place of float32 parameters and their state; `step` counts from 1.

        Every parameter has its own clip, so parameters of different trials never meet. Those
        that are sharded have the means of all their parts.
        """
        decay = 1.0 - step**-DECAY_EXPONENT
        for name, parameter in parameters.items():
            update = _normalised(name, gradients[name], state, decay)
            update /= (rms(update) / CLIP).clamp(min=1.0)
            rate = self.learning_rate
            scale = rms(parameter).clamp(min=SMALLEST_SCALE) if self.parameter_scaling else 1.0
            parameter.mul_(1.0 - self.weight_decay).sub_(update * rate * scale)


def is_factored(parameter: Tensor) -> bool:
    """Whether a parameter's second moment is kept as row and column means."""
    return parameter.dim() >= 2 and min(parameter.shape[-2:]) >= SMALLEST_FACTORED


def rms(x: Tensor) -> Tensor:
    """Root mean square over all elements."""
    return added_up(x.square().mean()).sqrt()


def _normalised(name: str, gradient: Tensor, state: Mapping[str, Tensor], decay: float) -> Tensor:
    """The gradient over the root of its decayed second moment, which is updated."""
    squared = gradient.square() + EPSILON
    if name in state:
        second = state[name].lerp_(squared, 1.0 - decay)
        return gradient * second.rsqrt()
    row = state[f"{name}/row"].lerp_(added_up(squared.mean(dim=-1)), 1.0 - decay)
    column = state[f"{name}/column"].lerp_(added_up(squared.mean(dim=-2)), 1.0 - decay)
    row_share = (row / added_up(row.mean(dim=-1, keepdim=True))).rsqrt()
    return gradient * row_share.unsqueeze(-1) * column.rsqrt().unsqueeze(-2)

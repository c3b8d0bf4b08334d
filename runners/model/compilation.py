"""A T5 whose training passes are compiled (`torch.compile`): fewer kernels, for a wait at first.

The first batch is compiled for a minute or more, a batch of another number of rows or
positions is not; what was compiled is kept on the machine's disk for the next process.
Greedy decoding is left as it is, for its lengths change with every token.
"""

import dataclasses
import functools
from collections.abc import Callable

import torch
from torch import Tensor

from runners.model.backbone import Weights
from runners.model.causal_backbone import CausalBackbone
from runners.model.dropout import NONE, Dropout
from runners.model.t5 import at_once
from runners.model.t5_backbone import T5Backbone

Losses = Callable[[Weights, Tensor, Tensor, Tensor, Dropout], Tensor]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class CompiledT5(T5Backbone):
    """A T5 that computes losses by compiled code, and all else as before."""

    compiled: Losses

    def losses(
        self,
        weights: Weights,
        embedded: Tensor,
        mask: Tensor,
        targets: Tensor,
        dropout: Dropout = NONE,
    ) -> Tensor:
        """As `Backbone.losses`."""
        return self.compiled(weights, embedded, mask, targets, dropout)


def compiling(
    backbone: T5Backbone | CausalBackbone, *, backend: str = "inductor"
) -> T5Backbone | CausalBackbone:
    """The same T5 with compiled losses.

    Raises ValueError for a decoder-only model, and for layers that run again for their
    gradients, which torch 2.13 cannot compile here.
    """
    if not isinstance(backbone, T5Backbone):
        raise ValueError(
            f"compile: model {backbone.source} is decoder-only, and only a T5 is compiled; "
            "leave it out"
        )
    if backbone.call is not at_once:
        raise ValueError(
            f"compile: model {backbone.source} computes its activations again "
            "(activation_checkpointing), and is not compiled so; leave one of the two out"
        )
    plain = {field.name: getattr(backbone, field.name) for field in dataclasses.fields(T5Backbone)}
    return CompiledT5(**plain, compiled=_compiled(backbone, backend))


def _compiled(backbone: T5Backbone, backend: str) -> Losses:
    """The losses of a model, for batches of any size."""
    losses = functools.partial(T5Backbone.losses, backbone)
    found: Losses = torch.compile(losses, dynamic=True, backend=backend, fullgraph=True)
    return found

"""Activation checkpointing: a layer keeps what it read, and computes the rest again.

Between the forward and the backward pass a layer then holds its input alone, for
one more forward pass in all. Nothing is drawn inside a layer, since masks of dropout
are hashed (`runners.model.dropout`), so the second pass is the first to the bit.
"""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer

from runners.model import products
from runners.model.backbone import Weights
from runners.model.causal_backbone import CausalBackbone
from runners.model.dropout import Dropout
from runners.model.t5 import Call, Layer
from runners.model.t5_backbone import T5Backbone


def recomputing(backbone: T5Backbone | CausalBackbone) -> T5Backbone | CausalBackbone:
    """The same model, whose layers keep their inputs alone until the backward pass.

    Raises ValueError for a decoder-only model whose layers `transformers` does not mark.
    """
    if isinstance(backbone, T5Backbone):
        return dataclasses.replace(backbone, call=recomputed(backbone.call))
    if not _layers(backbone.module):
        raise ValueError(
            f"activation_checkpointing: model {backbone.source} has no layers that can be computed "
            "again (GradientCheckpointingLayer of transformers); leave it out"
        )
    return dataclasses.replace(backbone, around=layers_recomputed)


def recomputed(call: Call) -> Call:
    """A way to call layers, so that each is called once more for its gradients."""

    def again(name: str, layer: Layer, weights: Weights, dropout: Dropout, *read: Any) -> Any:
        run = partial(call, name, layer, weights, dropout)
        if not torch.is_grad_enabled():
            return run(*read)
        return checkpoint(run, *read, use_reentrant=False, preserve_rng_state=False)

    return again


@contextmanager
def layers_recomputed(module: PreTrainedModel) -> Iterator[None]:
    """Inside, every layer of a decoder-only model runs again for its gradients.

    `transformers` has this for modules in training mode, which read the parameters
    that they have by then. Here weights may be lent to a module for one forward
    pass, so that each layer takes note of those it was called with.
    """
    layers = _layers(module)
    for layer in layers:
        layer.forward = _Recomputed(layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _layers(module: PreTrainedModel) -> list[nn.Module]:
    return [each for each in module.modules() if isinstance(each, GradientCheckpointingLayer)]


class _Recomputed:
    """The forward pass of a layer, which computes it twice with the same weights."""

    def __init__(self, layer: nn.Module) -> None:
        self._layer = _Plain(layer)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        lent: dict[str, Tensor] = dict(self._layer.named_parameters())

        def run(*args: Any) -> Any:
            # Called once more outside of whatever the forward pass runs in.
            with products.elsewhere(next(iter(lent.values()))):
                return functional_call(self._layer, lent, args, kwargs)

        return checkpoint(run, *args, use_reentrant=False, preserve_rng_state=False)


class _Plain(nn.Module):
    """A layer as its class has it, whatever stands in for its forward pass."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return type(self.layer).forward(self.layer, *args, **kwargs)

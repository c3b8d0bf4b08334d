"""A T5 whose layers are compiled for training (`torch.compile`), for a wait at first.

The layers of a stack are alike, so that one is compiled for all of them, and for batches of
any size, or for each shape where there are few; what was compiled is kept on the machine's
disk for the next process. Greedy decoding is left as it is, for its lengths change with every
token.
"""

import dataclasses
from collections.abc import Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from runners.model.backbone import Weights
from runners.model.causal_backbone import CausalBackbone
from runners.model.dropout import Dropout
from runners.model.t5 import PLACES, Call, Layer
from runners.model.t5_backbone import T5Backbone

_VARIANTS = 64
"""Graphs of one model, at most: a layer is compiled again where an axis has a single element,
or where something else needs gradients."""


def compiling(
    backbone: T5Backbone | CausalBackbone, *, static: bool = False, backend: str = "inductor"
) -> T5Backbone | CausalBackbone:
    """The same T5, whose layers are compiled where there are gradients.

    With `static` that is once for each shape of a batch, to which the code is then cut.
    Raises ValueError for a decoder-only model.
    """
    if not isinstance(backbone, T5Backbone):
        raise ValueError(
            f"compile: model {backbone.source} is decoder-only, and only a T5 is compiled; "
            "leave it out"
        )
    return dataclasses.replace(backbone, call=_compiled(backbone.call, backend, static=static))


def _compiled(call: Call, backend: str, *, static: bool) -> Call:
    """The same way to call layers, which are compiled inside of it.

    A layer is called as if it had no name, with its own weights, so that nothing tells
    it from the others.
    """

    def bare(layer: Layer, own: Weights, dropout: Dropout, *read: Any) -> Any:
        return layer("", own, dropout, *read)

    run = torch.compile(  # type: ignore[call-overload]  # none of its overloads has all of these
        bare,
        fullgraph=True,
        backend=backend,
        dynamic=False if static else None,
        recompile_limit=_VARIANTS,
        isolate_recompiles=True,
    )

    def where_it_trains(
        layer: Layer, name: str, weights: Weights, dropout: Dropout, *read: Any
    ) -> Any:
        """What the layer makes, by compiled code where there are gradients."""
        if not torch.is_grad_enabled():
            return layer(name, weights, dropout, *read)
        own = {
            each.removeprefix(name): weight
            for each, weight in weights.items()
            if each.startswith(f"{name}.")
        }
        if not static:
            _vary(read if dropout.keys is None else (dropout.keys, *read))
        return run(layer, own, dropout.within(name, PLACES), *read)

    def calling(name: str, layer: Layer, weights: Weights, dropout: Dropout, *read: Any) -> Any:
        """As `Call`."""
        return call(name, partial(where_it_trains, layer), weights, dropout, *read)

    return calling


def _vary(read: Iterable[Any]) -> None:
    """Tells the compiler which dimensions change: of keys [B], hidden [B, T, H], biases
    [B, N, T, T] all but H and N. Whatever else it knows, it may rely on."""
    for each in read:
        if isinstance(each, Tensor):
            fixed = {1: (), 3: (2,), 4: (1,)}[each.dim()]
            for dimension in set(range(each.dim())).difference(fixed):
                torch._dynamo.maybe_mark_dynamic(each, dimension)
        else:
            _vary(each)

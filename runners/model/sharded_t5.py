"""A T5 that trains over several ranks, each of which holds a part of every weight (FSDP2).

Notation: B rows, T input tokens, D target tokens, H model width.

Every rank is given the same batch and computes its own rows of it: rank r of R the
rows r, r + R and so on. A layer's weights are put together from all ranks when it is
called, and its gradients are added up over ranks (`torch.distributed.fsdp.fully_shard`).
Losses and answers are exchanged, so that each rank has those of all rows, and callers
need not know that there are others.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor

from runners.model.backbone import Backbone, Greedy, Weights
from runners.model.codec import Codec
from runners.model.dropout import NONE, Dropout
from runners.model.shards import restored
from runners.model.t5 import Layer
from runners.model.t5_backbone import T5Backbone
from runners.prompt.soft_prompt import Prompted

_BIAS = "relative_attention_bias"
"""Lies in the first layer of a stack and is read by all of them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ShardedT5(Greedy):
    """A T5 as a `Backbone`, whose weights train in shards."""

    start: T5Backbone
    """The model that training starts from, whole and on the cores."""
    root: "_Part"
    layers: dict[str, "_Part"]
    weights: Weights
    """The weights in training: DTensors, of which this rank has its part."""
    number: int
    count: int

    @property
    def positions(self) -> None:
        return self.start.positions

    @property
    def codec(self) -> Codec:
        return self.start.codec

    @property
    def dtype(self) -> torch.dtype:
        return self.start.dtype

    @property
    def source(self) -> str:
        return self.start.source

    @property
    def fingerprint(self) -> str:
        return self.start.fingerprint

    @property
    def width(self) -> int:
        return self.start.width

    @property
    def parameter_count(self) -> int:
        return self.start.parameter_count

    def embedding_table(self) -> Tensor:
        return self.start.embedding_table()

    def restarted(self) -> dict[str, Tensor]:
        """The weights in training, as they were at the start."""
        return restored(self.start.weights, self.weights)

    def embed(self, weights: Weights, ids: Tensor) -> Tensor:
        """As `Backbone.embed`, on every rank for all rows."""
        found: Tensor = self._run(weights, self.start.embed, ids)
        return found

    def losses(
        self,
        weights: Weights,
        embedded: Tensor,
        mask: Tensor,
        targets: Tensor,
        dropout: Dropout = NONE,
        *,
        prompts: Prompted | None = None,
        of_row: Tensor | None = None,
    ) -> Tensor:
        """As `Backbone.losses`: values of all rows, and gradients by this rank's own.

        FSDP2 takes the mean of gradients over ranks, so that each gives R times its share.
        """
        if prompts:
            embedded, mask = prompts.before(embedded, mask)
        if of_row is not None:
            embedded, mask = embedded[of_row], mask[of_row]
        own, is_due = self._own(targets)
        if dropout.rate:
            assert dropout.keys is not None
            dropout = dataclasses.replace(dropout, keys=dropout.keys[own])
        read = (embedded[own], mask[own], targets[own], dropout)
        found = self._run(weights, self._called.losses, *read)
        mine = found.new_zeros(targets.shape).index_copy(0, own, found * is_due)
        every = mine.detach().clone()
        dist.all_reduce(every)
        return every + (mine - mine.detach()) * self.count

    @torch.no_grad()
    def continuations(
        self, weights: Weights, embedded: Tensor, mask: Tensor, *, limits: Sequence[int],
        prompts: Prompted | None = None,
    ) -> Iterator[Tensor]:  # fmt: skip
        """As `Backbone.continuations`, which come once all are there."""
        if prompts:
            embedded, mask = prompts.before(embedded, mask)
        own, is_due = self._own(mask)
        own_limits = [limits[row] for row in own.tolist()]

        # Every rank calls the same layers, whatever the limits of its own rows.
        called = dataclasses.replace(self._called, longest=max(limits))

        def answers(lent: Weights, embedded: Tensor, mask: Tensor) -> Tensor:
            steps = called.continuations(lent, embedded, mask, limits=own_limits)
            return torch.stack([*steps], dim=1)

        mine = self._run(weights, answers, embedded[own], mask[own])
        every = mine.new_zeros(len(mask), mine.shape[1]).index_copy(0, own, mine * is_due)
        dist.all_reduce(every)
        yield from every.unbind(dim=1)

    @property
    def _called(self) -> T5Backbone:
        """The arithmetic, with layers that are put together when they are called."""
        return dataclasses.replace(self.start, call=self._call, is_over=_over_everywhere)

    def _call(self, name: str, layer: Layer, weights: Weights, dropout: Dropout, *read: Any) -> Any:
        # Inside of its part, so that its weights are there by then, a second time too.
        def run(own: Weights, *read: Any) -> Any:
            return self.start.call(name, layer, own, dropout, *read)

        return self.layers[name](run, *read)

    def _own(self, rows: Tensor) -> tuple[Tensor, int]:
        """Numbers of this rank's rows; a rank without any computes the first, which is not due."""
        own = torch.arange(self.number, len(rows), self.count, device=rows.device)
        return (own, 1) if len(own) else (own.new_zeros(1), 0)

    def _run(self, weights: Weights, compute: Callable[..., Tensor], *read: Any) -> Tensor:
        """What `compute` makes of the weights outside of all layers, with those lent to it."""
        with self._lent(weights):
            # A copy, for FSDP2 cannot watch what is written into a view.
            found: Tensor = self.root(lambda *every: compute(*every).clone(), *read)
            if not torch.is_grad_enabled():
                # Without a backward pass nobody takes the weights apart again.
                self.root.reshard()  # type: ignore[operator]
        return found

    @contextmanager
    def _lent(self, weights: Weights) -> Iterator[None]:
        """Inside, the model has other weights, whole and the same on every rank."""
        name = next(iter(self.weights))
        if weights[name] is self.weights[name]:
            yield
            return
        before = {name: _part(weight).clone() for name, weight in self.weights.items()}
        restored(weights, self.weights)
        try:
            yield
        finally:
            for name, weight in self.weights.items():
                _part(weight).copy_(before[name])


def sharded(start: T5Backbone, *, number: int, count: int, device: torch.device) -> ShardedT5:
    """A T5 in float32, whole on the cores of each rank, as parts of it on their devices."""
    mesh = init_device_mesh(device.type, (count,))
    names = [f"encoder.block.{layer}" for layer in range(start.shape.layers)]
    names += [f"decoder.block.{layer}" for layer in range(start.shape.decoder_layers)]
    held: dict[str, dict[str, Tensor]] = {name: {} for name in ("", *names)}
    for name, weight in start.weights.items():
        layer = ".".join(name.split(".")[:3])
        # Without numbers, so that no device has to hold all of them.
        held[layer if layer in held and _BIAS not in name else ""][name] = weight.to("meta")
    layers = {name: _Part(held[name]) for name in names}
    root = _Part(held[""], layers)
    # Gathered in the precision that they are read in, and added up in full.
    policy = MixedPrecisionPolicy(
        param_dtype=start.dtype, reduce_dtype=torch.float32, cast_forward_inputs=False
    )
    for part in layers.values():
        fully_shard(part, mesh=mesh, mp_policy=policy)
    fully_shard(root, mesh=mesh)
    root.to_empty(device=device)
    found = {name: p for part in (root, *layers.values()) for name, p in part.own().items()}
    weights = {name: found[name] for name in start.weights}
    made = ShardedT5(
        start=start, root=root, layers=layers, weights=weights, number=number, count=count
    )
    made.restarted()
    return made


def trainable(backbone: Backbone) -> dict[str, Tensor]:
    """Every weight of a model in float32, to be trained; those of a sharded one are its own."""
    if isinstance(backbone, ShardedT5):
        return backbone.restarted()
    return {name: weight.float().clone() for name, weight in backbone.weights.items()}


class _Part(nn.Module):
    """Weights that are put together at once, under their names in the checkpoint."""

    def __init__(self, weights: Weights, parts: dict[str, "_Part"] | None = None) -> None:
        super().__init__()
        for name, weight in weights.items():
            self.register_parameter(name.replace(".", "/"), nn.Parameter(weight))
        self.parts = nn.ModuleList((parts or {}).values())

    def own(self) -> dict[str, Tensor]:
        """The weights as they are now: whole while the part is called, else in shards."""
        return {name.replace("/", "."): p for name, p in self._parameters.items() if p is not None}

    def forward(self, compute: Callable[..., Any], *read: Any) -> Any:
        return compute(self.own(), *read)


def _part(weight: Tensor) -> Tensor:
    part = weight.detach()
    assert isinstance(part, DTensor)
    return part.to_local()


def _over_everywhere(going: Tensor) -> bool:
    """Whether no row of any rank goes on."""
    anywhere = going.any().to(torch.int32)
    dist.all_reduce(anywhere, op=dist.ReduceOp.MAX)
    return not bool(anywhere)

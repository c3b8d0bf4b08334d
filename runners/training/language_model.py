"""Self-supervised training of a whole model: one step, held-out loss, and a checkpoint."""

from collections.abc import Sequence

import torch
from torch import Tensor

from runners.data.batching import Batch, Encoded, collate
from runners.model.backbone import IGNORED, Backbone, Weights, device_of
from runners.training.memory import Room
from runners.training.micro_batches import Parts, in_parts


def mean_loss(backbone: Backbone, weights: Weights, batch: Batch) -> Tensor:
    """Mean cross-entropy of the batch's target tokens, in nats a token."""
    return _losses(backbone, weights, batch).sum() / (batch.targets != IGNORED).sum()


def gradients(
    backbone: Backbone, weights: Weights, rows: Sequence[Encoded], room: Room | None = None
) -> tuple[float, dict[str, Tensor]]:
    """The loss of a batch in nats a token, and its gradient for every weight.

    The rows go through the model in parts that have room.
    """
    room = room or Room()
    static = room.is_static
    return in_parts(
        lambda parts: _summed(backbone, weights, rows, parts, static=static),
        [row.width(static=static) for row in rows],
        parameters=sum(weight.numel() for weight in weights.values()),
        device=device_of(weights),
        room=room,
    )


def _summed(
    backbone: Backbone, weights: Weights, rows: Sequence[Encoded], parts: Parts, *, static: bool
) -> tuple[float, dict[str, Tensor]]:
    """Losses and gradients added up over parts of the rows."""
    tokens = sum(len(row.target_ids) for row in rows)
    loss = 0.0
    for weight in weights.values():
        weight.grad = None
    for part in parts:
        batch = _batch(backbone, weights, [rows[place] for place in part], static=static)
        part_loss = _losses(backbone, weights, batch).sum() / tokens
        # Not torch.autograd.grad, for gradients of sharded weights are added up as they arrive.
        part_loss.backward()
        loss += float(part_loss.detach())
    found = {}
    for name, weight in weights.items():
        assert weight.grad is not None
        found[name], weight.grad = weight.grad, None
    return loss, found


@torch.no_grad()
def held_out_loss(
    backbone: Backbone, weights: Weights, batches: Sequence[Sequence[Encoded]]
) -> float:
    """Mean over batches of the mean loss, in nats a token."""
    losses = [mean_loss(backbone, weights, _batch(backbone, weights, rows)) for rows in batches]
    return float(torch.stack(losses).mean())


def _losses(backbone: Backbone, weights: Weights, batch: Batch) -> Tensor:
    embedded = backbone.embed(weights, batch.input_ids)
    return backbone.losses(weights, embedded, batch.mask, batch.targets)


def _batch(
    backbone: Backbone, weights: Weights, rows: Sequence[Encoded], *, static: bool = False
) -> Batch:
    return collate(rows, backbone.codec, device=device_of(weights), static=static)

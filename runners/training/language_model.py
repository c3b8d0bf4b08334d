"""Self-supervised training of a whole model: one step, held-out loss, and a checkpoint."""

from collections.abc import Sequence

import torch
from torch import Tensor

from runners.data.batching import Batch, Encoded, collate
from runners.model.backbone import IGNORED, Backbone, Weights, device_of


def mean_loss(backbone: Backbone, weights: Weights, batch: Batch) -> Tensor:
    """Mean cross-entropy of the batch's target tokens, in nats a token."""
    embedded = backbone.embed(weights, batch.input_ids)
    losses = backbone.losses(weights, embedded, batch.mask, batch.targets)
    return losses.sum() / (batch.targets != IGNORED).sum()


def gradients(
    backbone: Backbone, weights: Weights, rows: Sequence[Encoded]
) -> tuple[float, dict[str, Tensor]]:
    """The loss of a batch in nats a token, and its gradient for every weight."""
    loss = mean_loss(backbone, weights, _batch(backbone, weights, rows))
    found = torch.autograd.grad(loss, list(weights.values()))
    return float(loss.detach()), dict(zip(weights, found, strict=True))


@torch.no_grad()
def held_out_loss(
    backbone: Backbone, weights: Weights, batches: Sequence[Sequence[Encoded]]
) -> float:
    """Mean over batches of the mean loss, in nats a token."""
    losses = [mean_loss(backbone, weights, _batch(backbone, weights, rows)) for rows in batches]
    return float(torch.stack(losses).mean())


def _batch(backbone: Backbone, weights: Weights, rows: Sequence[Encoded]) -> Batch:
    return collate(rows, backbone.codec, device=device_of(weights))

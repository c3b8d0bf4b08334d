"""How often a nano model finds the right reply likelier than the wrong one."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from runners.data.batching import Encoded, collate
from runners.microworld.skills import Item
from runners.model.backbone import Backbone

ROWS = 256
"""Rows of a batch."""
MASK, NEXT = "<extra_id_0>", "<extra_id_1>"


@torch.no_grad()
def skill(backbone: Backbone, items: Sequence[Item], *, masked: bool) -> float:
    """The share of items, 0 to 1, whose right reply is likelier than the wrong one.

    `masked` asks as span corruption does, else as a text that goes on.
    """
    right, wrong = (
        torch.cat([_losses(backbone, part, masked=masked) for part in _batches(pairs)])
        for pairs in ([(i.text, i.right) for i in items], [(i.text, i.wrong) for i in items])
    )
    return float((right < wrong).float().mean())


def _batches(pairs: Sequence[tuple[str, str]]) -> Iterator[Sequence[tuple[str, str]]]:
    return (pairs[start : start + ROWS] for start in range(0, len(pairs), ROWS))


def _losses(backbone: Backbone, pairs: Sequence[tuple[str, str]], *, masked: bool) -> Tensor:
    """The summed loss of each reply in nats [B]."""

    def encode(text: str) -> list[int]:
        return backbone.codec.words([text])[0]

    end = [backbone.codec.end_id]
    before, after = (encode(MASK), encode(NEXT)) if masked else ([], [])
    rows = [
        Encoded(
            input_ids=np.array(encode(text) + before + end),
            target_ids=np.array(before + encode(reply) + after + end),
        )
        for text, reply in pairs
    ]
    batch = collate(rows, backbone.codec)
    embedded = backbone.embed(backbone.weights, batch.input_ids)
    return backbone.losses(backbone.weights, embedded, batch.mask, batch.targets).sum(dim=1)

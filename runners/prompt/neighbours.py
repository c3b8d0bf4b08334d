"""What a prompt is near to: the pieces of the vocabulary closest to each of its vectors.

As Lester et al. 2021, 7: the five nearest by cosine, over the ordinary pieces of the
frozen vocabulary. Notation: P prompt tokens, V vocabulary, H model width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from runners.model.backbone import Backbone

TOP = 5
"""How many neighbours of a prompt token are kept (Lester et al. 2021, 7)."""


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """Of each of P prompt tokens the nearest pieces, nearest first: ids and cosines [P][TOP]."""

    ids: list[list[int]]
    cosines: list[list[float]]

    @property
    def similarity(self) -> float:
        """The cosine of the nearest piece, mean over the prompt."""
        return sum(row[0] for row in self.cosines) / len(self.cosines)


@torch.no_grad()
def nearest_pieces(prompt: Tensor, table: Tensor, pieces: Sequence[int]) -> Neighbours:
    """The `TOP` of `pieces` nearest to each row of `prompt` [P, H] in `table` [V, H], by cosine.

    Fewer where there are fewer pieces.
    """
    ids = torch.tensor(list(pieces), device=table.device)
    vectors = torch.nn.functional.normalize(table[ids].float(), dim=1)
    rows = torch.nn.functional.normalize(prompt.detach().float().to(table.device), dim=1)
    cosines, places = (rows @ vectors.T).topk(min(TOP, len(ids)), dim=1)
    return Neighbours(ids=ids[places].tolist(), cosines=cosines.tolist())


def neighbour_rows(found: Neighbours, backbone: Backbone) -> list[dict[str, Any]]:
    """A row for each prompt token: its `position`, the `pieces` near it and their `cosines`."""
    tokenizer = backbone.codec.tokenizer
    return [
        {
            "position": position,
            "pieces": tokenizer.convert_ids_to_tokens(ids),
            "cosines": [round(value, 6) for value in cosines],
        }
        for position, (ids, cosines) in enumerate(zip(found.ids, found.cosines, strict=True))
    ]


def near_prompt(prompt: Tensor, backbone: Backbone) -> Neighbours:
    """The neighbours of a prompt [P, H] among the ordinary pieces of its model."""
    return nearest_pieces(prompt, backbone.embedding_table(), backbone.codec.ordinary_pieces)


def summary(
    found: Neighbours, start: float, words: Sequence[str], backbone: Backbone
) -> dict[str, float]:
    """What a record says: similarity at the `start` and at the best point, verbalizers found."""
    near = len(words_found(found, words, backbone))
    return {
        "start": round(start, 6), "best": round(found.similarity, 6),
        "verbalizers": len(words), "verbalizers_found": near,
    }  # fmt: skip


def words_found(found: Neighbours, words: Sequence[str], backbone: Backbone) -> list[str]:
    """The verbalizers whose pieces are all among the neighbours of the prompt."""
    near = {piece for row in found.ids for piece in row}
    pieces = backbone.codec.words(list(words))
    return [word for word, ids in zip(words, pieces, strict=True) if set(ids) <= near]

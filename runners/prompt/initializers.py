"""Where a prompt starts (Lester et al. 2021, 3.2; `prompt_tuning/prompts.py` and its configs).

Notation: P prompt tokens, H model width, V vocabulary. `table` is the frozen
input embedding [V, H]; every initializer returns a new float32 tensor [P, H]
where the table is, drawn on the cores.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

POPULATION = 5000
"""Sampled-vocab draws from so many of the most likely pieces, which come first (3.2).

The released code takes the first 5,000 ids, among them padding, end-of-sequence
and the unknown piece (`from_sample_of_embeddings`), which stand for no text.
Here they are the first 5,000 ordinary pieces.
"""
UNIFORM_RANGE = 0.5
"""The paper draws from [-0.5, 0.5]; the released configs, through flax, from [0, 0.5)."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """What an initializer may use.

    `length` is P, `table` the embedding [V, H]; `pieces` are the ids of ordinary
    pieces in the vocabulary's order, without sentinels and other special tokens,
    `labels` the token ids of each class label, without end-of-sequence.
    """

    length: int
    table: Tensor
    pieces: Sequence[int]
    labels: Sequence[Sequence[int]]
    rng: np.random.Generator


def random_uniform(start: Start) -> Tensor:
    """Uniform in [-0.5, 0.5], as the paper says."""
    return _uniform(start, -UNIFORM_RANGE)


def random_uniform_released(start: Start) -> Tensor:
    """Uniform in [0, 0.5), as the released configs do."""
    return _uniform(start, 0.0)


def _uniform(start: Start, low: float) -> Tensor:
    size = (start.length, start.table.shape[1])
    drawn = start.rng.uniform(low, UNIFORM_RANGE, size).astype(np.float32)
    return torch.from_numpy(drawn).to(start.table.device)


def sampled_vocab(start: Start) -> Tensor:
    """Embeddings of P of the first 5,000 pieces, without replacement while there are enough."""
    population = np.asarray(start.pieces[:POPULATION])
    ids = start.rng.choice(population, size=start.length, replace=start.length > len(population))
    return _rows(start, ids).clone()


def class_label(start: Start) -> Tensor:
    """Position i is the mean embedding of label i's pieces; the rest is sampled vocab.

    The sampled prompt is made for the whole length and then overwritten, as the
    released code does. Labels beyond P are dropped; the record of a trial names
    them as `labels_dropped`.
    """
    if not start.labels:
        raise ValueError(
            "prompt_init class_label needs a task with labels or initial words; this one has none"
        )
    prompt = sampled_vocab(start)
    for position, ids in enumerate(start.labels[: start.length]):
        prompt[position] = _rows(start, np.asarray(ids)).mean(dim=0)
    return prompt


def _rows(start: Start, ids: NDArray[np.int64]) -> Tensor:
    """The embeddings of pieces, in float32 and where the table is."""
    return start.table[torch.from_numpy(ids).to(start.table.device)].float()


INITIALIZERS: dict[str, Callable[[Start], Tensor]] = {
    "random_uniform": random_uniform,
    "random_uniform_released": random_uniform_released,
    "sampled_vocab": sampled_vocab,
    "class_label": class_label,
}

"""Span corruption (Raffel et al. 2020, 3.1.4): masked spans in, their contents out.

Notation: a document of N token ids; sentinel i is `<extra_id_i>`, whose id
falls by one as i grows, as in T5's vocabulary.
"""

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]
NOISE_DENSITY = 0.15
"""Share of tokens masked by random spans (Raffel et al. 2020, 3.3.4)."""
MEAN_SPAN = 3.0
"""Mean length of a random span in tokens (Raffel et al. 2020, 3.3.4)."""
SENTINELS = 100
"""Sentinels of T5's vocabulary (Raffel et al. 2020, 3.1.4 and its code)."""
SHORTEST = 8
"""Tokens of the shortest window to pre-train on: one masked, and some to tell it from."""
LONGEST = int(SENTINELS * MEAN_SPAN / NOISE_DENSITY)
"""Tokens of the longest window to pre-train on: its spans use up the sentinels."""


def random_spans(
    length: int, *, noise_density: float, mean_span: float, rng: np.random.Generator
) -> Mask:
    """A mask [N] of noise spans, as T5's `random_spans_noise_mask`.

    Starts with a span that is kept and ends with one that is masked. At least
    one token is masked and one kept, so `length` must be 2 or more.
    """
    if length < 2:
        raise ValueError(f"span corruption needs 2 tokens or more, got {length}")
    noise = int(np.clip(round(length * noise_density), 1, length - 1))
    spans = int(np.clip(round(noise / mean_span), 1, min(noise, length - noise)))
    lengths = np.empty(2 * spans, dtype=np.int64)
    lengths[0::2] = _segment(length - noise, spans, rng)
    lengths[1::2] = _segment(noise, spans, rng)
    return np.repeat(np.arange(2 * spans) % 2 == 1, lengths)


def _segment(total: int, parts: int, rng: np.random.Generator) -> Ids:
    """`total` cut into `parts` positive lengths, all ways equally likely."""
    cuts = np.sort(rng.choice(total - 1, size=parts - 1, replace=False)) + 1
    return np.diff(np.concatenate(([0], cuts, [total]))).astype(np.int64)


def corrupt(ids: Ids, mask: Mask, *, first_sentinel: int) -> tuple[Ids, Ids]:
    """Inputs and targets of one document, without end-of-sequence ids.

    ids [N], mask [N]. Inputs: every masked span becomes one sentinel. Targets:
    each sentinel followed by what it hides.
    """
    starts = mask & ~np.concatenate(([False], mask[:-1]))
    order = np.cumsum(starts) - 1
    sentinels = first_sentinel - order
    inputs = np.where(starts, sentinels, ids)[~mask | starts]
    spans = np.flatnonzero(starts)
    positions = np.flatnonzero(mask)
    targets = np.insert(
        ids[positions], np.searchsorted(positions, spans), first_sentinel - np.arange(len(spans))
    )
    return inputs, targets

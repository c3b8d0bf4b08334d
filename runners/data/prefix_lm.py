"""Prefix language modelling (Raffel et al. 2020, 3.2.1): a beginning in, its continuation out.

This is the objective of LM adaptation (Lester et al. 2021, 2.2).
"""

import numpy as np

from runners.data.span_corruption import Ids


def split_prefix(ids: Ids, rng: np.random.Generator) -> tuple[Ids, Ids]:
    """A document [N] cut at a place drawn evenly from 1..N-1, so neither half is empty."""
    if len(ids) < 2:
        raise ValueError(f"a prefix split needs 2 tokens or more, got {len(ids)}")
    cut = int(rng.integers(1, len(ids)))
    return ids[:cut], ids[cut:]

"""Prefix language modelling (Raffel et al. 2020, 3.2.1): a beginning in, its continuation out.

This is the objective of LM adaptation (Lester et al. 2021, 2.2).
"""

import numpy as np

from runners.data.span_corruption import Ids


def split_prefix(ids: Ids, rng: np.random.Generator, *, longest: int) -> tuple[Ids, Ids]:
    """A document [N] cut at a random place, so that neither half is empty.

    The second half has 1 to `longest` tokens, every length alike.
    """
    if len(ids) < 2:
        raise ValueError(f"a prefix split needs 2 tokens or more, got {len(ids)}")
    cut = int(rng.integers(max(1, len(ids) - longest), len(ids)))
    return ids[:cut], ids[cut:]

"""Span corruption against worked examples and its own definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.data.span_corruption import corrupt, random_spans


def test_spans_become_sentinels_and_targets_spell_them_out() -> None:
    """Catches a sentinel that rises where T5's fall, or a span told without its sentinel.

    Raffel et al. 2020, figure 2.
    """
    ids = np.arange(10, 18)
    mask = np.array([0, 0, 1, 1, 0, 1, 0, 0], dtype=bool)
    inputs, targets = corrupt(ids, mask, first_sentinel=699)
    assert inputs.tolist() == [10, 11, 699, 14, 698, 16, 17]
    assert targets.tolist() == [699, 12, 13, 698, 15]


@given(st.integers(2, 200), st.integers(0, 1000), st.floats(0.05, 0.6))
def test_random_spans_mask_the_share_asked_for(length: int, seed: int, density: float) -> None:
    """Catches a document that is masked wholly or not at all, and spans that run together."""
    rng = np.random.default_rng(seed)
    mask = random_spans(length, noise_density=density, mean_span=3.0, rng=rng)
    wanted = min(max(round(length * density), 1), length - 1)
    assert len(mask) == length
    assert int(mask.sum()) == wanted
    assert not mask[0]
    assert mask[-1]


@given(st.integers(2, 60), st.integers(0, 1000))
def test_nothing_is_lost(length: int, seed: int) -> None:
    """Catches a token that is in neither inputs nor targets: the document is put together again."""
    rng = np.random.default_rng(seed)
    ids = rng.integers(3, 500, size=length)
    mask = random_spans(length, noise_density=0.3, mean_span=2.0, rng=rng)
    inputs, targets = corrupt(ids, mask, first_sentinel=699)
    spans: dict[int, list[int]] = {}
    for token in targets.tolist():
        if token > 600:
            spans[token] = []
        else:
            spans[max(spans, key=lambda s: -s)].append(token)
    rebuilt = [t for token in inputs.tolist() for t in (spans[token] if token > 600 else [token])]
    assert rebuilt == ids.tolist()


def test_a_document_of_one_token_is_refused() -> None:
    """Catches an empty input or an empty target."""
    with pytest.raises(ValueError, match="needs 2 tokens or more, got 1"):
        random_spans(1, noise_density=0.15, mean_span=3.0, rng=np.random.default_rng(0))

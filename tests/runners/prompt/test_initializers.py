"""Where a prompt starts."""

import numpy as np
import pytest
import torch

from runners.config import INITS
from runners.prompt.initializers import (
    INITIALIZERS,
    Start,
    class_label,
    random_uniform,
    random_uniform_released,
    sampled_vocab,
)

TABLE = torch.arange(6000.0)[:, None].repeat(1, 4) + 1000.0
"""Row i is all i + 1000, so that a row tells its id."""


PIECES = range(3, 5950)
"""All ids but those of the special tokens at both ends."""


def _start(length: int, labels: list[list[int]] | None = None, seed: int = 0) -> Start:
    rng = np.random.default_rng(seed)
    return Start(length=length, table=TABLE, pieces=PIECES, labels=labels or [], rng=rng)


def test_random_uniform_has_the_papers_range_and_the_released_one_is_another() -> None:
    """Catches the half-range of the released configs where the paper's is asked for."""
    paper, released = random_uniform(_start(500)), random_uniform_released(_start(500))
    assert -0.5 <= float(paper.min()) < -0.45
    assert 0.45 < float(paper.max()) <= 0.5
    assert 0.0 <= float(released.min()) < 0.05
    assert 0.45 < float(released.max()) < 0.5


def test_sampled_vocab_draws_distinct_rows_of_the_first_5000_pieces() -> None:
    """Catches a draw from the whole vocabulary, special tokens included, or with replacement."""
    prompt = sampled_vocab(_start(4900))
    ids = prompt[:, 0] - 1000
    assert len(ids.unique()) == 4900
    assert 3 <= float(ids.min()) < float(ids.max()) < 5003
    assert torch.equal(prompt[:, 0], prompt[:, 3])


def test_class_labels_fill_the_first_positions_with_means_and_the_rest_is_sampled() -> None:
    """Catches labels that are spread over positions piece by piece, or repeated."""
    labels = [[10, 20], [30]]
    prompt = class_label(_start(6, labels))
    assert prompt[:2, 0].tolist() == [1015.0, 1030.0]
    assert torch.equal(prompt[2:], sampled_vocab(_start(6))[2:])


def test_more_labels_than_positions_are_dropped() -> None:
    """Catches an index error at prompt length 1."""
    assert class_label(_start(1, [[10], [20], [30]]))[:, 0].tolist() == [1010.0]


def test_class_label_without_labels_is_refused() -> None:
    """Catches a class-label start that is silently a sampled one."""
    with pytest.raises(ValueError, match="prompt_init class_label needs a task with labels"):
        class_label(_start(3))


def test_every_legal_init_has_its_initializer() -> None:
    """Catches an init that a spec may ask for and nobody makes, or one that none can ask for."""
    assert set(INITIALIZERS) == set(INITS)


@pytest.mark.parametrize("name", INITIALIZERS)
def test_a_start_is_seeded_and_its_own(name: str) -> None:
    """Catches a prompt that shares memory with the frozen embedding, or an unseeded draw."""
    labels = [[1], [2]]
    first, again = INITIALIZERS[name](_start(8, labels)), INITIALIZERS[name](_start(8, labels))
    other = INITIALIZERS[name](_start(8, labels, seed=1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    before = TABLE.clone()
    first += 1.0
    assert torch.equal(TABLE, before)

"""The pieces nearest to a prompt."""

import pytest
import torch

from runners.prompt.neighbours import nearest_pieces


def test_neighbours_are_nearest_by_cosine_among_ordinary_pieces() -> None:
    """Nearest by distance, where length decides, or a sentinel among the neighbours."""
    table = torch.tensor([[1.0, 0.0], [10.0, 0.1], [0.0, 1.0], [1.0, 1.0]])
    found = nearest_pieces(torch.tensor([[2.0, 0.0]]), table, [1, 2, 3])
    assert found.ids == [[1, 3, 2]]
    assert found.cosines[0] == pytest.approx([0.99995, 0.70711, 0.0], abs=1e-4)
    assert found.similarity == pytest.approx(0.99995, abs=1e-4)


def test_five_neighbours_are_kept() -> None:
    """The whole vocabulary in every record."""
    found = nearest_pieces(torch.randn(3, 4), torch.randn(20, 4), range(20))
    assert [len(row) for row in found.ids] == [5, 5, 5]

"""What backbones share."""

import pytest
import torch

from runners.model.backbone import at_least_float32, fewer


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_scores_are_in_float32_at_least(given: torch.dtype, kept: torch.dtype) -> None:
    """Catches a loss of bfloat16 scores, or float64 that is rounded in the middle of a model."""
    x = torch.tensor([1.0, 3.0], dtype=given)
    assert at_least_float32(x).dtype is kept
    assert torch.equal(at_least_float32(x), x.to(kept))


@pytest.mark.parametrize(
    ("going", "places"),
    [
        ([1, 1, 1, 1], None),
        ([1, 0, 1, 1], None),
        ([1, 0, 0, 1], [0, 3]),
        ([0, 1, 0, 0], [1]),
        ([0, 0, 0, 0], None),
        ([1, 0, 1], None),
        ([1], None),
    ],
)
def test_rows_are_left_out_once_half_of_them_have_ended(
    going: list[int], places: list[int] | None
) -> None:
    """Catches copies for one row less, and a batch of no rows."""
    found = fewer(torch.tensor(going, dtype=torch.bool))
    assert (None if found is None else found.tolist()) == places

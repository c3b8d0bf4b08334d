"""How many positions an evaluation batch has."""

import pytest

from runners.training.batch_sizes import FEWEST_ANSWERED, TOKENS_A_BATCH, answered_at_once


@pytest.mark.parametrize(
    ("parameters", "positions"),
    [(60_000, TOKENS_A_BATCH), (2_000_000, 5_000), (77_000_000, FEWEST_ANSWERED)],
)
def test_on_cores_a_batch_is_as_large_as_is_worth_its_start(
    parameters: int, positions: int
) -> None:
    """Catches batches that leave the caches of a core, and small models that only start."""
    found = answered_at_once(parameters, on_gpu=False, reads_prompts_once=False)
    assert found == positions


@pytest.mark.parametrize(
    "where",
    [{"on_gpu": True, "reads_prompts_once": False}, {"on_gpu": False, "reads_prompts_once": True}],
)
def test_gpus_and_shared_prompts_have_the_largest_batch(where: dict[str, bool]) -> None:
    """Catches a GPU that is left half empty, and a prompt that is read again for a few rows."""
    assert answered_at_once(135_000_000, **where) == TOKENS_A_BATCH

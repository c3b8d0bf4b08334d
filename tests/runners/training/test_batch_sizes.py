"""How many positions an evaluation batch has."""

import pytest

from runners.training.batch_sizes import (
    FEWEST_ANSWERED,
    TOKENS_A_BATCH,
    answered_at_once,
    trained_at_once,
)


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


@pytest.mark.parametrize(
    ("parameters", "on_gpu", "trials"),
    [(69_728, False, 4), (1_755_136, False, 4), (76_961_152, False, 1), (76_961_152, True, 8)],
)
def test_trials_share_a_batch_where_they_gain_by_it(
    parameters: int, on_gpu: bool, trials: int
) -> None:
    """Catches packs of large models on cores, and small models that start every layer alone."""
    assert trained_at_once(parameters, on_gpu=on_gpu) == trials

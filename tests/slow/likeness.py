"""Whether a trial of a sweep that was disturbed is the trial of one that was not."""

import pytest
import torch
from safetensors.torch import load

from runners.record import TrialRecord
from runners.store import Store


def same_bytes(record: TrialRecord, wanted: TrialRecord, _: Store, __: Store) -> None:
    """Every number and every file is that of the uninterrupted sweep."""
    assert record.metrics == wanted.metrics, record.label
    assert record.files == wanted.files, record.label


def same_within_tolerance(
    record: TrialRecord, wanted: TrialRecord, store: Store, reference: Store
) -> None:
    """Prompts within a hundredth and scores within two examples: neighbours change rounding."""
    assert record.metrics.get("score") == pytest.approx(wanted.metrics.get("score"), abs=12.5)
    loss, expected = record.metrics["train_loss"], wanted.metrics["train_loss"]
    assert loss == pytest.approx(expected, rel=1e-2), record.label
    if "prompt.safetensors" in wanted.files:
        prompts = [
            load(where.read(wanted.trial_id, "prompt.safetensors"))["prompt"]
            for where in (store, reference)
        ]
        torch.testing.assert_close(*prompts, rtol=1e-2, atol=1e-2)

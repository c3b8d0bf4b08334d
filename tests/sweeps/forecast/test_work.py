"""Trials as work: how much of it a prompt is."""

from typing import Any

import pytest

from runners.catalogue import Catalogue
from runners.config import from_mapping
from sweeps.forecast.work import Workload


def _operations(family: str, size: str, length: int, *, sharing: int = 1, **changes: Any) -> float:
    """Of one trial with a prompt of so many positions, on a GPU."""
    config = from_mapping({
        "method": "prompt_tuning", "model_family": family, "model_size": size, "seed": 0,
        "pretraining_objective": "causal_lm" if family == "pythia" else "span_corruption",
        "lm_adaptation_steps": 0, "prompt_length": length, "prompt_init": "class_label",
        "data_source": "glue", "task": "sst2", "train_steps": 100, "eval_every": 100,
        "batch_size": 16, "learning_rate": 0.3, **changes,
    })  # fmt: skip
    catalogue = Catalogue()
    workload = Workload(family=catalogue.families[family], on_gpu=True)
    return workload.of_trial(config, sharing=sharing).operations


@pytest.mark.parametrize("sharing", [1, 4])
def test_a_decoder_only_model_reads_a_prompt_once_for_all_of_its_rows(sharing: int) -> None:
    """Catches days forecast for long prompts, which such a model computes once a batch."""
    longer = [_operations("pythia", "160m", each, sharing=sharing) for each in (1, 100)]
    assert 1.01 < longer[1] / longer[0] < 1.5
    encoded = [_operations("t5", "small", each, sharing=sharing) for each in (1, 100)]
    assert encoded[1] / encoded[0] > 2.9


def test_a_prompt_of_few_rows_is_read_with_each_of_them() -> None:
    """Catches a forecast of less than is computed where batches are of one row a prompt."""
    single = {"batch_size": 1, "dev_examples": 1}
    longer = [_operations("pythia", "160m", each, **single) for each in (1, 100)]
    assert longer[1] / longer[0] > 3

"""What is known of the rows of a task before any of them is read."""

from typing import Any

import pytest

from runners.catalogue import MICROWORLD
from runners.config import TrialConfig, from_mapping
from runners.tasks import embedded
from runners.tasks.benchmarks import BENCHMARK_OF, DEV_ONLY
from sweeps.forecast.lengths import lengths_of

TASKS = [(source, task) for task, source in BENCHMARK_OF.items() if task not in DEV_ONLY]
TASKS += [(MICROWORLD, task) for task in embedded.TASKS]


def _trial(source: str, task: str, **changes: Any) -> TrialConfig:
    fields = {
        "method": "prompt_tuning", "model_family": "t5", "model_size": "small", "seed": 0,
        "pretraining_objective": "span_corruption", "lm_adaptation_steps": 0,
        "prompt_length": 20, "prompt_init": "class_label", "data_source": source, "task": task,
        "train_steps": 10, "eval_every": 10, "batch_size": 4, "learning_rate": 0.3,
    }  # fmt: skip
    return from_mapping({**fields, **changes})


@pytest.mark.parametrize(("source", "task"), TASKS)
def test_every_task_to_train_on_has_been_counted(source: str, task: str) -> None:
    """Catches rows of SST-2 that a plan takes for BoolQ's, and forecasts nine hours for one.

    Also a mean that is longer than the longest, by a number at the wrong place.
    """
    found = lengths_of(_trial(source, task, input_length=10**6))
    unknown = lengths_of(_trial("superglue", "nobody's", input_length=10**6))
    assert found.longest < unknown.longest
    assert found.mean < found.padded(8) < found.of_32 <= found.of_128 <= found.longest


def test_no_length_is_beyond_the_limits_of_a_trial() -> None:
    """Catches a forecast for rows that are cut."""
    found = lengths_of(_trial("squad", "squad", input_length=300))
    assert found.of_32 == found.longest == 300
    assert found.mean == 220


def test_no_more_dev_rows_are_answered_than_there_are() -> None:
    """Catches CB's 56 rows forecast as 300, and fewer than are asked for of what has them."""
    assert lengths_of(_trial("superglue", "cb", dev_examples=300)).dev == 56
    assert lengths_of(_trial("superglue", "cb", dev_examples=30)).dev == 30
    assert lengths_of(_trial("superglue", "cb")).dev == 56
    assert lengths_of(_trial("superglue", "nobody's", dev_examples=5000)).dev == 5000
    assert lengths_of(_trial(MICROWORLD, "cb", dev_examples=5000)).dev == 5000

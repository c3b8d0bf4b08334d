"""A small study as plain values, which tests change and read."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from ablation import study
from ablation.study import Study
from runners.catalogue import Catalogue

PLAIN: dict[str, Any] = {
    "design": "star",
    "model_family": "nano",
    "axes": {
        "model_size": ["60k", "200k"],
        "prompt_length": [1, 5, 20],
        "prompt_init": ["random_uniform", "class_label"],
        "pretraining_objective": ["span_corruption", "span_corruption_sentinel", "lm_adaptation"],
        "lm_adaptation_steps": [0, 100, 1000],
        "task": ["boolq", "record"],
        "seed": [0, 1],
    },
    "defaults": {
        "prompt_length": 20,
        "prompt_init": "class_label",
        "pretraining_objective": "lm_adaptation",
        "lm_adaptation_steps": 1000,
    },
    "settings": {
        "shared": {"dev_examples": 100, "batch_size": 16},
        "prompt_tuning": {"train_steps": 200, "eval_every": 50, "learning_rate": 0.3},
        "model_tuning": {"train_steps": 400, "eval_every": 100, "learning_rate": 0.001},
        "lm_adaptation": {"batch_size": 32, "learning_rate": 0.001, "seed": 0},
    },
    "baselines": ["model_tuning"],
}


@pytest.fixture
def plain() -> dict[str, Any]:
    """Plain values of a legal study, the test's own to change."""
    return copy.deepcopy(PLAIN)


@pytest.fixture(scope="session")
def read() -> Callable[[object], Study]:
    """Reads a study from plain values against a few known names."""
    return lambda values: study.from_mapping(values, Catalogue())

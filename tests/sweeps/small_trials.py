"""The fields of trials that a worker does in a second."""

from typing import Any

BASE: dict[str, Any] = {
    "method": "prompt_tuning", "model_family": "nano", "model_size": "60k",
    "pretraining_objective": "span_corruption", "lm_adaptation_steps": 0, "prompt_length": 2,
    "prompt_init": "class_label", "task": "cb", "train_steps": 4, "eval_every": 2,
    "batch_size": 4, "learning_rate": 0.3, "train_examples": 16, "dev_examples": 4,
}  # fmt: skip
ADAPTED = {
    "pretraining_objective": "lm_adaptation", "lm_adaptation_steps": 2, "lm_adaptation_seed": 0,
    "lm_adaptation_batch_size": 2, "lm_adaptation_learning_rate": 1e-3,
}  # fmt: skip

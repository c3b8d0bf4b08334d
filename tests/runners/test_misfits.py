"""Fields of a trial that are legal alone and not together."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from runners.config import TRAINING, TrialConfig
from runners.rules import ConfigError

CONFIGS = json.loads((Path(__file__).parents[1] / "golden" / "configs.json").read_text())
ADAPTED: dict[str, Any] = CONFIGS["adapted"]
NOT_ADAPTED: dict[str, Any] = CONFIGS["not_adapted"]
TEXT: dict[str, Any] = CONFIGS["text"]
NO_PROMPT: dict[str, Any] = CONFIGS["no_prompt"]

COUNT, WHOLE = "a whole number of 1 or more", "a whole number of 0 or more"
POSITIVE, BOOL = "a number above 0", "true or false"
ORDER = "is not a list of tasks in order, each once and none the trial's own"
MISFITS: list[tuple[dict[str, Any], list[tuple[object, ...]]]] = [
    ({"prompt_length": None}, [
        ("prompt_length", None, "is missing for method prompt_tuning", f"give {COUNT}"),
    ]),
    ({"prompt_init": None}, [
        ("prompt_init", None, "is missing for method prompt_tuning", "give a word"),
    ]),
    ({"method": "model_tuning"}, [
        ("prompt_length", 20, "does not apply to method model_tuning", "leave it out"),
        ("prompt_init", "class_label", "does not apply to method model_tuning", "leave it out"),
    ]),
    (NOT_ADAPTED | {"lm_adaptation_steps": 100}, [
        ("lm_adaptation_steps", 100,
         "does not fit pretraining_objective span_corruption",
         "give 0 steps, or pretraining_objective lm_adaptation"),
    ]),
    ({"lm_adaptation_steps": 0}, [
        ("lm_adaptation_steps", 0,
         "does not fit pretraining_objective lm_adaptation",
         "give 1 or more steps"),
    ]),
    ({"lm_adaptation_seed": None}, [
        ("lm_adaptation_seed", None,
         "is missing for pretraining_objective lm_adaptation beside lm_adaptation_batch_size",
         f"give {WHOLE}"),
    ]),
    (NOT_ADAPTED | {"lm_adaptation_batch_size": 8}, [
        ("lm_adaptation_batch_size", 8,
         "does not apply to pretraining_objective span_corruption",
         "leave it out"),
    ]),
    ({"decay_every": 10}, [
        ("decay_factor", None, "is missing for decay_every 10", "give a number above 0 below 1"),
    ]),
    ({"decay_factor": 0.5}, [
        ("decay_every", None, "is missing for decay_factor 0.5", f"give {COUNT}"),
    ]),
    ({"shots": 0}, [
        ("shots", 0, "does not apply to method prompt_tuning", "leave it out"),
    ]),
    ({"mixture": "boolq,cb"}, [
        ("mixture", "boolq,cb", "does not apply to method prompt_tuning", "leave it out"),
    ]),
    ({"train_steps": None}, [
        ("train_steps", None,
         "is missing for method prompt_tuning",
         "give a whole number of 1 or more"),
    ]),
    ({"dropout": None}, [
        ("dropout", None,
         "is missing for method prompt_tuning",
         "give a number of 0 or more below 1"),
    ]),
    ({**NO_PROMPT, "method": "multitask_model_tuning", "mixture": "cb,boolq"}, [
        ("mixture", "cb,boolq",
         "is not a list of tasks in order, the trial's own among them",
         "give boolq,cb"),
    ]),
    ({**NO_PROMPT, "method": "multitask_model_tuning", "mixture": "cb,rte"}, [
        ("mixture", "cb,rte",
         "is not a list of tasks in order, the trial's own among them",
         "give boolq,cb,rte"),
    ]),
    ({**NO_PROMPT, **dict.fromkeys(TRAINING), "method": "prompt_design", "shots": 0, "seed": 3}, [
        ("seed", 3, "does not apply without shots, which it would draw", "give 0"),
    ]),
    ({**NO_PROMPT, **dict.fromkeys(TRAINING), "method": "prompt_design", "batch_size": 4}, [
        ("shots", None, "is missing for method prompt_design", "give a whole number of 0 or more"),
        ("batch_size", 4, "does not apply to method prompt_design", "leave it out"),
    ]),
    ({"task_content": "abc"}, [
        ("task_content", "abc", "does not apply to data_source microworld", "leave it out"),
    ]),
    ({"data_source": "own"}, [
        ("task_content", None, "is missing for data_source own", "give a word"),
    ]),
    (NOT_ADAPTED | TEXT, [
        ("lm_adaptation_text", "0123456789abcdef",
         "does not apply to pretraining_objective span_corruption",
         "leave it out"),
    ]),
    (TEXT | {"lm_adaptation_learning_rate": None}, [
        ("lm_adaptation_learning_rate", None,
         "is missing for pretraining_objective lm_adaptation beside lm_adaptation_batch_size",
         f"give {POSITIVE}"),
    ]),
    ({"transfer_tasks": "rte,cb"}, [("transfer_tasks", "rte,cb", ORDER, "give cb,rte")]),
    ({"transfer_tasks": "cb,cb"}, [("transfer_tasks", "cb,cb", ORDER, "give cb")]),
    ({"transfer_tasks": "boolq,cb"}, [("transfer_tasks", "boolq,cb", ORDER, "give cb")]),
    ({"transfer_tasks": "boolq"}, [("transfer_tasks", "boolq", ORDER, "leave it out")]),
    ({"transfer_tasks": "a/b"}, [
        ("transfer_tasks", "a/b",
         "has 'a/b', which is no name of letters, digits, '_', '-' and '.'",
         "give the task such a name"),
    ]),
    ({"transfer_content": "abc"}, [
        ("transfer_content", "abc", "does not apply to a trial without transfer_tasks",
         "leave it out"),
    ]),
    ({**NO_PROMPT, **dict.fromkeys(TRAINING), "method": "prompt_design", "shots": 0,
      "transfer_tasks": "cb"}, [
        ("transfer_tasks", "cb", "does not apply to method prompt_design", "leave it out"),
    ]),
    ({"eval_every": 101}, [
        ("eval_every", 101,
         "is more than train_steps 100, so only the last step would count",
         "give 100 or less"),
    ]),
]  # fmt: skip
"""Fields that are legal alone and not together, and the key, value, rule and remedy told."""


@pytest.mark.parametrize(("changes", "problems"), MISFITS)
def test_one_meaning_has_one_config(
    changes: dict[str, Any], problems: list[tuple[object, ...]]
) -> None:
    """Catches a second spelling of a trial, or a value that is ignored in silence."""
    with pytest.raises(ConfigError) as caught:
        TrialConfig(**ADAPTED | changes)
    assert [dataclasses.astuple(problem) for problem in caught.value.problems] == problems

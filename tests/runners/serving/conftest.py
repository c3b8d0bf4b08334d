"""Questions to a random model, and what it is that asks them."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch

from runners.catalogue import Catalogue
from runners.config import from_mapping
from runners.model.backbone import Weights
from runners.model.t5_backbone import T5Backbone
from runners.serving.engine import Asked
from runners.serving.frozen import Frozen
from runners.serving.models import Directory, ServedPrompt, served_model, served_prompt
from runners.serving.protocol import Query

END = 1
MakeAsked = Callable[..., Asked]


@pytest.fixture(scope="session")
def loud(backbone: T5Backbone) -> T5Backbone:
    """The random model with a loud end-of-sequence, so that some answers end early."""
    output = backbone.weights["lm_head.weight"].clone()
    output[END] *= 3
    weights: Weights = {**backbone.weights, "lm_head.weight": output}
    return T5Backbone(**{**vars(backbone), "weights": weights})


@pytest.fixture(scope="session")
def prompts(backbone: T5Backbone) -> Mapping[int, torch.Tensor]:
    """A prompt of each of several lengths, by its length."""
    generator = torch.Generator().manual_seed(2)
    return {
        length: torch.randn(length, backbone.width, generator=generator)
        for length in (1, 2, 5, 11, 20)
    }


@pytest.fixture(scope="session")
def make_asked(prompts: Mapping[int, torch.Tensor]) -> MakeAsked:
    """A question of `tokens` to the prompt of a length, drawn from a seed."""

    def make(
        length: int = 5, tokens: int = 7, *, seed: int = 0, limit: int = 6, choices: int = 0
    ) -> Asked:
        rng = np.random.default_rng([seed, tokens])
        ids = tuple(int(i) for i in rng.integers(3, 600, size=tokens))
        words = tuple(
            (*(int(i) for i in rng.integers(3, 600, size=size)), END)
            for size in rng.integers(1, 4, size=choices)
        )
        query = Query(prompt=f"p{length}", input_ids=ids, limit=limit, choices=words)
        return Asked(query=query, prompt=prompts[length])

    return make


LENGTHS = {"boolq": 5, "rte": 11, "wic": 1, "record": 20}


@pytest.fixture(scope="session")
def directory(prompts: Mapping[int, torch.Tensor]) -> Directory:
    """Four tasks with prompts of different lengths, and three voters on BoolQ."""
    made = {}
    for (task, length), seed in zip(LENGTHS.items(), range(4), strict=True):
        made[task] = _served(task, prompts[length], seed)
    voters = [_served("boolq", prompts[length], length) for length in (2, 5, 11)]
    models = [served_model(task, [prompt]) for task, prompt in made.items()]
    return Directory(FROZEN, [*models, served_model("boolq-vote", voters)])


FROZEN = Frozen(family="nano", size="60k", dtype="float32")


def _served(task: str, prompt: torch.Tensor, seed: int) -> ServedPrompt:
    config = from_mapping(
        {
            "method": "prompt_tuning", "model_family": "nano", "model_size": "60k",
            "pretraining_objective": "span_corruption", "lm_adaptation_steps": 0,
            "prompt_length": len(prompt), "prompt_init": "class_label", "task": task,
            "seed": seed, "train_steps": 6, "eval_every": 3, "batch_size": 4,
            "learning_rate": 0.3, "target_length": 6, "input_length": 64,
        }
    )  # fmt: skip
    return served_prompt(prompt.numpy(), config, FROZEN, Catalogue(), key=config.trial_id)

"""Questions to a random model, and what it is that asks them."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch

from runners.model.backbone import Weights
from runners.model.t5_backbone import T5Backbone
from runners.serving.engine import Asked, Query

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

"""What sets one method apart: which parameters train, and what the forward pass reads.

A further method is one more class here; the trainer, the store and the
figures do not change.
"""

from typing import Protocol

import numpy as np
from torch import Tensor

from runners.config import TrialConfig
from runners.data.source import TaskData
from runners.model.backbone import Backbone, Weights
from runners.model.sharded_t5 import trainable
from runners.prompt.initializers import INITIALIZERS, Start


class Method(Protocol):
    """How a trial uses the model that it starts from."""

    shares_model: bool
    """Whether trials of this method can lie in one batch, because none changes the model."""
    kept: frozenset[str]
    """The parameters that a finished trial leaves behind."""

    def parameters(
        self, config: TrialConfig, backbone: Backbone, data: TaskData
    ) -> dict[str, Tensor]:
        """What trains, as new float32 tensors by name."""

    def weights(self, backbone: Backbone, parameters: dict[str, Tensor]) -> Weights:
        """The weights that the forward pass reads."""

    def prompt(self, parameters: dict[str, Tensor]) -> Tensor | None:
        """The prompt [P, H] before this trial's inputs, or None."""


class PromptTuning:
    """Only a prompt trains (Lester et al. 2021)."""

    shares_model = True
    kept = frozenset({"prompt"})

    def parameters(
        self, config: TrialConfig, backbone: Backbone, data: TaskData
    ) -> dict[str, Tensor]:
        """`prompt` [P, H] from the config's initializer."""
        assert config.prompt_length is not None and config.prompt_init is not None
        start = Start(
            length=config.prompt_length,
            table=backbone.embedding_table(),
            pieces=backbone.codec.ordinary_pieces,
            labels=data.labels,
            rng=np.random.default_rng([config.seed, config.prompt_length]),
        )
        return {"prompt": INITIALIZERS[config.prompt_init](start)}

    def weights(self, backbone: Backbone, parameters: dict[str, Tensor]) -> Weights:
        """The frozen weights."""
        return backbone.weights

    def prompt(self, parameters: dict[str, Tensor]) -> Tensor | None:
        """The prompt."""
        return parameters["prompt"]


class ModelTuning:
    """Every weight of the model trains, and there is no prompt."""

    shares_model = False
    kept: frozenset[str] = frozenset()

    def parameters(
        self, config: TrialConfig, backbone: Backbone, data: TaskData
    ) -> dict[str, Tensor]:
        """A float32 copy of every weight."""
        return trainable(backbone)

    def weights(self, backbone: Backbone, parameters: dict[str, Tensor]) -> Weights:
        """The weights in training."""
        return parameters

    def prompt(self, parameters: dict[str, Tensor]) -> Tensor | None:
        """None."""
        return None


class PromptDesign:
    """Nothing trains: a hand-written prompt, as text, is part of the inputs."""

    shares_model = True
    kept: frozenset[str] = frozenset()

    def parameters(
        self, config: TrialConfig, backbone: Backbone, data: TaskData
    ) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def weights(self, backbone: Backbone, parameters: dict[str, Tensor]) -> Weights:
        """The frozen weights."""
        return backbone.weights

    def prompt(self, parameters: dict[str, Tensor]) -> Tensor | None:
        """None."""
        return None


METHODS: dict[str, Method] = {
    "prompt_tuning": PromptTuning(),
    "model_tuning": ModelTuning(),
    # What it trains on and is judged by is more than one task; how it trains is the same.
    "multitask_model_tuning": ModelTuning(),
    "prompt_design": PromptDesign(),
}

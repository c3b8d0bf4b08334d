"""What sets the methods apart."""

from collections.abc import Callable

import pytest
import torch

from runners import config as legal
from runners.catalogue import Catalogue
from runners.config import TrialConfig
from runners.data.source import load_task_data
from runners.model.t5_backbone import T5Backbone
from runners.training.method import METHODS

Make = Callable[..., TrialConfig]


def test_every_legal_method_can_be_run() -> None:
    """Catches a method that a spec may ask for and no trainer knows, or the reverse."""
    assert set(METHODS) == set(legal.METHODS)


@pytest.mark.parametrize("init", legal.INITS)
def test_a_prompt_starts_as_its_config_says(backbone: T5Backbone, config: Make, init: str) -> None:
    """Catches an init that no initializer fills, or a start that the seed does not decide."""
    trial, other = config(prompt_init=init), config(prompt_init=init, seed=1)
    data = load_task_data(trial, backbone.codec, Catalogue())
    method = METHODS["prompt_tuning"]
    first, again, elsewhere = (
        method.parameters(each, backbone, data)["prompt"] for each in (trial, trial, other)
    )
    assert first.shape == (5, backbone.width)
    assert first.dtype == torch.float32
    assert torch.equal(first, again)
    assert not torch.equal(first, elsewhere)


def test_prompt_tuning_reads_the_frozen_weights(backbone: T5Backbone, config: Make) -> None:
    """Catches a copy of the model for every prompt."""
    method = METHODS["prompt_tuning"]
    parameters = method.parameters(
        config(), backbone, load_task_data(config(), backbone.codec, Catalogue())
    )
    assert list(parameters) == ["prompt"]
    assert method.weights(backbone, parameters) is backbone.weights
    assert method.prompt(parameters) is parameters["prompt"]


def test_model_tuning_reads_what_it_trains(backbone: T5Backbone, config: Make) -> None:
    """Catches a baseline that trains a copy which nothing reads."""
    trial = config(method="model_tuning", prompt_length=None, prompt_init=None)
    method = METHODS["model_tuning"]
    parameters = method.parameters(
        trial, backbone, load_task_data(trial, backbone.codec, Catalogue())
    )
    assert method.weights(backbone, parameters) is parameters
    assert method.prompt(parameters) is None
    for name, parameter in parameters.items():
        assert torch.equal(parameter, backbone.weights[name])
        assert parameter.data_ptr() != backbone.weights[name].data_ptr()

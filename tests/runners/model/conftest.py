"""A random decoder-only model of each family."""

import pytest
from transformers import PreTrainedModel

from runners.model.causal_backbone import CausalBackbone
from tests.runners.conftest import Wrap
from tests.runners.model.decoders import CONFIGS, random_decoder


@pytest.fixture(params=CONFIGS)
def module(request: pytest.FixtureRequest) -> PreTrainedModel:
    """A random model of each family."""
    return random_decoder(request.param)


@pytest.fixture
def causal(module: PreTrainedModel, as_causal: Wrap) -> CausalBackbone:
    """The same model behind the interface."""
    return as_causal(module)

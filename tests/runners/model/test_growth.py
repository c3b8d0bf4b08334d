"""Growing a model: the larger one computes what the smaller does, and can learn with all it has."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor
from transformers import T5ForConditionalGeneration

from runners.model.growth import grow
from runners.training.pretrainer import new_model
from runners.training.world_pretraining import nano_shape


def _model(size: str, seed: int) -> T5ForConditionalGeneration:
    return new_model(nano_shape(size), seed=seed).eval()


def _weights(model: T5ForConditionalGeneration) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def _put(model: T5ForConditionalGeneration, weights: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(weights[name])


def _grown(small: str, large: str) -> tuple[T5ForConditionalGeneration, T5ForConditionalGeneration]:
    one, two = _model(small, 0), _model(large, 1)
    heads = (nano_shape(small).heads, nano_shape(large).heads)
    _put(two, grow(_weights(one), _weights(two), heads=heads))
    return one, two


def _logits(model: T5ForConditionalGeneration) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    ids = torch.randint(3, 600, (4, 23), generator=generator)
    mask = torch.ones_like(ids)
    mask[1, 9:] = 0
    targets = torch.randint(3, 600, (4, 7), generator=generator)
    found: Tensor = model(input_ids=ids, attention_mask=mask, decoder_input_ids=targets).logits
    return found


@pytest.mark.parametrize(
    ("small", "large"), [("60k", "200k"), ("200k", "600k"), ("600k", "2m"), ("60k", "2m")]
)
def test_the_larger_model_computes_what_the_smaller_does(small: str, large: str) -> None:
    """Catches heads that are laid out otherwise, norms without their root, a layer that speaks."""
    one, two = _grown(small, large)
    for model in (one, two):
        for module in model.modules():
            if hasattr(module, "variance_epsilon"):
                module.variance_epsilon = 0.0  # type: ignore[assignment]
    torch.testing.assert_close(_logits(two), _logits(one), rtol=1e-4, atol=1e-5)


def test_everything_that_was_added_learns() -> None:
    """Catches zeros on both sides of a product, which no gradient ever leaves."""
    _, model = _grown("200k", "600k")
    before = _weights(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        _logits(model).pow(2).mean().backward()
        optimizer.step()
    stuck = {
        name: float((weight - before[name] == 0).float().mean())
        for name, weight in _weights(model).items()
        if "shared" not in name and "relative" not in name
    }
    assert max(stuck.values()) < 0.01


def test_a_model_does_not_shrink() -> None:
    """Catches weights that are cut off without a word."""
    small, large = _weights(_model("60k", 0)), _weights(_model("200k", 0))
    with pytest.raises(ValueError, match=r"block\.1.*: the larger model has no such weight"):
        grow(large, small, heads=(3, 2))
    wide = {"shared.weight": torch.ones(700, 33)}
    with pytest.raises(ValueError, match=r"shared\.weight: \(700, 33\) does not fit into"):
        grow(wide, small, heads=(2, 2))

"""Activation checkpointing: less is kept, and gradients are the same to the bit."""

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, GPTNeoXConfig, LlamaConfig, PreTrainedModel

from runners.model.backbone import IGNORED, Backbone, Weights
from runners.model.causal_backbone import CausalBackbone
from runners.model.dropout import NONE, Dropout, row_keys
from runners.model.recomputation import recomputing
from runners.model.sizes import reads_source
from runners.model.t5_backbone import T5Backbone
from tests.runners.conftest import Wrap
from tests.runners.model.kept import noted

FEW, MANY = 2, 4
"""Target positions of which a T5 reads the encoder's output itself, and keys and values of it."""
SMALL: dict[str, Any] = {
    "vocab_size": 700, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3,
    "num_attention_heads": 4, "max_position_embeddings": 128, "pad_token_id": 0,
}  # fmt: skip
CONFIGS: dict[str, Callable[[], Any]] = {
    "llama": lambda: LlamaConfig(**SMALL, tie_word_embeddings=True),
    "gpt_neox": lambda: GPTNeoXConfig(**SMALL, tie_word_embeddings=False),
}


@pytest.fixture(params=CONFIGS)
def causal(request: pytest.FixtureRequest, as_causal: Wrap) -> CausalBackbone:
    """A random decoder-only model."""
    torch.manual_seed(0)
    module: PreTrainedModel = AutoModelForCausalLM.from_config(
        CONFIGS[request.param](), attn_implementation="eager"
    ).eval()
    module.requires_grad_(False)
    return as_causal(module)


def _batch(positions: int = MANY) -> tuple[Tensor, Tensor, Tensor]:
    """Ids [3, 9] with their mask, and targets [3, positions]."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(3, 600, (3, 9), generator=generator)
    mask = torch.ones_like(ids)
    mask[1, :4] = 0
    targets = torch.randint(3, 600, (3, positions), generator=generator)
    targets[2, positions // 2 :] = IGNORED
    return ids, mask, targets


def _trained(
    backbone: Backbone, dropout: Dropout = NONE, positions: int = MANY
) -> tuple[list[Tensor], int]:
    """Loss and gradients of every weight and of the inputs; elements kept for the backward pass."""
    weights: Weights = {
        name: weight.float().clone().requires_grad_() for name, weight in backbone.weights.items()
    }
    ids, mask, targets = _batch(positions)
    before = torch.randn(3, 9, backbone.width, generator=torch.Generator().manual_seed(2))
    before.requires_grad_()
    with noted() as kept:
        embedded = backbone.embed(weights, ids) + before
        loss = backbone.losses(weights, embedded, mask, targets, dropout).sum()
    found = torch.autograd.grad(loss, [*weights.values(), before])
    return [loss.detach(), *found], sum(kept.values())


def _same(plain: Backbone, again: Backbone, dropout: Dropout = NONE, positions: int = MANY) -> None:
    expected, held = _trained(plain, dropout, positions)
    found, less = _trained(again, dropout, positions)
    for wanted, got in zip(expected, found, strict=True):
        assert torch.equal(wanted, got)
    assert less < 0.6 * held


@pytest.mark.parametrize("positions", [FEW, MANY])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_t5_has_the_same_gradients_and_keeps_less(
    backbone: T5Backbone, dtype: torch.dtype, positions: int
) -> None:
    """Catches a layer that runs again with other dropout, or keeps all that it had anyway."""
    assert reads_source(positions, backbone.shape.head_width) is (positions == FEW)
    placed = dataclasses.replace(backbone, dtype=dtype)
    dropout = Dropout(rate=0.2, keys=row_keys(7, 3, 3))
    _same(placed, recomputing(placed), dropout, positions)


def test_decoder_only_models_have_the_same_gradients_and_keep_less(causal: CausalBackbone) -> None:
    """Catches a second pass that reads the frozen parameters in place of those that train."""
    _same(causal, recomputing(causal))
    assert not any("forward" in vars(each) for each in causal.module.modules())


def test_a_frozen_decoder_only_model_has_the_same_gradient_of_its_inputs(
    causal: CausalBackbone,
) -> None:
    """Catches prompt tuning whose layers keep all, since the module's own weights are read."""
    ids, mask, targets = _batch()
    found = []
    for each in (causal, recomputing(causal)):
        prompt = torch.zeros(causal.width, requires_grad=True)
        embedded = each.embed(each.weights, ids) + prompt
        each.losses(each.weights, embedded, mask, targets).sum().backward()
        found.append(prompt.grad)
    assert torch.equal(*found)


@pytest.mark.parametrize("limit", [FEW, MANY])
def test_answers_are_the_same(backbone: T5Backbone, limit: int) -> None:
    """Catches a cache of the decoder that is extended by a layer which runs again."""
    assert reads_source(limit, backbone.shape.head_width) is (limit == FEW)
    ids, mask, _ = _batch()
    again = recomputing(backbone)
    embedded = backbone.embed(backbone.weights, ids)
    expected = backbone.generate(backbone.weights, embedded, mask, limit=limit)
    assert torch.equal(again.generate(again.weights, embedded, mask, limit=limit), expected)


def test_a_model_without_marked_layers_is_refused(causal: CausalBackbone) -> None:
    """Catches a setting that is taken and does nothing."""
    bare = dataclasses.replace(causal, module=nn.Linear(2, 2))
    message = "activation_checkpointing: model random has no layers that can be computed again"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        recomputing(bare)

"""Compiled losses against those that are computed as written."""

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from runners.catalogue import Catalogue
from runners.model.causal_backbone import load_causal
from runners.model.compilation import CompiledT5, compiling
from runners.model.dropout import Dropout, row_keys
from runners.model.family import Place
from runners.model.loading import load_pretrained
from runners.model.t5_backbone import T5Backbone

SIZES = ((4, 20, 3), (6, 31, 4))
"""Rows, positions and target positions of batches that one compilation has to serve."""


def found(backbone: T5Backbone, size: tuple[int, int, int], rate: float) -> tuple[Tensor, Tensor]:
    """Losses of a drawn batch, and their gradients at the embedded input."""
    rows, length, answers = size
    generator = torch.Generator().manual_seed(rows)
    embedded = torch.randn(rows, length, backbone.width, generator=generator).requires_grad_()
    mask = torch.ones(rows, length)
    mask[0, length // 2 :] = 0
    targets = torch.randint(3, 200, (rows, answers), generator=generator)
    targets[0, -1] = -100
    dropout = Dropout(rate=rate, keys=row_keys(5, 3, rows), prompt=2)
    losses = backbone.losses(backbone.weights, embedded, mask, targets, dropout)
    losses.sum().backward()
    assert embedded.grad is not None
    return losses.detach(), embedded.grad


def fresh() -> None:
    """Forget what was compiled."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()


@pytest.mark.slow
def test_compiled_losses_are_the_written_ones() -> None:
    """A graph that breaks, that serves one size alone, or that drops another row's features.

    The graph is run without a code generator, whose sums go in an order of their own.
    """
    fresh()
    plain = load_pretrained(Catalogue(), "nano", "60k", "float32")
    assert isinstance(plain, T5Backbone)
    compiled = compiling(plain, backend="aot_eager")
    assert isinstance(compiled, CompiledT5)
    for size in SIZES:
        for expected, ours in zip(found(plain, size, 0.1), found(compiled, size, 0.1), strict=True):
            assert torch.equal(ours, expected)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch, inside of its compiler
def test_generated_code_gives_the_written_losses() -> None:
    """Kernels that are off by more than the order of their sums."""
    fresh()
    plain = load_pretrained(Catalogue(), "nano", "60k", "float32")
    assert isinstance(plain, T5Backbone)
    compiled = compiling(plain)
    assert isinstance(compiled, CompiledT5)
    for size in SIZES:
        for expected, ours in zip(found(plain, size, 0), found(compiled, size, 0), strict=True):
            torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] <= 2


def test_all_but_losses_is_as_before() -> None:
    """Answers that are decoded by another model than the one that trains."""
    plain = load_pretrained(Catalogue(), "nano", "60k", "float32")
    compiled = compiling(plain, backend="eager")
    for field in dataclasses.fields(T5Backbone):
        assert getattr(compiled, field.name) is getattr(plain, field.name)
    ids = torch.tensor([[5, 9, 30, 1]])
    embedded, mask = plain.embed(plain.weights, ids), torch.ones(1, 4)
    expected, ours = (m.generate(m.weights, embedded, mask, limit=4) for m in (plain, compiled))
    assert torch.equal(ours, expected)


def test_decoder_only_models_are_refused(tmp_path: Path) -> None:
    """A setting that is taken and does nothing."""
    config = LlamaConfig(
        vocab_size=64, hidden_size=16, intermediate_size=32, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=1,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    loaded = load_causal(
        Place(path=tmp_path), codec=None, fingerprint="f", dtype=torch.float32  # type: ignore[arg-type]
    )  # fmt: skip
    with pytest.raises(ValueError, match="is decoder-only, and only a T5 is compiled; leave it"):
        compiling(loaded)

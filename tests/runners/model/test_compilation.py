"""Compiled layers against those that are computed as written."""

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from runners.catalogue import Catalogue
from runners.model import products
from runners.model.backbone import Backbone
from runners.model.causal_loading import load_causal
from runners.model.compilation import compiling
from runners.model.dropout import Dropout, row_keys
from runners.model.family import Place
from runners.model.loading import load_pretrained
from runners.model.recomputation import recomputing
from runners.model.sizes import reads_source
from runners.model.t5_backbone import T5Backbone
from tests.runners.model.kept import noted

Size = tuple[int, int, int]
"""Rows, positions and target positions of a batch."""
FEW: tuple[Size, ...] = ((5, 20, 3), (6, 31, 4))
MANY: tuple[Size, ...] = ((5, 20, 7), (6, 31, 9))
"""Sizes that one compilation has to serve, whose decoders read the encoder's output itself, or keys
and values of it."""
either_way = pytest.mark.parametrize("sizes", [FEW, MANY], ids=["few targets", "many targets"])
HIDDEN = pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
"""What torch's compiler hides by itself, unless warnings are errors."""


def losses_of(backbone: Backbone, size: Size, rate: float) -> tuple[Tensor, Tensor]:
    """Losses of a drawn batch, and its embedded input, which needs gradients."""
    rows, length, answers = size
    generator = torch.Generator().manual_seed(rows)
    embedded = torch.randn(rows, length, backbone.width, generator=generator).requires_grad_()
    mask = torch.ones(rows, length)
    mask[0, length // 2 :] = 0
    targets = torch.randint(3, 200, (rows, answers), generator=generator)
    targets[0, -1] = -100
    dropout = Dropout(rate=rate, keys=row_keys(5, 3, rows), prompt=2)
    return backbone.losses(backbone.weights, embedded, mask, targets, dropout), embedded


def found(backbone: Backbone, size: Size, rate: float) -> tuple[Tensor, Tensor]:
    """Losses of a drawn batch, and their gradients at the embedded input."""
    losses, embedded = losses_of(backbone, size, rate)
    losses.sum().backward()
    assert embedded.grad is not None
    return losses.detach(), embedded.grad


def held(backbone: Backbone, size: Size) -> int:
    """Elements that are kept for the backward pass."""
    with noted() as kept:
        losses_of(backbone, size, 0.1)
    return sum(kept.values())


def fresh(size: str = "60k", dtype: str = "float32") -> T5Backbone:
    """A model of which nothing is compiled, for all that was is forgotten."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    plain = load_pretrained(Catalogue(), "nano", size, dtype)
    assert isinstance(plain, T5Backbone)
    return plain


def graphs() -> int:
    """How many were compiled since all were forgotten."""
    count: int = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    return count


def compare(plain: T5Backbone, compiled: Backbone, rate: float, sizes: tuple[Size, ...]) -> None:
    """Losses are equal, and gradients but for the order of their sums, which layers cut."""
    for size in sizes:
        assert reads_source(size[2], plain.shape.head_width) is (sizes is FEW)
        expected, gradient = found(plain, size, rate)
        ours, own = found(compiled, size, rate)
        torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(own, gradient, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@HIDDEN
@either_way
def test_one_layer_is_compiled_for_all_of_its_stack(sizes: tuple[Size, ...]) -> None:
    """A graph for every layer or size, and layers that drop what others would.

    The graph is run without a code generator. The first layer of the decoder has one
    of its own, for what it reads needs no gradients.
    """
    plain = fresh("200k")
    assert plain.shape.layers > 1
    compare(plain, compiling(plain, backend="eager"), 0.1, sizes)
    assert graphs() == 3


@pytest.mark.slow
@HIDDEN
@either_way
def test_compiled_layers_are_computed_again_for_their_gradients(sizes: tuple[Size, ...]) -> None:
    """One of two settings that is lost where both are asked for."""
    plain = fresh()
    again = recomputing(compiling(plain, backend="eager"))
    compare(plain, again, 0.1, sizes)
    assert graphs() == 2
    most = 0.6 * held(plain, sizes[0])
    assert held(again, sizes[0]) < most
    assert held(compiling(recomputing(plain), backend="eager"), sizes[0]) < most


@pytest.mark.slow
@HIDDEN
@either_way
def test_static_shapes_are_compiled_one_by_one(sizes: tuple[Size, ...]) -> None:
    """A setting that is lost, and shapes that are compiled again when they return."""
    plain = fresh()
    compiled = compiling(plain, static=True, backend="eager")
    for _ in range(2):
        compare(plain, compiled, 0.1, sizes)
    assert graphs() == 2 * len(sizes)


@pytest.mark.slow
@HIDDEN
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch, inside of its compiler
@either_way
def test_generated_code_gives_the_written_losses(sizes: tuple[Size, ...]) -> None:
    """Kernels that are off by more than the order of their sums."""
    plain = fresh()
    compare(plain, compiling(plain), 0.0, sizes)
    assert graphs() == 2


@pytest.mark.slow
@HIDDEN
@either_way
def test_products_by_float32_are_compiled_with_their_layer(
    monkeypatch: pytest.MonkeyPatch, sizes: tuple[Size, ...]
) -> None:
    """A layer that falls apart into graphs, on cores without instructions for bfloat16."""
    monkeypatch.setattr(products, "HAS_INSTRUCTIONS", False)
    plain = fresh(dtype="bfloat16")
    compare(plain, compiling(plain, backend="eager"), 0.1, sizes)
    assert graphs() == 2


def test_all_but_losses_is_as_before() -> None:
    """Answers that are decoded by another model than the one that trains."""
    plain = load_pretrained(Catalogue(), "nano", "60k", "float32")
    compiled = compiling(plain, backend="eager")
    for field in dataclasses.fields(T5Backbone):
        if field.name != "call":
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

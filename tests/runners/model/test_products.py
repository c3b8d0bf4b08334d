"""Products in bfloat16 on cores without instructions for them.

The instructions are taken away from cores that have them, so that every machine runs both ways.
"""

import copy
import dataclasses
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    PreTrainedModel,
    Qwen2Config,
)

from runners.model import products
from runners.model.backbone import Backbone
from runners.model.recomputation import recomputing
from runners.model.sizes import reads_source
from runners.model.t5_backbone import T5Backbone
from tests.runners.conftest import Wrap
from tests.runners.model.kept import noted

HALF = torch.bfloat16
FEW, MANY = 2, 4
"""Target positions of which a T5 reads the encoder's output itself, and keys and values of it."""
ROUNDING = 2.0**-8
"""Two numbers of bfloat16 that are rounded from one are no further apart, relative to them."""
SMALL: dict[str, Any] = {
    "vocab_size": 700, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "pad_token_id": 0,
}  # fmt: skip
CONFIGS: dict[str, Callable[[], Any]] = {
    "llama": lambda: LlamaConfig(**SMALL, intermediate_size=48),
    "gpt_neox": lambda: GPTNeoXConfig(**SMALL, intermediate_size=48),
    "qwen2": lambda: Qwen2Config(**SMALL, intermediate_size=48, num_key_value_heads=2),
    # Its linear layers are `addmm`.
    "gpt2": lambda: GPT2Config(**SMALL),
}


class Products(TorchDispatchMode):
    """Notes the dtypes that torch multiplies inside, in both passes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.dtypes: set[torch.dtype] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = func.overloadpacket.__name__
        if name in {"mm", "bmm", "addmm", "baddbmm", "linear", "mv", "addmv"}:
            self.dtypes |= {each.dtype for each in args if isinstance(each, Tensor)}
        return func(*args, **(kwargs or {}))


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cores of AVX2."""
    monkeypatch.setattr(products, "HAS_INSTRUCTIONS", False)


@pytest.fixture(params=CONFIGS)
def module(request: pytest.FixtureRequest) -> PreTrainedModel:
    """A random decoder-only model in bfloat16."""
    torch.manual_seed(0)
    made: PreTrainedModel = AutoModelForCausalLM.from_config(
        CONFIGS[request.param](), attn_implementation="eager"
    ).eval()
    made.requires_grad_(False)
    torch.nn.Module.to(made, HALF)
    return made


def _through(
    product: Callable[..., Tensor], *shapes: tuple[int, ...]
) -> tuple[Tensor, list[Tensor]]:
    """A product of random factors, and the gradients of these."""
    generator = torch.Generator().manual_seed(3)
    factors = [torch.randn(shape, generator=generator).to(HALF) for shape in shapes]
    for factor in factors:
        factor.requires_grad_()
    out = product(*factors)
    out.backward(torch.randn(out.shape, generator=generator).to(HALF))
    return out.detach(), [factor.grad for factor in factors if factor.grad is not None]


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("ours", "torchs", "shapes"),
    [
        (products.linear, F.linear, [(3, 5, 7), (4, 7)]),
        (products.linear, F.linear, [(5, 7), (4, 7)]),
        (products.matmul, torch.matmul, [(2, 3, 5, 7), (2, 3, 7, 4)]),
        (products.matmul, torch.matmul, [(2, 3, 5, 7), (1, 3, 7, 4)]),
    ],
    ids=["linear", "linear of rows", "matmul", "matmul of one for all"],
)
def test_values_and_gradients_are_those_of_torch(
    ours: Callable[..., Tensor], torchs: Callable[..., Tensor], shapes: list[tuple[int, ...]]
) -> None:
    """Catches a sum that is rounded on its way, and a gradient of another shape or dtype."""
    product, gradients = _through(ours, *shapes)
    expected, theirs = _through(torchs, *shapes)
    for got, wanted in zip([product, *gradients], [expected, *theirs], strict=True):
        assert got.dtype is HALF
        torch.testing.assert_close(got, wanted, rtol=2 * ROUNDING, atol=ROUNDING)


@pytest.mark.usefixtures("bare")
def test_no_more_is_kept_than_the_factors() -> None:
    """Catches copies in float32 that wait for the backward pass: three times the memory."""
    x, weight = (torch.randn(8, 8, dtype=HALF).requires_grad_() for _ in range(2))
    with noted() as kept:
        products.linear(x, weight)
    assert {*kept} == {x.data_ptr(), weight.data_ptr()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.usefixtures("bare")
def test_other_numbers_are_multiplied_as_ever(dtype: torch.dtype) -> None:
    """Catches float64 that is rounded to float32."""
    a, b = torch.randn(3, 5, dtype=dtype), torch.randn(5, 4, dtype=dtype)
    assert torch.equal(products.matmul(a, b), a @ b)
    assert torch.equal(products.linear(a, b.T), F.linear(a, b.T))


@pytest.mark.usefixtures("bare")
def test_a_gpu_has_its_own_products() -> None:
    """Catches a host of AVX2 cores that slows its GPU: every call of torch would go by Python."""
    for device, stays in (("meta", True), ("cpu", False)):
        factor = torch.zeros(2, 2, dtype=HALF, device=device)
        assert isinstance(products.elsewhere(factor), nullcontext) is stays


def _losses(backbone: Backbone, positions: int) -> tuple[Tensor, Tensor, set[torch.dtype]]:
    """Losses, the gradient of the inputs, and what was multiplied."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(3, 600, (3, 9), generator=generator)
    targets = torch.randint(3, 600, (3, positions), generator=generator)
    before = torch.zeros(3, 9, backbone.width, requires_grad=True)
    with Products() as seen:
        embedded = backbone.embed(backbone.weights, ids) + before.to(HALF)
        losses = backbone.losses(backbone.weights, embedded, torch.ones_like(ids), targets)
        (gradient,) = torch.autograd.grad(losses.sum(), [before])
    return losses.detach(), gradient, seen.dtypes


def _same_as_in_loops(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch, positions: int = MANY
) -> None:
    found = {}
    for has in (False, True):
        monkeypatch.setattr(products, "HAS_INSTRUCTIONS", has)
        found[has] = _losses(backbone, positions)
    assert found[False][2] == {torch.float32}
    assert HALF in found[True][2]
    torch.testing.assert_close(found[False][0], found[True][0], rtol=0.02, atol=0.02)
    spread = float(found[True][1].std())
    torch.testing.assert_close(found[False][1], found[True][1], rtol=0.05, atol=0.1 * spread)


@pytest.mark.parametrize("positions", [FEW, MANY])
def test_no_product_of_a_t5_is_left_in_loops(
    backbone: T5Backbone, monkeypatch: pytest.MonkeyPatch, positions: int
) -> None:
    """Catches a layer that multiplies by itself, and trains for hours."""
    assert reads_source(positions, backbone.shape.head_width) is (positions == FEW)
    half = {name: weight.to(HALF) for name, weight in backbone.weights.items()}
    placed = dataclasses.replace(backbone, weights=half, dtype=HALF)
    _same_as_in_loops(placed, monkeypatch, positions)


@pytest.mark.parametrize("again", [False, True], ids=["kept", "recomputed"])
def test_no_product_of_a_decoder_only_model_is_left_in_loops(
    module: PreTrainedModel, as_causal: Wrap, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    """Catches a linear layer, an attention or a second pass that torch's loops multiply."""
    causal = dataclasses.replace(as_causal(copy.deepcopy(module)), dtype=HALF)
    _same_as_in_loops(recomputing(causal) if again else causal, monkeypatch)

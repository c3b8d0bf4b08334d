"""A training step of T5 on `meta` tensors, which hold no numbers, counted as it goes."""

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from runners.model.dropout import NONE, Dropout
from runners.model.sizes import T5Shape
from runners.model.t5 import T5Dimensions
from runners.model.t5_backbone import T5Backbone
from runners.prompt.soft_prompt import Prompted, stack

META = torch.device("meta")
PRODUCTS = {"mm", "addmm", "bmm"}


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What a step did: operations of products, bytes beside them, kernels, bytes at its peak."""

    operations: float
    traffic: float
    kernels: float
    peak: float


class Ledger(TorchDispatchMode):
    """Counts kernels, the bytes that they move and the bytes that are alive."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kernels, self.traffic, self.peak = 0, 0, 0
        self._alive = 0
        self._known = {_key(weight): 0 for weight in weights.values()}

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run an operation and count it."""
        found = operation(*args, **(kwargs or {}))
        made = [each for each in tree_leaves(found) if isinstance(each, Tensor)]
        read = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
        name = operation._schema.name.partition("::")[2]
        views = {_key(each) for each in made} & {_key(each) for each in read}
        if name.endswith("_") or not views:
            self.kernels += 1
            if name not in PRODUCTS:
                self.traffic += sum(each.numel() * each.element_size() for each in made + read)
        for each in made:
            self._take(each)
        self.peak = max(self.peak, self._alive)
        return found

    def _take(self, tensor: Tensor) -> None:
        storage, key = tensor.untyped_storage(), _key(tensor)
        if key not in self._known:
            self._known[key] = storage.nbytes()
            self._alive += storage.nbytes()
            weakref.finalize(storage, self._drop, key)

    def _drop(self, key: int) -> None:
        self._alive -= self._known.pop(key)


Count = Callable[..., Counted]


@pytest.fixture
def count() -> Count:
    """Counts a training step of B rows of T positions and D targets."""
    return _count


def _count(
    shape: T5Shape, *, rows: int, positions: int, targets: int, dtype: str, dropout: float,
    tunes_model: bool,
) -> Counted:  # fmt: skip
    compute = getattr(torch, dtype)
    weights = _weights(shape, torch.float32 if tunes_model else compute)
    for weight in weights.values():
        weight.requires_grad_(tunes_model)
    backbone = T5Backbone(
        shape=_dimensions(shape), weights=weights, codec=None, source="", fingerprint="",
        dtype=compute,
    )  # fmt: skip
    length = 0 if tunes_model else positions // 4
    prompt = torch.empty(length, shape.d_model, device=META, requires_grad=True)
    ids = torch.empty(rows, positions - length, dtype=torch.int64, device=META)
    asked = torch.empty(rows, targets, dtype=torch.int64, device=META)
    owners = torch.empty(rows, dtype=torch.int64, device=META)
    masks = Dropout(rate=dropout, keys=owners, prompt=length) if dropout else NONE
    ledger = Ledger(weights)
    with FlopCounterMode(display=False) as products, ledger:
        embedded, mask = backbone.embed(weights, ids), torch.ones_like(ids)
        if length:
            behind = Prompted(bank=stack([prompt]), of_row=owners)
            embedded, mask = behind.before(embedded, mask)
        backbone.losses(weights, embedded, mask, asked, masks).sum().backward()
    return Counted(
        operations=products.get_total_flops(), traffic=ledger.traffic, kernels=ledger.kernels,
        peak=ledger.peak,
    )  # fmt: skip


def _dimensions(shape: T5Shape) -> T5Dimensions:
    return T5Dimensions(
        layers=shape.encoder_layers, decoder_layers=shape.decoder_layers, heads=shape.heads,
        head_width=shape.d_kv, buckets=32, max_distance=128, epsilon=1e-6, start_id=0,
    )  # fmt: skip


def _weights(shape: T5Shape, dtype: torch.dtype) -> dict[str, Tensor]:
    """Every weight of a T5 1.1, by its name."""
    width, attention = shape.d_model, shape.heads * shape.d_kv
    sizes: dict[str, tuple[int, ...]] = {
        "shared": (shape.vocabulary, width), "lm_head": (shape.vocabulary, width)
    }  # fmt: skip
    for stack_, layers in (("encoder", shape.encoder_layers), ("decoder", shape.decoder_layers)):
        attentions = ["SelfAttention"] + ["EncDecAttention"] * (stack_ == "decoder")
        sizes[f"{stack_}.final_layer_norm"] = (width,)
        sizes[f"{stack_}.block.0.layer.0.SelfAttention.relative_attention_bias"] = (32, shape.heads)
        for layer in range(layers):
            for place, name in enumerate(attentions):
                block = f"{stack_}.block.{layer}.layer.{place}"
                sizes[f"{block}.layer_norm"] = (width,)
                sizes |= {f"{block}.{name}.{part}": (attention, width) for part in "qkv"}
                sizes[f"{block}.{name}.o"] = (width, attention)
            block = f"{stack_}.block.{layer}.layer.{len(attentions)}"
            sizes[f"{block}.layer_norm"] = (width,)
            sizes |= {f"{block}.DenseReluDense.{p}": (shape.d_ff, width) for p in ("wi_0", "wi_1")}
            sizes[f"{block}.DenseReluDense.wo"] = (width, shape.d_ff)
    return {
        f"{name}.weight": torch.empty(size, dtype=dtype, device=META)
        for name, size in sizes.items()
    }


def _key(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)

"""Matrix products in bfloat16, also on cores that have no instructions for them.

Without these torch multiplies bfloat16 in plain loops, on cores of AVX2 8 to 180 times
slower than float32 (docs/LOG.md). What the instructions do is to multiply exactly, to
add in float32 and to round once. So it is done here: by the product in float32 of
numbers which float32 holds exactly. Both passes round where the instructions round and
keep what they keep, so that neither numbers nor memory become those of float32.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

# What torch itself asks before it leaves its loops.
HAS_INSTRUCTIONS: bool = (
    torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
)
"""Whether torch multiplies bfloat16 on these cores by instructions that they have for it."""


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """`torch.nn.functional.linear` without a bias: [..., I] and [O, I] -> [..., O]."""
    return _through_float32(x, weight.T) if _in_loops(x, weight) else F.linear(x, weight)


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """`torch.matmul`: [..., R, I] and [..., I, C] -> [..., R, C]."""
    return _through_float32(a, b) if _in_loops(a, b) else a @ b


def elsewhere(factor: Tensor) -> AbstractContextManager[object]:
    """What code that is not ours runs in, for the same products; `factor` is one it computes with.

    They are linear layers, `matmul`, `bmm` and `addmm`; anything else that code
    multiplies by is as right, and as slow as torch has it.
    """
    return _ThroughFloat32() if _in_loops(factor) else nullcontext()


def _in_loops(*factors: Tensor) -> bool:
    return not HAS_INSTRUCTIONS and all(
        each.dtype == torch.bfloat16 and each.device.type == "cpu" for each in factors
    )


class _ThroughFloat32(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """One call of torch from inside."""
        factors = _FACTORS.get(func)
        if factors is not None and not kwargs:
            a, b, bias = factors(*args)
            if _in_loops(a, b) and min(a.dim(), b.dim()) > 1:
                return _through_float32(a, b, bias)
        return func(*args, **(kwargs or {}))


_Factors = tuple[Tensor, Tensor, Tensor | None]


def _of_linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> _Factors:
    return x, weight.T, bias


def _of_matmul(a: Tensor, b: Tensor) -> _Factors:
    return a, b, None


def _of_addmm(bias: Tensor, a: Tensor, b: Tensor) -> _Factors:
    return a, b, bias


_FACTORS: Mapping[Callable[..., Any], Callable[..., _Factors]] = {
    F.linear: _of_linear, torch.addmm: _of_addmm,
    **dict.fromkeys(
        (torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.bmm, Tensor.bmm), _of_matmul
    ),
}  # fmt: skip
"""Products by what is called, with what makes two factors and a bias of its arguments."""


def _through_float32(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    product: Tensor = _Product.apply(a, b, bias)  # type: ignore[no-untyped-call]
    return product


class _Product(torch.autograd.Function):
    """`a @ b + bias`, whose passes keep no more than that would."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, bias: Tensor | None) -> Tensor:
        """[..., R, I] and [..., I, C] -> [..., R, C]."""
        ctx.save_for_backward(a, b)
        ctx.bias = None if bias is None else bias.shape
        product = a.float() @ b.float()
        return (product if bias is None else product + bias.float()).to(a.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of those that need one, each rounded once."""
        a, b = ctx.saved_tensors
        gradient = gradients[0].float()
        for_a, for_b, for_bias = ctx.needs_input_grad
        return (
            (gradient @ b.float().mT).sum_to_size(a.shape).to(a.dtype) if for_a else None,
            _of_the_right(a, b, gradient) if for_b else None,
            gradient.sum_to_size(ctx.bias).to(a.dtype) if for_bias else None,
        )


def _of_the_right(a: Tensor, b: Tensor, gradient: Tensor) -> Tensor:
    """The gradient of `b`; where it is a weight, one product of all rows."""
    if b.dim() == 2:
        a, gradient = a.flatten(0, -2), gradient.flatten(0, -2)
    return (a.float().mT @ gradient).sum_to_size(b.shape).to(b.dtype)

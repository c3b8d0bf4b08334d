"""A larger T5 that computes what a smaller one does (Net2Net, Chen et al. 2016).

What is added reads what is there and, at first, writes nothing: new channels of
the residual stream hold zeros, new heads, feed-forward units and layers are
random but for the output matrices that end them, which are zero. Training goes
on from the function of the smaller model, and has more room.

Notation: V vocabulary, H model width, A attention width (heads x head width),
F feed-forward width.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

_HEADED = (".q.weight", ".k.weight", ".v.weight", ".o.weight")


def grow(
    small: Mapping[str, Tensor], new: Mapping[str, Tensor], *, heads: tuple[int, int]
) -> dict[str, Tensor]:
    """The weights of a larger model from those of a smaller and from `new`, random ones.

    `heads` are the attention heads of the small and of the large model. Equal
    up to the epsilon of the norms. Raises ValueError naming a weight of which
    `new` has less than `small`.
    """
    lost = sorted(set(small) - set(new))
    if lost:
        raise ValueError(f"{lost[0]}: the larger model has no such weight; give a larger size")
    return {
        name: _joined(name, small[name], weight, heads) if name in small else _silent(name, weight)
        for name, weight in new.items()
    }


def _silent(name: str, weight: Tensor) -> Tensor:
    """A weight of a layer that the small model lacks, which adds nothing at first."""
    return torch.zeros_like(weight) if _writes(name) else weight.clone()


def _joined(name: str, old: Tensor, new: Tensor, heads: tuple[int, int]) -> Tensor:
    if any(had > has for had, has in zip(old.shape, new.shape, strict=True)):
        raise ValueError(
            f"{name}: {tuple(old.shape)} does not fit into {tuple(new.shape)}; give a larger size"
        )
    if "layer_norm" in name:
        return _norm(old, new)
    if name.endswith(_HEADED):
        return _attention(name, old, new, heads)
    joined = torch.zeros_like(new) if _writes(name) else new.clone()
    joined[tuple(slice(size) for size in old.shape)] = old
    if name == "shared.weight":
        joined[:, old.shape[1] :] = 0.0
    return joined


def _norm(old: Tensor, new: Tensor) -> Tensor:
    """[H]: more channels of zeros make the others larger by the root of the ratio."""
    joined = new.clone()
    joined[: len(old)] = old * (len(old) / len(new)) ** 0.5
    return joined


def _attention(name: str, old: Tensor, new: Tensor, heads: tuple[int, int]) -> Tensor:
    """Queries, keys and values [A, H], or the output [H, A], head by head.

    A new channel of an old head has keys of zero, so that scores stay, and is
    read by nothing.
    """
    out = _writes(name)
    source, target = (w.T if out else w for w in (old, new))
    had, has = heads
    parts = source.reshape(had, -1, source.shape[1])
    joined = (torch.zeros_like(target) if out else target.clone()).reshape(has, -1, target.shape[1])
    if name.endswith(".k.weight"):
        joined[:had, parts.shape[1] :] = 0.0
    joined[:had, : parts.shape[1], : parts.shape[2]] = parts
    flat = joined.reshape(target.shape)
    return (flat.T if out else flat).contiguous()


def _writes(name: str) -> bool:
    """Whether a weight ends a layer, and adds to the residual stream."""
    return name.endswith((".o.weight", ".wo.weight"))

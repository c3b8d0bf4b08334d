"""Tensors of which each rank holds a part, and what it takes to see them whole.

A sharded tensor is a DTensor of torch, cut along its first dimension. Every
function here takes plain tensors as well, and then has next to nothing to do. With
sharded ones all ranks have to call it, in the same order.
"""

from collections.abc import Mapping

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor, Replicate, distribute_tensor


def whole(x: Tensor) -> Tensor:
    """All of a tensor, on every rank."""
    return x.full_tensor() if isinstance(x, DTensor) else x


def added_up(x: Tensor) -> Tensor:
    """x, with the parts of a sum that ranks have in hand added up."""
    if isinstance(x, DTensor) and any(placement.is_partial() for placement in x.placements):
        return x.redistribute(placements=[Replicate()] * len(x.placements))
    return x


def gathered(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors whole and on the cores, on the first rank; elsewhere nothing of them is kept."""
    kept = {}
    for name, tensor in tensors.items():
        found = whole(tensor.detach())
        if not isinstance(tensor, DTensor) or dist.get_rank() == 0:
            kept[name] = found.contiguous().cpu()
    return kept


def like(x: Tensor, place: Tensor) -> Tensor:
    """x, which every rank has whole, where `place` is: on its device, and in shards if it is."""
    moved = x.to(place.device)
    if not isinstance(place, DTensor):
        return moved
    # Every rank takes its part of its own copy, and nothing is sent.
    return distribute_tensor(moved, place.device_mesh, place.placements, src_data_rank=None)


@torch.no_grad()
def restored(tensors: Mapping[str, Tensor], places: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Whole tensors where those of `places` are, and in their order; sharded ones are written into.

    Files give tensors in any order, and ranks have to go through them in the same one.
    """
    found = {}
    for name, place in places.items():
        moved = like(tensors[name], place)
        found[name] = place.copy_(moved) if isinstance(place, DTensor) else moved
    return found

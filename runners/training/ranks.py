"""The processes that train one model together, and what they agree on.

Torch is loaded by those that join, so that a driver knows of ranks without it.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch

Value = TypeVar("Value")
PATIENCE = timedelta(minutes=30)
"""A rank waits so long for the others, who may still be reading a large checkpoint."""


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """This process among those of one trial.

    All ranks take every step together. What is measured apart, such as time or
    what the store has by now, is what the first rank finds; it alone writes.
    """

    number: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the rank that writes."""
        return self.number == 0

    def agreed(self, found: Value) -> Value:
        """What the first rank found."""
        if self.count == 1:
            return found
        import torch.distributed as dist

        values = [found]
        dist.broadcast_object_list(values, src=0)
        return values[0]


ALONE = Ranks()
_GLOO = "third_party/gloo"
"""Stands in the errors of gloo, which are of no class of their own."""


@contextmanager
def joined(number: int, count: int, address: str, device: "torch.device") -> Iterator[Ranks]:
    """Inside, this process is a rank of a group that meets at `address`, as `host:port`."""
    import torch.distributed as dist

    dist.init_process_group(
        # What is agreed on travels between cores.
        "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo",
        init_method=f"tcp://{address}", rank=number, world_size=count, timeout=PATIENCE,
    )  # fmt: skip
    try:
        yield Ranks(number=number, count=count)
    finally:
        # FSDP2 keeps models in cycles, and with them threads of the group, which abort the
        # process where they outlive it.
        gc.collect()
        dist.destroy_process_group()


def misses_another(error: BaseException) -> bool:
    """Whether an error says that another rank is gone, or did not come."""
    import torch.distributed as dist

    return isinstance(error, dist.DistError) or _GLOO in str(error)

"""Where a run computes: on the cores, or on a GPU.

No part of a trial's identity. Generators stay on the cores, so that the same
numbers are drawn wherever they are used.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda")
"""What can be asked for; 'auto' is a GPU where there is one."""


def choose(asked: str) -> "torch.device":
    """The device of one of `DEVICES`; raises ValueError where a GPU is asked for and none is there.

    Torch is loaded here, so that specs are checked without it.
    """
    import torch

    assert asked in DEVICES, asked
    is_there = torch.cuda.is_available()
    if asked == "cuda" and not is_there:
        raise ValueError(
            "device: 'cuda' is not here, for torch finds no GPU; give auto or cpu, or run where "
            "a GPU and a build of torch for it are"
        )
    return torch.device("cuda" if is_there and asked != "cpu" else "cpu")


def describe(device: "torch.device") -> str:
    """The device as a record has it: its kind, and the name of a GPU."""
    import torch

    if device.type != "cuda":
        return device.type
    return f"cuda ({torch.cuda.get_device_name(device)})"

"""Where and how a sweep runs: everything about it that changes no number.

None of this enters the identity of a trial.
"""

from dataclasses import dataclass, field

from runners.model.device import DEVICES
from runners.rules import Rule
from runners.section import Section
from sweeps.tracking import settings
from sweeps.tracking.settings import Tracking


@dataclass(frozen=True, kw_only=True)
class Execution:
    """Execution settings of one sweep."""

    store: str
    """Folder or fsspec URL of the results; a relative folder starts where the command runs."""
    workers: int = 1
    """Processes that train at the same time."""
    threads: int = 1
    """Cores that each of them computes on."""
    device: str = "auto"
    """Where they train: one of `runners.model.device.DEVICES`."""
    gpus_per_worker: float = 0.0
    """The GPU, or the share of one, that each of them holds; without one it trains on cores."""
    micro_batch_positions: int | None = None
    """Positions that go through a training model at once, at most; else as memory allows."""
    activation_checkpointing: bool = False
    """Whether layers compute their activations again for the backward pass, to save memory."""
    pack_size: int = 8
    """K, the most trials that share one batch."""
    checkpoint_seconds: float = 120.0
    """What runs is saved this often, so a kill loses no more than this."""
    tracking: Tracking = field(default_factory=Tracking)
    """Where the trials go as runs of W&B, and whether they go there while they train."""


_COUNT = Rule(type=int, minimum=1)
_RULES = {
    "store": Rule(type=str),
    "workers": _COUNT,
    "threads": _COUNT,
    "device": Rule(type=str, choices=DEVICES),
    "gpus_per_worker": Rule(type=float, minimum=0),
    "micro_batch_positions": _COUNT,
    "activation_checkpointing": Rule(type=bool),
    "pack_size": _COUNT,
    "checkpoint_seconds": Rule(type=float, above=0),
}


def read(section: Section) -> Execution | None:
    """The settings as written, or None where one is not legal, which is reported."""
    section.only((*_RULES, "tracking"))
    names = [name for name in _RULES if name in section.values or name == "store"]
    values = {name: section.value(name, _RULES[name]) for name in names}
    tracking = settings.read(section.section("tracking"))
    if tracking is None or None in values.values():
        return None
    execution = Execution(**values, tracking=tracking)
    return execution if _fits(section, execution) else None


def _fits(section: Section, execution: Execution) -> bool:
    """Whether the device can be had with these GPUs; a mistake is reported."""
    gpus, device = execution.gpus_per_worker, execution.device
    if gpus > 1:
        rule = "is more than the one GPU that a worker computes on"
        remedy = "give 1, or a share such as 0.5, and more workers"
    elif device == "cpu" and gpus:
        rule, remedy = "does not apply to device cpu", "leave it out"
    elif device == "cuda" and not gpus:
        rule, remedy = "is none for device cuda", "give 1, or a share where workers share a GPU"
    else:
        return True
    section.report("gpus_per_worker", gpus, rule, remedy)
    return False

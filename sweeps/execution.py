"""Where and how a sweep runs: everything about it that changes no number.

None of this enters the identity of a trial.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runners.model.device import DEVICES
from runners.rules import Problem, Rule
from runners.section import Section
from sweeps.tracking import settings
from sweeps.tracking.settings import Tracking


@dataclass(frozen=True, kw_only=True)
class Execution:
    """Execution settings of one sweep."""

    store: str
    """Folder or fsspec URL of the results; a relative folder starts where the command runs."""
    workers: int | None = 1
    """Processes that train at the same time; None for as many as there is room for."""
    threads: int | None = 1
    """Cores that each of them computes on; None for all that are there for each of them."""
    device: str = "auto"
    """Where they train: one of `runners.model.device.DEVICES`."""
    gpus_per_worker: float = 0.0
    """The GPU, or the share of one, that each of them holds; without one it trains on cores."""
    gpu_shares: Mapping[str, float] = field(default_factory=dict)
    """What workers hold of a GPU in place of that, for a size, by its name: small ones share."""
    ranks: Mapping[str, int] = field(default_factory=dict)
    """Workers that train one model of a size together, where all of it trains, by its name."""
    gpu_gigabytes: float | None = None
    """The memory of a GPU; where it is given, ranks that are not follow from it."""
    micro_batch_positions: int | None = None
    """Positions that go through a training model at once, at most; else as memory allows."""
    compile: bool = False
    """Whether training passes are compiled, by workers that train alone (`torch.compile`)."""
    static_shapes: bool = False
    """Whether batches that train have few lengths, and are padded to them."""
    activation_checkpointing: bool = False
    """Whether layers compute their activations again for the backward pass, to save memory."""
    pack_size: int | None = None
    """K, the most trials that share one batch; None for what was measured to be quick."""
    checkpoint_seconds: float = 120.0
    """What runs is saved this often, so a kill loses no more than this."""
    deadline_seconds: float | None = None
    """A pack that makes no progress for so long hangs and is ended; None gives it all time.

    One step has to fit in, with the loading of the model before the first, an evaluation
    after others, and a checkpoint.
    """
    tracking: Tracking = field(default_factory=Tracking)
    """Where the trials go as runs of W&B, and whether they go there while they train."""

    @property
    def cores(self) -> int:
        """The threads, once it is known how many they are (`sweeps.room.settled`)."""
        assert self.threads is not None
        return self.threads

    def gpus_of(self, size: str) -> float:
        """The GPU, or the share of one, that a worker holds for models of a size."""
        return self.gpu_shares.get(size, self.gpus_per_worker)

    def ranks_of(self, size: str, parameters: int) -> int:
        """How many ranks train a whole model of a size: as said, or as its state needs."""
        if size in self.ranks or self.gpu_gigabytes is None:
            return self.ranks.get(size, 1)
        needed = STATE_BYTES * parameters / (STATE_SHARE * self.gpu_gigabytes * 1e9)
        return int(2 ** max(0, math.ceil(math.log2(needed))))


STATE_BYTES = 8
"""Of a parameter that trains: itself and its gradient in float32. Adafactor's state is small."""
STATE_SHARE = 0.7
"""Of a GPU's memory; the rest is for activations and for the layers that are put together."""
MORE_THAN_ONE = "is more than the one GPU that a worker computes on"
AUTO = "auto"
OPEN = {"workers": "all", "threads": AUTO, "pack_size": AUTO}
"""What a spec says in place of a number that it leaves open."""
_COUNT = Rule(type=int, minimum=1)
_SHARE = Rule(type=float, above=0)
_RULES = {
    "store": Rule(type=str),
    "device": Rule(type=str, choices=DEVICES),
    "gpus_per_worker": Rule(type=float, minimum=0),
    "gpu_gigabytes": Rule(type=float, above=0),
    "micro_batch_positions": _COUNT,
    "compile": Rule(type=bool),
    "static_shapes": Rule(type=bool),
    "activation_checkpointing": Rule(type=bool),
    "checkpoint_seconds": Rule(type=float, above=0),
    "deadline_seconds": Rule(type=float, above=0),
}


def read(section: Section) -> Execution | None:
    """The settings as written, or None where one is not legal, which is reported."""
    section.only((*_RULES, *OPEN, "ranks", "gpu_shares", "tracking"))
    names = [name for name in _RULES if name in section.values or name == "store"]
    values = {name: section.value(name, _RULES[name]) for name in names}
    given = [name for name in OPEN if name in section.values]
    numbers: dict[str, Any] = {name: number_of(name, section.values[name]) for name in given}
    wrong = [found for found in numbers.values() if isinstance(found, Problem)]
    for each in wrong:
        section.report(each.key, each.value, each.rule, each.remedy)
    tracking = settings.read(section.section("tracking"))
    ranks = _by_size(section.section("ranks"), _COUNT)
    shares = _by_size(section.section("gpu_shares"), _SHARE)
    if tracking is None or ranks is None or shares is None or None in values.values() or wrong:
        return None
    execution = Execution(**values, **numbers, ranks=ranks, gpu_shares=shares, tracking=tracking)
    return execution if _fits(section, execution) else None


def number_of(name: str, said: object) -> int | Problem | None:
    """The number that somebody gives for one of `OPEN`, None for its word, or the mistake."""
    if said == OPEN[name]:
        return None
    if isinstance(said, int) and not isinstance(said, bool) and said >= 1:
        return said
    rule = f"is neither a whole number of 1 or more nor {OPEN[name]}"
    return Problem(key=name, value=said, rule=rule, remedy=f"write 4, say, or {OPEN[name]}")


def _by_size(section: Section, rule: Rule) -> dict[str, Any] | None:
    """The value of each size that is named, or None where one is not legal."""
    found = {name: section.value(name, rule) for name in section.values}
    return None if None in found.values() else found


def _fits(section: Section, execution: Execution) -> bool:
    """Whether the device can be had with these GPUs; a mistake is reported."""
    gpus, device = execution.gpus_per_worker, execution.device
    if gpus > 1:
        rule = MORE_THAN_ONE
        remedy = "give 1, or a share such as 0.5, and more workers"
    elif device == "cpu" and gpus:
        rule, remedy = "does not apply to device cpu", "leave it out"
    elif device == "cuda" and not gpus:
        rule, remedy = "is none for device cuda", "give 1, or a share where workers share a GPU"
    else:
        return _shares_fit(section.section("gpu_shares"), execution)
    section.report("gpus_per_worker", gpus, rule, remedy)
    return False


def _shares_fit(section: Section, execution: Execution) -> bool:
    """Whether shares are of GPUs that workers hold, one whole GPU for each of several ranks."""
    before = len(section.problems)
    for size, share in execution.gpu_shares.items():
        if not execution.gpus_per_worker:
            remedy = "give gpus_per_worker, which is what workers of all other sizes hold"
            section.report(size, share, "is a share of no GPU, for workers hold none", remedy)
        elif share > 1:
            section.report(size, share, MORE_THAN_ONE, "give 1, or a share such as 0.5")
        elif share < 1 and execution.ranks.get(size, 1) > 1:
            rule = f"is no whole GPU for each of the {execution.ranks[size]} ranks of {size}"
            section.report(size, share, rule, "leave it out here, or under ranks")
    return len(section.problems) == before

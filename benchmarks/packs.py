"""A step of a trial in packs of several sizes, against the same trial alone.

Models are those of the nano ladder in float32; rows are BoolQ's of the embedded world, 16 of
each trial, behind prompts of 20. Steps go through `run_pack`, without the last, which has an
evaluation in it, and the first. Times are those of the processor, to which other work on the
machine adds less than to the clock on the wall.
"""

import time
from collections.abc import Iterator, Sequence

from benchmarks.table import Line
from runners.catalogue import Catalogue
from runners.config import TrialConfig, from_mapping
from runners.model.loading import Loaded, load_pretrained
from runners.training.pack import run_pack, start
from runners.training.trial import TrialRun


def measure(sizes: Sequence[str], packs: Sequence[int], steps: int, repeats: int) -> Iterator[Line]:
    """Milliseconds a step and trial; packs are taken in turn."""
    for size in sizes:
        backbone = load_pretrained(Catalogue(), "nano", size, "float32")
        rounds = [[_milliseconds(backbone, size, k, steps) for k in packs] for _ in range(repeats)]
        alone, *together = zip(*rounds, strict=True)
        for k, taken in zip(packs[1:], together, strict=True):
            yield Line(
                what=f"step of a trial of {size}, {k} in a pack, against {packs[0]}", unit="ms",
                ours=taken, peer=alone,
            )  # fmt: skip


class _Silent:
    """An observer that only sees that nothing diverges."""

    def finished(self, run: TrialRun) -> None:
        """Nothing."""

    def diverged(self, run: TrialRun, reason: str) -> None:
        """Fail."""
        raise AssertionError(reason)


def _milliseconds(backbone: Loaded, size: str, count: int, steps: int) -> float:
    """Of a step of each of so many trials."""
    runs = [start([_config(size, seed, steps)], backbone, Catalogue()) for seed in range(count)]
    times = [
        time.process_time() for _ in run_pack(backbone, iter(runs), slots=count, observer=_Silent())
    ]
    return 1000 * (times[-2] - times[0]) / (steps - 2) / count


def _config(size: str, seed: int, steps: int) -> TrialConfig:
    return from_mapping(
        {
            "method": "prompt_tuning", "model_family": "nano", "model_size": size, "seed": seed,
            "pretraining_objective": "span_corruption", "lm_adaptation_steps": 0, "task": "boolq",
            "train_steps": steps, "eval_every": steps, "batch_size": 16, "learning_rate": 0.3,
            "prompt_length": 20, "prompt_init": "random_uniform", "dev_examples": 16,
        }
    )  # fmt: skip

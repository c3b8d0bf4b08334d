"""A worker that is given one pack after another keeps its size."""

from dataclasses import replace
from pathlib import Path

import pytest

from runners.config import TrialConfig
from runners.store import Store
from sweeps.packs import Pack
from sweeps.spec import load
from sweeps.trainable import work

pytestmark = pytest.mark.slow
SPEC = Path(__file__).parents[2] / "sweeps" / "specs" / "laptop.yaml"
PACKS, TRIALS, SETTLED = 25, 4, 10
GROWTH_MB = 60.0
"""Of 60 trials; a copy of one trial's data for each would be five times as much."""


def test_a_hundred_trials_leave_nothing_behind(tmp_path: Path) -> None:
    """A worker that grows by a few megabytes a trial, and is killed for its memory at night."""
    spec = load(SPEC)
    Store(tmp_path).write_manifest("driven", {})
    execution = replace(spec.execution, store=str(tmp_path), workers=1)
    bases = [
        next(t.config for t in spec.trials if _is_unadapted(t.config, size))
        for size in ("60k", "200k")
    ]
    sizes = []
    for number in range(PACKS):
        trials = tuple(
            replace(
                bases[number % 2], seed=100 + TRIALS * number + place, train_steps=6,
                eval_every=6, dev_examples=40,
            )
            for place in range(TRIALS)
        )  # fmt: skip
        pack = Pack(name=str(number), cost=4.0, trials=trials, costs=(1.0,) * TRIALS, slots=TRIALS)
        *_, last = work(pack, execution, spec.catalogue)
        assert last.committed == TRIALS
        sizes.append(_resident_mb())
    assert sizes[-1] - sizes[SETTLED - 1] < GROWTH_MB, sizes


def _is_unadapted(config: TrialConfig, size: str) -> bool:
    is_prompt = config.method == "prompt_tuning" and config.model_size == size
    return is_prompt and not config.lm_adaptation_steps


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6

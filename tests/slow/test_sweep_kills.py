"""SIGKILL a sweep's driver or one of its workers at any moment, and run it again until it ends."""

import itertools
import json
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from runners.record import TrialRecord
from runners.store import Store
from runners.training.trial import metadata_of
from tests.slow.likeness import same_bytes, same_within_tolerance

KILLS = 12
"""For each of the two ways to pack."""
EARLY, LATE = 8.0, 5.0
"""A kill comes within so many seconds of the start, or of the first sign that something trains."""
SPEC = """\
name: killed
design: star
model_family: nano
axes:
  model_size: [60k]
  prompt_length: [1, 5]
  lm_adaptation_steps: [0, 20, 40]
  task: [cb, copa]
  seed: [0, 1]
defaults:
  prompt_length: 5
  prompt_init: class_label
  pretraining_objective: lm_adaptation
  lm_adaptation_steps: 40
settings:
  shared: {train_examples: 64, dev_examples: 16, batch_size: 4}
  prompt_tuning: {train_steps: 240, eval_every: 240, learning_rate: 0.1}
  model_tuning: {train_steps: 120, eval_every: 40, learning_rate: 1e-3, parameter_scaling: true}
  lm_adaptation: {batch_size: 8, learning_rate: 1e-3, seed: 0}
baselines: [model_tuning]
execution: {store: STORE, workers: 2, pack_size: PACK, checkpoint_seconds: 0.3}
"""

pytestmark = pytest.mark.slow


@dataclass(kw_only=True)
class Sweep:
    """A sweep that is killed, and what its store must still hold after each kill."""

    spec: Path
    store: Store
    winners: dict[str, tuple[str, frozenset[str]]] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)

    def check(self) -> None:
        """Nothing committed is gone or was run again."""
        winners = {
            r.trial_id: (r.attempt, self._attempts(r.trial_id)) for r in self.store.records()
        }
        assert self.winners.items() <= winners.items()
        assert self.store.verify() == []
        self.winners = winners

    def look(self) -> None:
        """Nobody falls behind a checkpoint, before a kill or after it."""
        for trial_id in self.store.running():
            for step in self._steps(trial_id):
                assert step >= self.steps.get(trial_id, 0), f"{trial_id} began again"
                self.steps[trial_id] = step

    def _attempts(self, trial_id: str) -> frozenset[str]:
        folder = Path(self.store.root, "trials", trial_id[:2], trial_id)
        return frozenset(path.name for path in folder.iterdir() if path.is_dir())

    def _steps(self, trial_id: str) -> list[int]:
        names = ("run.safetensors", "adaptation.safetensors")
        states = [self.store.load_state(trial_id, name) for name in names]
        return [json.loads(metadata_of(state)["run"])["step"] for state in states if state]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, int], Sweep]:
    """A sweep with a store of its own."""

    def new(name: str, pack_size: int) -> Sweep:
        root = tmp_path / name
        spec = tmp_path / f"{name}.yaml"
        spec.write_text(SPEC.replace("STORE", str(root)).replace("PACK", str(pack_size)))
        return Sweep(spec=spec, store=Store(str(root)))

    return new


def torment(sweep: Sweep, start: Callable[[Path], Any], moments: random.Random, kills: int) -> int:
    """Run a sweep to its end through at most so many kills; returns how many there were."""
    left = kills
    while True:
        process = start(sweep.spec)
        while process.driver.poll() is None:
            _await_moment(process, sweep, moments)
            if left:
                left -= _kill_something(process, moments)
        output = process.finish()
        sweep.check()
        if process.driver.returncode == 0:
            assert "all 20 trials are done" in output
            return kills - left


def _await_moment(process: Any, sweep: Sweep, moments: random.Random) -> None:
    """Watch up to a moment: one of four in the start, and three in the middle of training."""
    since = time.time()
    is_early = moments.random() < 0.25
    while not is_early and process.driver.poll() is None and _last_write(sweep.store) < since:
        time.sleep(0.1)
    moment = time.time() + moments.uniform(0.0, EARLY if is_early else LATE)
    while process.driver.poll() is None and time.time() < moment:
        sweep.look()
        time.sleep(0.1)


def _last_write(store: Store) -> float:
    """When a checkpoint or a file of an attempt was last written."""
    folders = [Path(store.root, name) for name in ("running", "trials")]
    files = [path for folder in folders for path in folder.rglob("*.*")]
    return max((os.stat(path).st_mtime for path in files if path.exists()), default=0.0)


def _kill_something(process: Any, moments: random.Random) -> bool:
    """Kill a worker, the driver, or the driver's whole group; False where all is over."""
    if process.driver.poll() is not None:
        return False
    workers = process.workers()
    what = moments.choice(["worker", "worker", "driver", "group"])
    if what == "worker" and workers:
        process.kill(moments.choice(workers))
    elif what == "group":
        process.kill_group()
        process.driver.wait()
    else:
        process.kill(process.driver.pid)
        process.driver.wait()
    return True


@pytest.mark.parametrize(
    ("pack_size", "same"),
    [
        pytest.param(1, same_bytes, id="alone"),
        pytest.param(4, same_within_tolerance, id="packed"),
    ],
)
@pytest.mark.timeout(900)
def test_kills_at_random_moments(
    start_sweep: Callable[[Path], Any],
    write: Callable[[str, int], Sweep],
    pack_size: int,
    same: Callable[[TrialRecord, TrialRecord, Store, Store], None],
) -> None:
    """A trial lost, run twice, or resumed with another state than it was left in.

    A sweep of packs of one trial gives the bytes of an uninterrupted one; with
    neighbours, who may be others after a kill, results are equal to rounding.
    """
    moments = random.Random(2104)
    reference = write("uninterrupted", pack_size)
    assert torment(reference, start_sweep, moments, 0) == 0
    wanted = {record.trial_id: record for record in reference.store.records()}
    assert len(wanted) == 22
    kills = 0
    for number in itertools.count():
        sweep = write(f"killed{number}", pack_size)
        kills += torment(sweep, start_sweep, moments, KILLS - kills)
        records = {record.trial_id: record for record in sweep.store.records()}
        assert records.keys() == wanted.keys()
        assert list(sweep.store.discards()) == []
        for trial_id, record in records.items():
            same(record, wanted[trial_id], sweep.store, reference.store)
        if kills == KILLS:
            return

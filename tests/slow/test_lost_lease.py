"""A driver that was given up for dead, lives, and finds another in its place."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runners.store import Store
from sweeps import lease

SPEC = """\
name: tiny
design: star
model_family: nano
axes: {model_size: [60k], task: [cb], seed: [0, 1, 2]}
defaults:
  {prompt_length: 2, prompt_init: class_label, pretraining_objective: span_corruption,
   lm_adaptation_steps: 0}
settings:
  shared: {train_examples: 32, dev_examples: 8, batch_size: 4}
  prompt_tuning: {train_steps: 1500, eval_every: 1500, learning_rate: 0.3}
execution: {store: STORE, workers: 2, pack_size: 1, checkpoint_seconds: 0.05}
"""
PROGRAM = """\
import sys
from sweeps import cli, lease
lease.BEAT_SECONDS = 0.1
sys.exit(cli.main(sys.argv[1:]))
"""

pytestmark = pytest.mark.slow


def test_a_driver_that_was_given_up_stops(tmp_path: Path, start_sweep: Callable[..., Any]) -> None:
    """A driver that goes on beside its successor, or that Tune ends with a traceback."""
    spec = tmp_path / "tiny.yaml"
    store = Store(tmp_path / "store")
    spec.write_text(SPEC.replace("STORE", store.root))
    process = start_sweep(spec, PROGRAM)
    last = time.monotonic() + 60
    while not store.running():
        assert time.monotonic() < last
        time.sleep(0.05)
    first = lease.sign(store)
    assert first is not None
    assert store.leases().take(2, first.to_json())
    output = process.finish()
    assert process.driver.returncode == 1, output
    assert "another driver has taken over" in output
    assert "Traceback" not in output
    assert lease.sign(store).generation == 2

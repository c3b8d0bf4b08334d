"""A sweep whose model tuning and adaptation are done by two ranks each, one of which is killed."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runners.store import Store

pytestmark = pytest.mark.slow

SPEC = """\
name: ranks
design: star
model_family: nano
axes: {model_size: [60k], task: [cb], lm_adaptation_steps: [0, 60], seed: [0]}
defaults:
  {prompt_length: 2, prompt_init: class_label, pretraining_objective: lm_adaptation,
   lm_adaptation_steps: 60}
settings:
  shared: {train_examples: 64, dev_examples: 8, batch_size: 5}
  prompt_tuning: {train_steps: 2, eval_every: 2, learning_rate: 0.3}
  model_tuning: {train_steps: 60, eval_every: 20, learning_rate: 1e-3}
  lm_adaptation: {batch_size: 5, learning_rate: 1e-3, seed: 0}
baselines: [model_tuning]
execution: {store: STORE, workers: 1, checkpoint_seconds: 0.01, RANKSactivation_checkpointing: true}
"""
SECONDS = 240


def _await(met: Callable[[], bool], process: Any) -> None:
    """Wait until something is so, while the sweep goes on."""
    until = time.monotonic() + SECONDS
    while not met():
        assert process.driver.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)


def _ranks(process: Any) -> list[int]:
    return [pid for pid, title in process.members().items() if "Rank.run" in title]


def _finished(start_sweep: Callable[[Path], Any], tmp_path: Path, ranks: str) -> Store:
    store = Store(str(tmp_path / f"store{bool(ranks)}"))
    spec = tmp_path / f"ranks{bool(ranks)}.yaml"
    spec.write_text(SPEC.replace("STORE", store.root).replace("RANKS", ranks))
    process = start_sweep(spec)
    if ranks:
        _await(lambda: bool(store.running()), process)
        _await(lambda: len(_ranks(process)) == 2, process)
        process.kill(_ranks(process)[1])
    ended = process.driver.wait(timeout=SECONDS)
    told = "\n".join(failure.message for failure in store.failures())
    assert ended == 0, f"{process.output.read_text()}\n{told}\n{process.crashes()}"
    return store


@pytest.mark.timeout(600)
def test_a_rank_is_killed_and_the_others_results_are_those_of_one_process(
    start_sweep: Callable[[Path], Any], tmp_path: Path
) -> None:
    """A group that hangs or is given up, one that starts over, and results of another kind."""
    expected = {r.label: r for r in _finished(start_sweep, tmp_path, "").records()}
    store = _finished(start_sweep, tmp_path, "ranks: {60k: 2}, ")
    found = {record.label: record for record in store.records()}
    assert found.keys() == expected.keys()
    assert list(store.failures()) == []
    assert list(store.discards()) == []
    for label, record in found.items():
        one_by_one = "-p2-" in label
        assert record.provenance["ranks"] == (1 if one_by_one else 2)
        losses = {n: v for n, v in record.metrics.items() if n.endswith("loss")}
        wanted = {n: v for n, v in expected[label].metrics.items() if n.endswith("loss")}
        assert losses == pytest.approx(wanted, rel=0.05), json.dumps(record.metrics)

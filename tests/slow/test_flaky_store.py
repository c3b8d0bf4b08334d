"""A sweep on a store that is slow and fails now and then, as a network folder in trouble does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runners.store import Store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
ROOT = Path(__file__).parents[2]
SPEC = """\
name: tiny
design: star
model_family: nano
axes: {model_size: [60k], task: [cb], seed: [0, 1, 2, 3, 4, 5]}
defaults:
  {prompt_length: 2, prompt_init: class_label, pretraining_objective: lm_adaptation,
   lm_adaptation_steps: 20}
settings:
  shared: {train_examples: 64, dev_examples: 8, batch_size: 4}
  prompt_tuning: {train_steps: 60, eval_every: 20, learning_rate: 0.3}
  lm_adaptation: {batch_size: 4, learning_rate: 1e-3, seed: 0}
execution: {store: STORE, workers: 2, pack_size: 2, checkpoint_seconds: 0.5}
"""
SITE = """\
import builtins, errno, os, random, time

PLACE, LOG, MOST = os.environ["PLACE"], os.environ["LOG"], int(os.environ["MOST"])
good = random.randrange(MOST + 2)


def stumbling(name, function):
    def call(path, *args, **kwargs):
        global good
        if isinstance(path, (str, os.PathLike)) and os.fspath(path).startswith(PLACE):
            time.sleep(0.005)
            good -= 1
            if MOST >= 0 and good < 0:
                good = random.randrange(MOST // 2, MOST + 1)
                log = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
                os.write(log, (name + "\\n").encode())
                os.close(log)
                raise OSError(errno.EIO, os.strerror(errno.EIO), os.fspath(path))
        return function(path, *args, **kwargs)

    return call


builtins.open = stumbling("open", builtins.open)
for name in ("link", "replace", "rename", "scandir", "mkdir", "stat"):
    setattr(os, name, stumbling(name, getattr(os, name)))
"""
"""What every Python of the sweep, the workers' too, runs before anything else."""


def run(folder: Path, name: str, most: int, text: str = SPEC) -> "subprocess.CompletedProcess[str]":
    """A sweep in a store of that name, where at most so many calls go well between two that fail.

    None fails where `most` is negative.
    """
    spec = folder / f"{name}.yaml"
    spec.write_text(text.replace("STORE", str(folder / name)))
    (folder / "site").mkdir(exist_ok=True)
    (folder / "site" / "sitecustomize.py").write_text(SITE)
    environment = os.environ | {
        "PYTHONPATH": f"{folder / 'site'}:{ROOT}", "PLACE": str(folder / name),
        "MOST": str(most), "LOG": str(folder / f"{name}.log"),
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "sweeps", "run", str(spec)], cwd=folder, env=environment,
        capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip


def results(store: Store) -> dict[str, tuple[object, object]]:
    """The numbers and the checksums of every record."""
    return {r.trial_id: (dict(r.metrics), dict(r.files)) for r in store.records()}


def test_a_store_that_is_slow_and_stumbles(tmp_path: Path) -> None:
    """Trials that fail, run twice or differ because a network folder is in trouble.

    No more than 16 calls in a row go well.
    """
    done = run(tmp_path, "flaky", 16)
    assert done.returncode == 0, done.stdout + done.stderr
    failed = (tmp_path / "flaky.log").read_text().split()
    assert len(failed) > 20, "hardly a call failed"
    assert {"open", "stat"} <= set(failed)
    flaky = Store(tmp_path / "flaky")
    assert flaky.verify() == []
    assert list(flaky.failures()) == []
    assert list(flaky.discards()) == []

    sound = run(tmp_path, "sound", -1)
    assert sound.returncode == 0, sound.stdout + sound.stderr
    assert results(flaky) == results(Store(tmp_path / "sound"))


def test_a_store_that_is_away(tmp_path: Path) -> None:
    """A traceback, or trials that are marked failed, where the store alone is to blame."""
    small = SPEC.replace("[0, 1, 2, 3, 4, 5]", "[0]")
    done = run(tmp_path, "away", -1, small)
    assert done.returncode == 0, done.stdout + done.stderr
    gone = run(tmp_path, "away", 0)
    assert gone.returncode == 1, gone.stdout + gone.stderr
    last = gone.stderr.splitlines()[-1]
    assert last.startswith(f"store {tmp_path / 'away'}: does not answer (AwayError: "), gone.stderr
    assert last.endswith("see to it, and run it again")
    assert "Traceback" not in gone.stderr
    assert len(list(Store(tmp_path / "away").records())) == 2

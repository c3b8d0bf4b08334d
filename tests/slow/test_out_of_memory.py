"""A machine whose memory does run out: a limit of the kernel's, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runners.record import TrialRecord
from runners.store import Store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc, as Linux has it"),
]

PROGRAM = """\
import resource, runpy, sys
from runners.training import pack

megabytes, step = int(sys.argv[1]), pack.train_step

def limited(*arguments, **named):
    if megabytes:
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        most = used + megabytes * 10**6
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
    return step(*arguments, **named)

pack.train_step = limited
sys.argv = ["prompt_tuning", *sys.argv[2:]]
runpy.run_module("runners.prompt_tuning", run_name="__main__")
"""
"""A trial from the shell, whose steps get no more memory than so much beyond what there is."""
WORDS = (
    "task=boolq", "model_size=600k", "pretraining_objective=span_corruption",
    "lm_adaptation_steps=0", "prompt_length=20", "train_steps=3", "eval_every=3",
    "batch_size=256", "train_examples=512", "dev_examples=8", "learning_rate=0.3",
)  # fmt: skip


def trained(folder: Path, megabytes: int) -> TrialRecord:
    """The record of the trial with so much room; 0 is no limit."""
    words = [sys.executable, "-c", PROGRAM, str(megabytes), "--store", str(folder), *WORDS]
    done = subprocess.run(
        words, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (record,) = Store(folder).records()
    return record


def test_a_step_that_finds_no_memory_goes_in_parts(tmp_path: Path) -> None:
    """A trial that dies where half of its rows have room, or halves in silence."""
    free, tight = trained(tmp_path / "free", 0), trained(tmp_path / "tight", 60)
    assert free.provenance["micro_batch_positions"] == {}
    assert tight.provenance["micro_batch_positions"].keys() == {"training"}
    assert tight.trial_id == free.trial_id
    assert tight.metrics["train_loss"] == pytest.approx(free.metrics["train_loss"], rel=1e-5)

"""What Ray is asked for. Its GPUs are book-keeping here; nothing computes on one."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ray.exceptions import OutOfMemoryError

from runners.store import Store
from sweeps import driver
from sweeps.execution import Execution
from sweeps.outage import LowMemoryError
from sweeps.spec import load

SPEC = """\
name: held
design: star
model_family: nano
axes: {model_size: [60k, 200k], task: [cb], seed: [0, 1]}
defaults:
  {prompt_length: 2, prompt_init: class_label, pretraining_objective: span_corruption,
   lm_adaptation_steps: 0}
settings:
  shared: {train_examples: 16, dev_examples: 4, batch_size: 4}
  prompt_tuning: {train_steps: 2, eval_every: 2, learning_rate: 0.3}
execution:
  {store: STORE, workers: 2, pack_size: 1, gpus_per_worker: 1, gpu_shares: {60k: 0.5}}
"""
PROGRAM = """\
import functools, os, sys
from sweeps.run import RAY_SETTINGS
os.environ.update(RAY_SETTINGS)
import ray
ray.init = functools.partial(ray.init, num_gpus=GPUS)
from sweeps.cli import main
sys.exit(main(["run", sys.argv[1]]))
"""
"""`python -m sweeps run` on a machine that Ray believes to have so many GPUs."""
TUNED = """\
import os, sys, time
from pathlib import Path
from sweeps.run import RAY_SETTINGS
os.environ.update(RAY_SETTINGS)
import ray
from ray import tune
from sweeps.driver import tune_packs
from sweeps.packs import Pack
from sweeps.schedule import PackSearch

class Noted(tune.Trainable):
    def setup(self, config):
        self.config = config

    def reset_config(self, new_config):
        self.setup(new_config)
        return True

    def step(self):
        with open(self.config["file"], "a") as file:
            print(self.config["pack"].name, os.getpid(), file=file)
        time.sleep(0.1)
        return {"share": 1.0, "done": True}

    def save(self, *args):
        raise RuntimeError("this node does not see the folder of the driver")

class Until(PackSearch):
    until = time.monotonic() + 60

    def suggest(self, trial_id):
        file = Path(sys.argv[1])
        rows = file.read_text().splitlines() if file.exists() else []
        if not rows and self._given:
            return None
        if len({row.split()[-1] for row in rows}) > 1 or time.monotonic() > self.until:
            self._waiting.clear()
        else:
            self._waiting.append(Pack(name="again", cost=1.0))
        return super().suggest(trial_id)

ray.init(num_cpus=2, include_dashboard=False)
search = Until([], bool)
tune_packs(search, Noted, {"file": sys.argv[1]}, workers=2, watch=tune.Callback())
"""
"""A pack for one worker, then short ones until a second has taken part, a minute at most.

It is noted who did them, on a node that does not see the driver's folder.
"""
ROOT = Path(__file__).parents[2]


def _run(folder: Path, gpus: int) -> "subprocess.CompletedProcess[str]":
    spec = folder / "held.yaml"
    spec.write_text(SPEC.replace("STORE", str(folder / "store")))
    return _python(PROGRAM.replace("GPUS", str(gpus)), spec)


def _python(program: str, told: Path) -> "subprocess.CompletedProcess[str]":
    # Sockets have short names, so Ray's folder cannot lie deep.
    with tempfile.TemporaryDirectory(prefix="ps-", dir="/tmp", ignore_cleanup_errors=True) as ray:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "RAY_TMPDIR": ray}
        return subprocess.run(
        [sys.executable, "-c", program, str(told)],
        check=False, cwd=told.parent, env=environment, timeout=200,
        capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("gpus", "held"),
    [(0.0, {"CPU": 3.0}), (0.25, {"CPU": 3.0, "GPU": 0.25}), (1.0, {"CPU": 3.0, "GPU": 1.0})],
)
def test_what_a_worker_holds(gpus: float, held: dict[str, float]) -> None:
    """Catches workers that share a GPU without Ray's knowing, or hold one without need."""
    execution = Execution(store="s", threads=3, gpus_per_worker=gpus)
    assert driver._resources(execution, "60k").required_resources == held


def test_sizes_hold_shares_of_their_own() -> None:
    """Catches a small model with a GPU to itself, or a large one in a quarter of one."""
    shares = {"60k": 0.25}
    execution = Execution(store="s", threads=3, gpus_per_worker=1.0, gpu_shares=shares)
    held = driver._resources(execution, "60k").required_resources
    assert held == {"CPU": 3.0, "GPU": 0.25}
    assert driver._resources(execution, "2m").required_resources["GPU"] == 1.0


@pytest.mark.parametrize("on_ctrl_c", [signal.default_int_handler, signal.SIG_IGN])
def test_who_asks_a_driver_to_end_is_heard_as_ctrl_c(on_ctrl_c: Any) -> None:
    """Catches a job that is stopped without its last line, and with the store still held.

    A shell has what it starts behind `&` ignore Ctrl-C, which must not make it deaf.
    """
    before, pressed = signal.getsignal(signal.SIGTERM), signal.signal(signal.SIGINT, on_ctrl_c)
    try:
        with pytest.raises(KeyboardInterrupt), driver._ended_gently():
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGINT, pressed)
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.slow
def test_two_workers_share_a_gpu(tmp_path: Path) -> None:
    """Catches shares that Ray is asked for in a way it never grants.

    So it would be where idle workers of one size keep the GPU from another size.
    """
    done = _run(tmp_path, gpus=1)
    assert done.returncode == 0, done.stdout + done.stderr
    spec = load(tmp_path / "held.yaml")
    wanted = {trial.config.trial_id for trial in spec.trials}
    assert Store(spec.execution.store).done(wanted) == wanted


def test_a_machine_without_a_gpu_is_told_at_once(tmp_path: Path) -> None:
    """Catches a sweep that waits for ever for what the machine does not have."""
    done = _run(tmp_path, gpus=0)
    assert done.returncode == 2
    said = "execution.gpus_per_worker: 1 cannot be had, for Ray finds no GPU on this machine; "
    assert said in done.stderr
    assert list(Store(str(tmp_path / "store")).records()) == []


def test_two_workers_do_all_packs(tmp_path: Path) -> None:
    """Catches a worker that ends with its pack, and one that takes the packs of those that start.

    Tune saves what is done where the driver is, which failed on every other node, and gives
    a free worker the pack of one that is starting, which ends that one, time and again.
    """
    done = _python(TUNED, tmp_path / "packs")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split() for line in (tmp_path / "packs").read_text().splitlines()]
    assert len({worker for _, worker in rows}) == 2


def test_memory_that_ray_frees_ends_a_sweep_with_a_sentence() -> None:
    """A traceback of Tune's where Ray has ended a worker, of which Tune knows nothing."""
    full: Callable[[str], Exception] = OutOfMemoryError
    error = RuntimeError("Caught unexpected exception")
    error.__cause__ = full("1 worker(s) were killed")
    with (
        pytest.raises(LowMemoryError, match="nothing that was committed is lost"),
        driver._low_memory_told(),
    ):
        raise error
    with pytest.raises(RuntimeError, match="else"), driver._low_memory_told():
        raise RuntimeError("else")

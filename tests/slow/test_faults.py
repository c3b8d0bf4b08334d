"""Faults of a sweep and of the machines under it, each made to happen."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runners.store import Store
from runners.training.session import STATE
from runners.training.trial import metadata_of
from sweeps import lease
from sweeps.spec import load
from tests.slow.hosts import Host, Network, checkout, missing, network, start_ray

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
on_hosts = pytest.mark.skipif(missing() is not None, reason=str(missing()))

SPEC = """\
name: tiny
design: star
model_family: nano
axes: {model_size: [60k], task: [cb], seed: SEEDS}
defaults:
  {prompt_length: 2, prompt_init: class_label, pretraining_objective: span_corruption,
   lm_adaptation_steps: 0}
settings:
  shared: {train_examples: 64, dev_examples: 8, batch_size: 4}
  prompt_tuning: {train_steps: STEPS, eval_every: STEPS, learning_rate: 0.3}
execution: {store: STORE, workers: 2, checkpoint_seconds: 1, EXECUTION}
"""
RUN = ["python", "-m", "sweeps", "run", "tiny.yaml"]
PATIENCE = 600.0


def write_spec(folder: Path, store: Path, *, steps: int, seeds: int, execution: str) -> Path:
    """A spec of so many trials."""
    words = {
        "STORE": str(store), "STEPS": str(steps), "SEEDS": str(list(range(seeds))),
        "EXECUTION": execution,
    }  # fmt: skip
    text = SPEC
    for word, value in words.items():
        text = text.replace(word, value)
    path = folder / "tiny.yaml"
    path.write_text(text)
    return path


def checkpoints(store: Store) -> dict[str, int]:
    """The step of every checkpoint that is there."""
    states = {trial_id: store.load_state(trial_id, STATE) for trial_id in store.running()}
    return {
        i: json.loads(metadata_of(state)["run"])["step"] for i, state in states.items() if state
    }


@pytest.fixture
def one() -> Iterator[Network]:
    """A host."""
    with network("head") as net:
        yield net


@pytest.fixture
def two() -> Iterator[Network]:
    """Two hosts."""
    with network("head", "w1") as net:
        yield net


def test_a_trial_that_hangs_fails_alone(
    start_sweep: Callable[..., Any], tmp_path: Path
) -> None:  # fmt: skip
    """A read that never returns, and with it a worker, its neighbours in the batch, and the sweep.

    The checkpoint of the trial is a pipe that nobody writes to.
    """
    store = Store(tmp_path / "store")
    execution = "pack_size: 4, deadline_seconds: 60"
    path = write_spec(tmp_path, Path(store.root), steps=20, seeds=3, execution=execution)
    first, second, third = (trial.config.trial_id for trial in load(path).trials)
    store.save_state(second, STATE, b"")
    pipe = Path(store.root, "running", second, STATE)
    pipe.unlink()
    os.mkfifo(pipe)

    process = start_sweep(path)
    output = process.finish(PATIENCE)
    assert process.driver.returncode == 1, output
    assert output.splitlines()[-1].startswith("tiny: 2 of 3 trials are done, 1 failed, 0 are miss")
    assert store.done([first, second, third]) == {first, third}
    (failure,) = store.failures()
    assert (failure.trial_id, failure.kind) == (second, "hung")
    assert failure.message.startswith("no progress for 60 s")

    store.clear_state(second)
    process = start_sweep(path)
    output = process.finish(PATIENCE)
    assert process.driver.returncode == 0, output
    assert store.done([second])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_driver_that_is_asked_to_end(
    start_sweep: Callable[..., Any], tmp_path: Path, number: signal.Signals
) -> None:
    """A job that is stopped, or a batch system out of time: no last line, and a store that is held.

    What was trained up to the last checkpoint stays.
    """
    store = Store(tmp_path / "store")
    path = write_spec(tmp_path, Path(store.root), steps=1500, seeds=4, execution="pack_size: 1")
    process = start_sweep(path)
    until = time.monotonic() + PATIENCE
    while len(checkpoints(store)) < 2:
        assert process.driver.poll() is None
        assert time.monotonic() < until
        time.sleep(0.2)
    process.driver.send_signal(number)
    output = process.finish(PATIENCE)
    assert process.driver.returncode == 1, output
    assert "Traceback" not in output
    assert output.splitlines()[-1].endswith("run it again to try what is not done")
    assert lease.sign(store).released
    before = checkpoints(store)
    assert before

    process = start_sweep(path)
    while process.driver.poll() is None:
        assert all(step >= before.get(trial_id, 0) for trial_id, step in checkpoints(store).items())
        time.sleep(0.5)
    assert process.finish().splitlines()[-1] == "tiny: all 4 trials are done"
    assert process.driver.returncode == 0


@on_hosts
def test_a_disk_that_fills(one: Network) -> None:
    """A traceback, a record cut in half, or trials that have failed for want of room."""
    head, folder, store = one.hosts["head"], checkout(one.base / "checkout"), one.base / "store"
    store.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(store)]
    assert head.run(mount).returncode == 0
    write_spec(folder, store, steps=8, seeds=20, execution="pack_size: 2")
    done = head.run(RUN, folder)
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stdout
    last = done.stdout.splitlines()[-1]
    assert last.startswith(f"store {store}: a disk is full ("), done.stdout
    assert last.endswith("make room, and run it again")
    committed = _attempts(head, store)
    assert 0 < len(committed) < 20
    assert not head.run(["ls", str(store / "failures")]).stdout.endswith(".json\n")

    assert head.run(["mount", "-o", "remount,size=64m", str(store)]).returncode == 0
    done = head.run(RUN, folder)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == "tiny: all 20 trials are done"
    assert committed.items() <= _attempts(head, store).items()
    verified = head.run(["python", "-m", "sweeps", "verify", "tiny.yaml"], folder)
    assert verified.returncode == 0, verified.stdout


def _attempts(host: Host, store: Path) -> dict[str, str]:
    """The attempt that counts of every trial, in a folder that only the host sees."""
    listed = host.run(["find", str(store / "trials"), "-name", "record.json"]).stdout.split()
    records = [json.loads(host.run(["cat", path]).stdout) for path in listed]
    return {record["trial_id"]: record["attempt"] for record in records}


def _driven(
    net: Network, *, cpus: int, steps: int = 1500
) -> "tuple[Path, Store, subprocess.Popen[str]]":
    """A sweep on a cluster of these hosts, once two of its trials have checkpoints."""
    head, *others = net.hosts.values()
    folder, store = checkout(net.base / "checkout"), Store(net.base / "store")
    for host in (head, *others):
        start_ray(host, f"--num-cpus={cpus}", head=None if host is head else head)
    path = write_spec(folder, Path(store.root), steps=steps, seeds=4, execution="pack_size: 1")
    driver = head.start(RUN, folder, RAY_ADDRESS="auto")
    until = time.monotonic() + PATIENCE
    while len(checkpoints(store)) < 2:
        assert driver.poll() is None, driver.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.2)
    return path, store, driver


@on_hosts
@pytest.mark.parametrize("how", ["power cut", "preemption", "partition"])
def test_a_node_that_goes(two: Network, how: str) -> None:
    """A sweep that fails with its machine, or begins again what the machine had done.

    A preempted machine ends its processes with SIGTERM; one without power says nothing; one
    that is cut off sees the store, and must not write there over the one that took its place.
    """
    # Ray misses a node that is cut off after a minute.
    _, store, driver = _driven(two, cpus=1, steps=6000 if how == "partition" else 1500)
    w1 = two.hosts["w1"]
    before = checkpoints(store)
    if how == "power cut":
        w1.end()
    elif how == "partition":
        w1.cable("down")
    else:
        (raylet,) = w1.processes("/raylet/raylet ")
        w1.signal(raylet, signal.SIGTERM)
    until = time.monotonic() + PATIENCE
    while driver.poll() is None:
        assert time.monotonic() < until
        for trial_id, step in checkpoints(store).items():
            assert step >= before.get(trial_id, 0), "began again"
            before[trial_id] = step
        time.sleep(0.5)
    output = driver.communicate()[0]
    assert driver.returncode == 0, output
    assert output.splitlines()[-1] == "tiny: all 4 trials are done"
    assert list(store.failures()) == []
    assert list(store.discards()) == []
    assert store.verify() == []


@on_hosts
def test_a_head_that_dies(one: Network) -> None:
    """A driver that hangs without its head, or says nothing, or that all is well."""
    head = one.hosts["head"]
    path, store, driver = _driven(one, cpus=2)
    (gcs,) = head.processes("/gcs/gcs_server ")
    head.signal(gcs)
    output = driver.communicate(timeout=PATIENCE)[0]
    assert driver.returncode != 0
    last = output.splitlines()[-1]
    assert last.startswith(f"Ray's head at {head.address}:6379 is gone, and nothing runs any more")

    committed = {record.trial_id: record.attempt for record in store.records()}
    for pid in head.processes("ray"):
        head.signal(pid)
    start_ray(head, "--num-cpus=2")
    done = head.run(RUN, path.parent, PATIENCE, RAY_ADDRESS="auto")
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == "tiny: all 4 trials are done"
    assert committed.items() <= {r.trial_id: r.attempt for r in store.records()}.items()
    assert store.verify() == []

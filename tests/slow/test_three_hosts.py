"""`ray up` and `ray submit` between four hosts: from a client to a head with two workers."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runners.store import Store
from tests.slow.hosts import Network, checkout, fill_in, missing, network
from tests.slow.likeness import same_bytes, same_within_tolerance

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(2400),
    pytest.mark.skipif(missing() is not None, reason=str(missing())),
]

SPEC = """\
name: grid
design: star
model_family: nano
axes:
  model_size: [60k]
  prompt_length: [1, 2, 5, 10]
  task: [cb]
  seed: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
defaults:
  prompt_length: 5
  prompt_init: class_label
  pretraining_objective: lm_adaptation
  lm_adaptation_steps: 20
settings:
  shared: {train_examples: 64, dev_examples: 16, batch_size: 4}
  prompt_tuning: {train_steps: 400, eval_every: 200, learning_rate: 0.3}
  lm_adaptation: {batch_size: 4, learning_rate: 1e-3, seed: 0}
execution: {store: STORE, workers: 3, pack_size: PACK, checkpoint_seconds: 1}
"""
TRIALS = 40
PACK = 4
WORKERS = {"w1", "w2"}
PATIENCE = 1500.0


@pytest.fixture
def net() -> Iterator[Network]:
    """A client, and the hosts of a cluster; the checkout is on the client."""
    with network("client", "head", "w1", "w2") as made:
        checkout(made.base / "checkout")
        yield made


@pytest.fixture
def pair() -> Iterator[Network]:
    """A client, and a cluster of two hosts; the checkout is on the client."""
    with network("client", "head", "w1") as made:
        checkout(made.base / "checkout")
        yield made


def hosts_of(store: Store) -> set[str]:
    """Who has committed something."""
    return {record.provenance["host"] for record in store.records()}


def trials_in(store: Store) -> set[str]:
    """What has been committed."""
    return {record.trial_id for record in store.records()}


def write_spec(path: Path, store: Store) -> None:
    """The grid, with its results in `store`."""
    path.write_text(SPEC.replace("STORE", store.root).replace("PACK", str(PACK)))


def wait_for_nodes(net: Network, head: str, wanted: int) -> None:
    """`ray up` returns when the head is up; its workers join later, one sooner than another."""
    until = time.monotonic() + PATIENCE
    while f"/{wanted}.0 CPU" not in (status := net.hosts[head].run(["ray", "status"]).stdout):
        assert time.monotonic() < until, status
        time.sleep(1)


def test_a_host_dies_in_the_middle(net: Network) -> None:
    """A submit that fails with one of its machines, or whose results depend on where they ran.

    Equal to the byte but for trials that lost neighbours of their pack, which are equal to
    rounding. Also a worker that ends with its first pack, for it is not on the driver's machine.
    """
    client, folder = net.hosts["client"], net.base / "checkout"
    store, alone = Store(net.base / "store"), Store(net.base / "alone")
    write_spec(folder / "grid.yaml", store)
    write_spec(folder / "alone.yaml", alone)
    fill_in(folder, net, head="head", workers=["w1", "w2"])
    up = client.run(["ray", "up", "-y", "sweep.yaml"], folder, PATIENCE)
    assert up.returncode == 0, up.stdout
    wait_for_nodes(net, "head", 3)

    words = ["ray", "submit", "sweep.yaml", "sweeps/submit.py", "--", "grid.yaml"]
    submit = client.start(words, folder)
    until = time.monotonic() + PATIENCE
    while len(before := trials_in(store)) < TRIALS / 4 or not hosts_of(store) >= WORKERS:
        assert submit.poll() is None, submit.communicate()[0]
        assert time.monotonic() < until, "a worker takes no part"
        time.sleep(0.5)
    net.hosts["w2"].end()
    output = submit.communicate(timeout=PATIENCE)[0]
    assert submit.returncode == 0, output
    assert f"grid: all {TRIALS} trials are done" in output
    assert len(before) < TRIALS, "w2 died when all was over"
    assert {"head", *WORKERS} >= hosts_of(store)
    assert list(store.failures()) == []
    assert store.verify() == []
    logs = ["sh", "-c", "grep -l actor_name:PackTrainable /tmp/ray/session_latest/logs/*.out"]
    workers = net.hosts["w1"].run(logs).stdout.split()
    assert len(workers) == 1, "a pack that was done ended its worker"

    local = client.run(["python", "-m", "sweeps", "run", "alone.yaml"], folder, PATIENCE)
    assert local.returncode == 0, local.stdout
    records = {record.trial_id: record for record in store.records()}
    wanted = {record.trial_id: record for record in alone.records()}
    assert records.keys() == wanted.keys() and len(wanted) == TRIALS + 1
    # Of the pack that died some trials may have been committed, or be a checkpoint ahead: the
    # others went on in other company.
    bereft = [name for name in wanted if records[name].files != wanted[name].files]
    assert len(bereft) <= PACK and not before & set(bereft)
    for name, expected in wanted.items():
        same = same_within_tolerance if name in bereft else same_bytes
        same(records[name], expected, store, alone)


def test_the_head_loses_its_power(pair: Network) -> None:
    """A submit that hangs, or says that all is well, when the machine of its driver is gone.

    The next submit, once the machine is up again, runs what is missing and nothing twice.
    """
    client, folder = pair.hosts["client"], pair.base / "checkout"
    store = Store(pair.base / "store")
    write_spec(folder / "grid.yaml", store)
    fill_in(folder, pair, head="head", workers=["w1"])
    words = ["ray", "submit", "sweep.yaml", "sweeps/submit.py", "--", "grid.yaml"]
    up = client.run(["ray", "up", "-y", "sweep.yaml"], folder, PATIENCE)
    assert up.returncode == 0, up.stdout
    wait_for_nodes(pair, "head", 2)
    submit = client.start(words, folder)
    until = time.monotonic() + PATIENCE
    while len(list(store.records())) < TRIALS / 4:
        assert submit.poll() is None, submit.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.5)
    pair.hosts["head"].end()
    output = submit.communicate(timeout=PATIENCE)[0]
    assert submit.returncode == 1, output
    assert "trials are done" not in output.splitlines()[-1]
    committed = {record.trial_id: record.attempt for record in store.records()}
    assert len(committed) < TRIALS, "the head died when all was over"

    pair.power_on("head")
    up = client.run(["ray", "up", "-y", "sweep.yaml"], folder, PATIENCE)
    assert up.returncode == 0, up.stdout
    again = client.run(words, folder, PATIENCE)
    assert again.returncode == 0, again.stdout
    assert f"grid: all {TRIALS} trials are done" in again.stdout
    assert committed.items() <= {r.trial_id: r.attempt for r in store.records()}.items()
    assert list(store.failures()) == []
    assert store.verify() == []

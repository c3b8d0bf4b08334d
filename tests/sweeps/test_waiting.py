"""`status --wait`: until nobody drives the sweep any more."""

import threading
import time
from dataclasses import replace

import pytest

from runners.store import Store
from sweeps import lease, waiting
from sweeps.lease import Lease, Sign
from sweeps.spec import SweepSpec, parse


@pytest.fixture
def stored(text: str, store: Store) -> SweepSpec:
    """The small spec, whose store is the empty one."""
    return parse(text.replace("results/small", store.root), path="small.yaml")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs of life within a test's patience."""
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(lease, "STALE_SECONDS", 0.5)
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(waiting, "START_SECONDS", 0.3)


def waited(spec: SweepSpec, seconds: float = 30.0) -> tuple[bool, float]:
    """What waiting says, and after how many seconds."""
    began = time.monotonic()
    return waiting.wait(spec, seconds), time.monotonic() - began


def leave(held: Lease, after: float) -> threading.Timer:
    """Gives the lease back in a moment."""
    timer = threading.Timer(after, lambda: held.__exit__(None, None, None))
    timer.start()
    return timer


def test_it_waits_for_the_driver_and_no_longer(stored: SweepSpec, store: Store) -> None:
    """A script that goes on while the sweep runs, or that waits once more for nothing."""
    timer = leave(lease.take(store, "small").__enter__(), after=1.0)
    ended, seconds = waited(stored)
    timer.join()
    assert ended
    assert 0.9 < seconds < 15


def test_it_gives_up_when_told_to(stored: SweepSpec, store: Store) -> None:
    """A poll with a limit that hangs."""
    with lease.take(store, "small"):
        assert waited(stored, seconds=0.4)[0] is False


def test_a_driver_that_is_about_to_start_is_waited_for(stored: SweepSpec, store: Store) -> None:
    """`submit --tmux` followed at once by a wait, which finds nobody and calls it over."""
    started: list[Lease] = []
    start = threading.Timer(0.1, lambda: started.append(lease.take(store, "small").__enter__()))
    start.start()
    assert waited(stored, seconds=1.0)[0] is False
    started[0].__exit__(None, None, None)


def test_nobody_drives_it(stored: SweepSpec, store: Store) -> None:
    """A wait for ever for what nobody does, or for the driver of another sweep."""
    assert waited(stored)[0]
    with lease.take(store, "another"):
        assert waited(stored)[0]


def test_a_driver_that_died_elsewhere_has_ended(stored: SweepSpec, store: Store) -> None:
    """A wait for ever for a head that is gone."""
    with lease.take(store, "small"):
        pass
    seen = lease.sign(store)
    assert isinstance(seen, Sign)
    far = replace(seen, released=False, holder=replace(seen.holder, machine="far"))
    store.leases().renew(seen.generation, far.to_json())
    ended, seconds = waited(stored)
    assert ended
    assert seconds >= lease.STALE_SECONDS

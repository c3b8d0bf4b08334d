"""One driver at a time: who holds, who is refused, who takes over, and who has to stop."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from runners.store import Store
from sweeps import lease
from sweeps.lease import HeldError, LostError, Sign

ELSEWHERE = "another machine"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs of life within a test's patience."""
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(lease, "STALE_SECONDS", 0.5)
    monkeypatch.setattr(lease, "LOOK_SECONDS", 0.02)


def move_away(store: Store, **changes: object) -> Sign:
    """The lease as if a process of another machine held it."""
    sign = lease.sign(store)
    assert sign is not None
    holder = replace(sign.holder, machine=ELSEWHERE, host="far")
    moved = replace(sign, holder=holder, **changes)
    assert store.leases().renew(sign.generation, moved.to_json())
    return moved


def left_by(code: str, store: Store) -> subprocess.Popen[str]:
    """A process that takes the lease, says so, and goes on with `code`."""
    program = (
        "import sys, time\nfrom runners.store import Store\nfrom sweeps import lease\n"
        f"held = lease.take(Store({store.root!r}), 'first')\n"
        f"with held:\n    print('taken', flush=True)\n    {code}\n"
    )
    root = Path(__file__).parents[2]
    child = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=root
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "taken\n"
    return child


def until(fact: Callable[[], bool]) -> None:
    """Wait until something is so."""
    last = time.monotonic() + 20
    while not fact():
        assert time.monotonic() < last
        time.sleep(0.01)


def test_a_second_driver_is_refused_and_told_by_whom(store: Store) -> None:
    """Two drivers that run the same trials side by side for a night."""
    with lease.take(store, "first"), pytest.raises(HeldError) as refused:
        lease.take(store, "second")

    said = str(refused.value)
    assert f"store {store.root}: is held by process {os.getpid()} on " in said
    assert "which has run first since 20" in said
    assert "wait for it (python -m sweeps status SPEC --wait)" in said


def test_a_lease_that_was_given_back_is_free(store: Store) -> None:
    """A sweep that was stopped and cannot be started again."""
    for _ in range(3):
        with lease.take(store, "again"):
            pass

    sign = lease.sign(store)
    assert sign is not None
    assert (sign.generation, sign.released) == (3, True)
    assert [path.name for path in Path(store.root, "leases").iterdir()] == ["00000003.json"]


def test_a_lease_is_given_back_where_a_driver_fails(store: Store) -> None:
    """An error that locks the store for ever."""
    with pytest.raises(ZeroDivisionError), lease.take(store, "first"):
        raise ZeroDivisionError

    with lease.take(store, "second"):
        pass


def test_a_driver_that_was_killed_is_replaced_at_once(store: Store) -> None:
    """A minute of waiting after every crash on a laptop."""
    child = left_by("time.sleep(60)", store)
    with pytest.raises(HeldError):
        lease.take(store, "second")
    child.kill()
    # Not waited for: a parent that is busy leaves a zombie, which must not pass for alive.
    until(lambda: _state(child.pid) == "Z")
    waits: list[str] = []
    with lease.take(store, "second", say=waits.append):
        pass
    child.communicate()
    assert waits == []


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_another_process_of_the_same_number_is_not_the_driver(store: Store) -> None:
    """A number that came round, or one in another container, which holds a store for ever."""
    with lease.take(store, "first"):
        sign = lease.sign(store)
        assert sign is not None
        assert not sign.holder.is_dead()
        assert replace(sign.holder, started="1").is_dead()
        assert not replace(sign.holder, machine=ELSEWHERE, started="1").is_dead()


def test_a_driver_elsewhere_that_is_silent_is_given_up(store: Store) -> None:
    """A head that died and whose store nobody may use again."""
    with lease.take(store, "first"):
        pass
    move_away(store, released=False)
    said: list[str] = []
    began = time.monotonic()
    with lease.take(store, "second", say=said.append):
        assert time.monotonic() - began >= lease.STALE_SECONDS
    assert "Waiting for a sign of life" in said[0]
    assert said[1] == "It gave none, and this driver takes over from far"


def test_a_driver_elsewhere_that_lives_is_not_given_up(store: Store) -> None:
    """A sweep taken from a driver on another machine that is well."""
    with lease.take(store, "first") as held:
        holder = replace(held._sign.holder, machine=ELSEWHERE)
        held._sign = replace(held._sign, holder=holder)
        until(lambda: lease.sign(store) == held._sign)
        with pytest.raises(HeldError):
            lease.take(store, "second", say=lambda _: None)


def test_a_driver_elsewhere_that_ends_while_it_is_watched_is_not_waited_for(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A minute that is waited for nothing."""
    monkeypatch.setattr(lease, "STALE_SECONDS", 60.0)
    with lease.take(store, "first"):
        pass
    gone = move_away(store, released=False)
    ended = replace(gone, released=True).to_json()
    threading.Timer(0.2, lambda: store.leases().renew(gone.generation, ended)).start()
    began = time.monotonic()
    with lease.take(store, "second", say=lambda _: None):
        assert time.monotonic() - began < 30


def test_a_driver_that_was_given_up_finds_out_and_stops(store: Store) -> None:
    """Two drivers for the rest of the sweep, once a partition has healed."""
    with lease.take(store, "first") as first:
        first.check()
        assert store.leases().take(2, lease.sign(store).to_json())
        until(lambda: first._lost)
        with pytest.raises(LostError, match="another driver has taken over"):
            first.check()
    sign = lease.sign(store)
    assert (sign.generation, sign.released) == (2, False)


def test_a_stopped_driver_is_not_replaced_where_it_can_be_seen(store: Store) -> None:
    """A sweep that somebody has suspended and that would go on beside its successor."""
    child = left_by("time.sleep(60)", store)
    os.kill(child.pid, signal.SIGSTOP)
    with pytest.raises(HeldError):
        lease.take(store, "second")
    child.kill()
    child.communicate()


def _contend(root: str, start: float, results: "multiprocessing.Queue[bool]") -> None:
    time.sleep(max(0.0, start - time.time()))
    try:
        held = lease.take(Store(root), "one of many", say=lambda _: None)
    except HeldError:
        results.put(False)
        return
    with held:
        results.put(True)
        # Held until all others have been refused.
        time.sleep(2.0)


def test_one_of_many_gets_a_lease_that_was_given_up(store: Store) -> None:
    """Two drivers that both find the lease stale, and both take it."""
    child = left_by("time.sleep(60)", store)
    child.kill()
    child.communicate()
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    start = time.time() + 0.3
    rivals = [context.Process(target=_contend, args=(store.root, start, results)) for _ in "12345"]
    for rival in rivals:
        rival.start()
    won = [results.get(timeout=30) for _ in rivals]
    for rival in rivals:
        rival.join()
    assert sorted(won) == [False, False, False, False, True]


def test_a_store_that_cannot_be_written_for_a_while_ends_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full disk or a network folder that is away, by which a sweep loses its lease."""

    def fail(*_: object) -> bool:
        raise OSError(28, "No space left on device")

    with lease.take(store, "first") as held:
        with monkeypatch.context() as patch:
            patch.setattr(held._leases, "renew", fail)
            time.sleep(0.2)
        held.check()
        beat = held._sign.beat
        until(lambda: lease.sign(store).beat > beat)
    assert (
        "lease: cannot be renewed ([Errno 28] No space left on device)" in capsys.readouterr().err
    )


def test_looking_makes_no_store(store: Store) -> None:
    """A look at a sweep that leaves folders behind."""
    assert lease.sign(store) is None
    assert not Path(store.root).exists()


def test_a_lease_is_readable(store: Store) -> None:
    """A file that says nothing to whom it refuses."""
    with lease.take(store, "first"):
        written = json.loads(Path(store.root, "leases", "00000001.json").read_text())
    assert written["holder"]["pid"] == os.getpid()
    assert written["holder"]["sweep"] == "first"

"""Packs that make no progress; one that hangs under Ray is in tests/slow/test_faults.py."""

import itertools
import threading
from collections.abc import Callable, Iterator

import pytest

from sweeps import deadline
from sweeps.deadline import watched
from sweeps.failures import PackError
from sweeps.progress import Report

SOON, LONG = 0.2, 60.0


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes that this process would have ended, and lets it live."""
    notes: list[str] = []
    monkeypatch.setattr(deadline, "leave", lambda: notes.append("left"))
    return notes


@pytest.fixture
def hang() -> Iterator[Callable[[], None]]:
    """Hangs until the test is over."""
    over = threading.Event()
    yield lambda: over.wait(LONG) and None
    over.set()


def reports(*shares: float, then: Callable[[], None]) -> Iterator[Report]:
    """Reports of a pack that does something at its end."""
    for share in shares:
        yield Report(share=share)
    then()


@pytest.mark.parametrize("seconds", [None, LONG])
def test_work_in_time_is_as_it_was(seconds: float | None, left: list[str]) -> None:
    """A deadline that loses the last report, or a pack that is over and waits for one."""
    work = reports(0.2, 0.2, 1.0, then=lambda: None)
    assert [report.share for report in watched(work, seconds)] == [0.2, 0.2, 1.0]
    assert left == []


def test_what_hangs_is_ended_in_words(hang: Callable[[], None], left: list[str]) -> None:
    """A worker that holds a GPU for days and trains nothing."""
    work = watched(reports(0.2, 0.4, then=hang), SOON)
    assert [next(work).share, next(work).share] == [0.2, 0.4]
    with pytest.raises(
        PackError, match=r"no progress for 0\.2 s, which execution\.deadline_sec"
    ) as e:
        next(work)
    assert e.value.loss.kind == "hung"
    assert left == ["left"]


def test_reports_that_say_the_same_are_no_progress(left: list[str]) -> None:
    """Ranks of which one hangs, while their watcher reports twice a second."""

    def same() -> Iterator[Report]:
        while True:
            threading.Event().wait(SOON / 10)
            yield Report(share=0.5)

    work = itertools.islice(watched(same(), SOON), 50)
    with pytest.raises(PackError, match="no progress"):
        list(work)
    assert left == ["left"]


def test_time_that_nobody_asks_in_does_not_count(left: list[str]) -> None:
    """Packs that are ended because their driver was busy."""
    work = watched(reports(0.5, 0.5, 0.5, then=lambda: None), SOON)
    for _ in range(3):
        assert next(work).share == 0.5
        threading.Event().wait(SOON)
    assert list(work) == []
    assert left == []


def test_errors_of_the_work_are_its_own(left: list[str]) -> None:
    """A store that timed out and is told as a trial that hangs."""

    def fail() -> None:
        raise TimeoutError("the store does not answer")

    work = watched(reports(then=fail), LONG)
    with pytest.raises(TimeoutError, match="the store does not answer"):
        next(work)
    assert left == []


def test_a_process_that_hangs_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was given up and keeps its GPU."""
    gone = threading.Event()
    monkeypatch.setattr(deadline, "LEAVE_SECONDS", 0.01)
    monkeypatch.setattr("os._exit", lambda code: gone.set() if code == 1 else None)
    deadline.leave()
    assert gone.wait(LONG)

"""The watch over Ray's head. A head that is killed: tests/slow/test_faults.py."""

import threading
from collections.abc import Callable

import pytest

from sweeps import address, head

LONG = 60.0
Set = Callable[[bool], None]


@pytest.fixture
def gone(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set where this process would have ended; nobody waits long."""
    event = threading.Event()
    monkeypatch.setattr(head, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(head, "PATIENCE_SECONDS", 0.1)

    def end(code: int) -> None:
        assert code == 1
        event.set()

    monkeypatch.setattr("os._exit", end)
    return event


def refuse(_: str) -> bool:
    """A port where nobody listens."""
    raise ConnectionRefusedError


def test_a_head_that_is_gone_is_told(
    gone: threading.Event, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A driver that Ray ends a minute later, with nothing but an exit code."""
    monkeypatch.setattr(address, "answers", refuse)
    with head.watched("10.0.0.1:6379"):
        assert gone.wait(LONG)
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("Ray's head at 10.0.0.1:6379 is gone, and nothing runs any more; ")


def test_a_head_that_is_away_for_a_moment(
    gone: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep that ends for one packet that was lost."""
    asked = threading.Semaphore(0)
    answers = iter([False, True, False] * 40)

    def answer(_: str) -> bool:
        asked.release()
        return next(answers)

    monkeypatch.setattr(address, "answers", answer)
    monkeypatch.setattr(head, "PATIENCE_SECONDS", LONG)
    with head.watched("10.0.0.1:6379"):
        for _ in range(10):
            assert asked.acquire(timeout=LONG)
    assert not gone.is_set()

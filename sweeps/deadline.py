"""Work that hangs: a pack that makes no progress for too long is ended, and says so.

Steps are taken in a thread, so that somebody is left who can look at the clock. What
hangs inside a system call, a lock or a collective operation cannot be ended by itself;
its process goes, a moment after the driver was told.
"""

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from sweeps.failures import PackError
from sweeps.progress import Report

LEAVE_SECONDS = 10.0
"""A worker that hangs ends so long after it has said so, by which time the driver has heard."""


def watched(work: Iterator[Report], seconds: float | None) -> Iterator[Report]:
    """The reports of `work`, which have to change within so many seconds; None gives it all time.

    Raises `PackError` of the kind `hung` where they do not, and then ends this process.
    Time that passes between two reports being asked for does not count.
    """
    if seconds is None:
        yield from work
        return
    # No block: at its end it would wait for the thread that hangs.
    thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pack")
    last: Report | None = None
    left = seconds
    while True:
        asked = time.monotonic()
        coming = thread.submit(_next, work)
        report = _within(coming, left, seconds)
        if report is None:
            thread.shutdown()
            return
        left = seconds if report != last else left - (time.monotonic() - asked)
        last = report
        yield report


def _next(work: Iterator[Report]) -> Report | None:
    return next(work, None)


def _within(coming: "Future[Report | None]", left: float, seconds: float) -> Report | None:
    try:
        return coming.result(timeout=max(left, 0.0))
    except TimeoutError:
        if coming.done():  # The work itself has timed out, with an error of that class.
            raise
    leave()
    raise PackError(
        "hung",
        f"no progress for {seconds:g} s, which execution.deadline_seconds allows; "
        "what hangs was ended with its process",
    )


def leave() -> None:
    """End this process soon, whatever it hangs in."""
    timer = threading.Timer(LEAVE_SECONDS, os._exit, (1,))
    timer.daemon = True
    timer.start()

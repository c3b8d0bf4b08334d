"""Watches over Ray's head: a driver whose head is gone hangs, and is then ended without a word."""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator

from sweeps import address

LOOK_SECONDS = 5.0
"""The head is asked so often whether it is there."""
PATIENCE_SECONDS = 40.0
"""A head that did not answer for so long is gone. Ray ends the process after 60 s."""


@contextlib.contextmanager
def watched(where: str) -> Iterator[None]:
    """A block in which the head at `where`, host:port, has to answer.

    Where it does not, a sentence is written and this process ends with 1: of Ray nothing
    works any more, not even its end.
    """
    over = threading.Event()
    thread = threading.Thread(target=_watch, args=(where, over), name="head", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _watch(where: str, over: threading.Event) -> None:
    seen = time.monotonic()
    while not over.wait(LOOK_SECONDS):
        if _is_there(where):
            seen = time.monotonic()
        elif time.monotonic() - seen >= PATIENCE_SECONDS:
            print(
                f"\nRay's head at {where} is gone, and nothing runs any more; nothing that was "
                "committed is lost. Start it, and run this again",
                file=sys.stderr, flush=True,
            )  # fmt: skip
            os._exit(1)


def _is_there(where: str) -> bool:
    try:
        return address.answers(where)
    except OSError:
        return False

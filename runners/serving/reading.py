"""Reads of the store, which may hang: a bounded number of threads, and no longer than agreed."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from runners.serving.protocol import Unavailable

T = TypeVar("T")
READERS = 4
"""Threads that read the store, and so the most reads that can hang in it together."""


class Reading:
    """Reads in threads of their own, each for as long as somebody waits for it.

    A thread cannot be ended. One whose read came to take too long is kept until the store
    answers; where all are, further reads are refused at once.
    """

    def __init__(self, readers: int = READERS) -> None:
        self._threads = ThreadPoolExecutor(max_workers=readers, thread_name_prefix="store")
        self._readers = readers
        self._left: set[Future[Any]] = set()

    async def read(self, work: Callable[[], T], seconds: float) -> T:
        """What `work` gives; what waits for a thread is not begun for nobody.

        Raises TimeoutError after so many seconds, and `Unavailable` where every thread hangs.
        """
        if len(self._left) >= self._readers:
            raise Unavailable(
                f"the store has not answered {len(self._left)} earlier requests, for which nobody "
                "waits any more; see to the store, and try again"
            )
        reading = self._threads.submit(work)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.wrap_future(reading)
        finally:
            if reading.running():
                self._left.add(reading)
                # Called at once where it has ended meanwhile.
                reading.add_done_callback(self._left.discard)

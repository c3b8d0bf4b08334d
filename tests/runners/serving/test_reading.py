"""Reads of a store that hangs."""

import asyncio
import threading

import pytest

from runners.serving.protocol import Unavailable
from runners.serving.reading import Reading


def test_a_store_that_hangs_keeps_no_more_threads_than_there_are() -> None:
    """Catches a thread more for each change that is tried, and clients who wait for nothing."""
    let_go, begun = threading.Event(), list[int]()

    def hang() -> int:
        begun.append(1)
        assert let_go.wait(10)
        return 5

    async def scenario() -> None:
        reading = Reading(2)
        # The third waits for a thread, in vain.
        found = await asyncio.gather(
            *(reading.read(hang, 1) for _ in range(3)), return_exceptions=True
        )
        assert [type(each) for each in found] == [TimeoutError] * 3
        assert len(begun) == 2
        with pytest.raises(Unavailable, match="has not answered 2 earlier requests"):
            await reading.read(hang, 10)
        let_go.set()
        async with asyncio.timeout(10):
            while reading._left:
                await asyncio.sleep(0.001)
        assert await reading.read(hang, 10) == 5
        assert len(begun) == 3

    asyncio.run(scenario())


def test_a_read_that_fails_in_time_leaves_nothing() -> None:
    """Catches mistakes of clients that count as a store which hangs, until nothing is read."""

    def fail() -> None:
        raise ValueError("no such trial")

    async def scenario() -> None:
        reading = Reading(1)
        for _ in range(3):
            with pytest.raises(ValueError, match="no such trial"):
                await reading.read(fail, 10)
        assert await reading.read(lambda: 5, 10) == 5

    asyncio.run(scenario())

"""How far a running sweep is: counts of trials and an estimate of the time left."""

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TextIO

from sweeps.packs import Pack


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Trials of a sweep by how they stand."""

    total: int
    done: int
    running: int
    failed: int

    @property
    def missing(self) -> int:
        """Trials that are neither done nor running nor failed."""
        return self.total - self.done - self.running - self.failed


@dataclass(kw_only=True)
class Forecast:
    """Time left, from the share of all cost that is done and the time that it took.

    The first packs say little, since processes start and sizes differ; no
    estimate is given before `ENOUGH` of the cost is done.
    """

    total: float
    began: float = field(default_factory=time.monotonic)
    finished: float = 0.0
    shares: dict[str, float] = field(default_factory=dict)

    ENOUGH = 0.02

    def at(self, name: str, pack: Pack, share: float) -> None:
        """A running pack has done this share of its cost."""
        self.shares[name] = share * pack.cost

    def over(self, name: str, pack: Pack) -> None:
        """A pack has ended."""
        self.shares.pop(name, None)
        self.finished += pack.cost

    def seconds_left(self) -> float | None:
        """Seconds until all is done at the pace so far, or None while that is not known."""
        done = self.finished + sum(self.shares.values())
        if done < self.ENOUGH * self.total:
            return None
        return (time.monotonic() - self.began) * max(0.0, self.total / done - 1.0)


class Board:
    """Prints a line of progress, rewritten in place on a terminal and seldom elsewhere."""

    def __init__(self, *, stream: TextIO = sys.stdout) -> None:
        self._stream = stream
        self._every = 2.0 if stream.isatty() else 15.0
        self._last = float("-inf")
        self._began = time.monotonic()

    def due(self) -> bool:
        """Whether it is time for another line."""
        return time.monotonic() - self._last >= self._every

    def show(
        self, counts: Counts, running: Iterable[str], left: float | None, *, last: bool = False
    ) -> None:
        """One line; after the `last` the cursor moves on."""
        self._last = now = time.monotonic()
        line = describe(counts, running, elapsed=now - self._began, left=left)
        if self._stream.isatty():
            self._stream.write(f"\r\x1b[2K{line}" + ("\n" if last else ""))
        else:
            self._stream.write(f"{line}\n")
        self._stream.flush()


def describe(counts: Counts, running: Iterable[str], *, elapsed: float, left: float | None) -> str:
    """A line such as '12/96 done, 8 running, 76 missing, 0 failed | 1:10, about 8:20 left | 2m LM adaptation'."""
    time_left = "time left not known yet" if left is None else f"about {clock(left)} left"
    return (
        f"{counts.done}/{counts.total} done, {counts.running} running, {counts.missing} missing, "
        f"{counts.failed} failed | {clock(elapsed)}, {time_left} | {'; '.join(running) or 'starting'}"
    )


def clock(seconds: float) -> str:
    """Seconds as minutes and seconds, or hours too: '8:05', '1:02:03'."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"

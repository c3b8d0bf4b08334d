"""How far a running sweep is: counts of trials and an estimate of the time left.

What workers report is added up, so that a look costs the same however many
trials the sweep has; the store is read before the first pack and after the last.
"""

import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TextIO

from sweeps.packs import Pack

ENOUGH = 0.02
"""Share of all cost that has to be done, beyond the first report, before there is a forecast."""
NAMES = 4
"""Packs that a line of progress names."""
TERMINAL_SECONDS, FILE_SECONDS = 1.0, 15.0
"""A line of progress is written so often."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """How far a worker is with its pack: share of its cost done, and trials by how they stand.

    `resumed` is the share that was done before this worker took the pack, and
    `untracked` why the tracker lacks runs of it.
    """

    share: float
    resumed: float = 0.0
    committed: int = 0
    running: int = 0
    failed: int = 0
    untracked: str = ""


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
class Progress:
    """The sum of what workers report.

    `trials` and `done` are those of the sweep before this run, `cost` is what
    the run has to do, in the unit of `Pack.cost`. Packs go by any key of the
    caller's.
    """

    trials: int
    done: int
    cost: float
    failed: int = 0
    finished: float = 0.0
    untracked: set[str] = field(default_factory=set)
    """Why the tracker lacks runs, each reason once."""
    _live: dict[str, tuple[Pack, Report]] = field(default_factory=dict)
    _worked: float = 0.0
    """The cost that workers did in packs that they are through with."""
    _since: tuple[float, float] | None = None
    """When the first report came, and the cost that workers had done by then."""

    def begin(self, key: str, pack: Pack) -> None:
        """A worker takes a pack, and fills its batch."""
        self._live[key] = pack, Report(share=0.0, running=min(pack.slots, len(pack.trials)))

    def report(self, key: str, report: Report) -> None:
        """A worker goes on."""
        self._live[key] = self._live[key][0], report
        if report.untracked:
            self.untracked.add(report.untracked)
        # Workers load for a while before the first report, which says nothing of their pace.
        self._since = self._since or (time.monotonic(), self._cost_worked())

    def finish(self, key: str) -> None:
        """A worker is through with its pack; its last report stands."""
        pack, report = self._live.pop(key)
        self.finished += pack.cost
        self._worked += pack.cost * (1.0 - report.resumed)
        self.done += report.committed
        self.failed += report.failed

    def drop(self, key: str) -> None:
        """A worker died; what it did counts when the pack is taken again."""
        self._live.pop(key, None)

    def give_up(self, pack: Pack) -> None:
        """Nobody takes this pack again."""
        self.finished += pack.cost
        self.failed += len(pack.trials)

    def counts(self) -> Counts:
        """Trials by how they stand."""
        reports = [report for _, report in self._live.values()]
        return Counts(
            total=self.trials,
            done=self.done + sum(report.committed for report in reports),
            running=sum(report.running for report in reports),
            failed=self.failed + sum(report.failed for report in reports),
        )

    def names(self) -> list[str]:
        """The packs that workers are at, in the order in which they were taken."""
        return [pack.name for pack, _ in self._live.values()]

    def seconds_left(self) -> float | None:
        """Seconds until all is done at the pace so far, or None while that is not known."""
        if self._since is None:
            return None
        since, before = self._since
        worked = self._cost_worked() - before
        if worked < ENOUGH * self.cost:
            return None
        done = self.finished + sum(pack.cost * r.share for pack, r in self._live.values())
        return max(0.0, self.cost - done) * (time.monotonic() - since) / worked

    def _cost_worked(self) -> float:
        live = (pack.cost * (r.share - r.resumed) for pack, r in self._live.values())
        return self._worked + sum(live)


class Board:
    """Prints progress: one line rewritten in place on a terminal, a line now and then elsewhere."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._every = TERMINAL_SECONDS if self._stream.isatty() else FILE_SECONDS
        self._began = time.monotonic()
        self._last = float("-inf")

    def due(self) -> bool:
        """Whether it is time for another line."""
        return time.monotonic() - self._last >= self._every

    def show(self, counts: Counts, names: Sequence[str], left: float | None) -> None:
        """Write how far it is."""
        self._last = time.monotonic()
        self._write(describe(counts, names, elapsed=self._last - self._began, left=left))

    def __enter__(self) -> "Board":
        """A block after which the line is ended, also where it is left by an error."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End the line that an error would else stand on."""
        if kind is not None and self._stream.isatty():
            self._stream.write("\n")

    def close(self, counts: Counts) -> None:
        """Write where it ended, and end the line."""
        self._write(f"{tally(counts)} | {clock(time.monotonic() - self._began)}", end="\n")

    def _write(self, line: str, *, end: str = "") -> None:
        if self._stream.isatty():
            width = shutil.get_terminal_size().columns - 1
            self._stream.write(f"\r\x1b[2K{line[:width]}{end}")
        else:
            self._stream.write(f"{line}\n")
        self._stream.flush()


def describe(counts: Counts, names: Sequence[str], *, elapsed: float, left: float | None) -> str:
    """Counts, time behind and ahead, and packs, in one line."""
    time_left = "time left not known yet" if left is None else f"about {clock(left)} left"
    more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
    packs = "; ".join(names[:NAMES]) + more or "starting"
    return f"{tally(counts)} | {clock(elapsed)}, {time_left} | {packs}"


def tally(counts: Counts) -> str:
    """Counts as words: '12/96 done, 8 running, 76 missing, 0 failed'."""
    return (
        f"{counts.done}/{counts.total} done, {counts.running} running, "
        f"{counts.missing} missing, {counts.failed} failed"
    )


def clock(seconds: float) -> str:
    """Seconds as minutes and seconds, or hours too: '8:05', '1:02:03'."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"

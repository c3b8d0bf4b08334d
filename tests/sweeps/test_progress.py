"""Progress: counts that tell the truth, a forecast, and lines that fit where they are written."""

import io
import os
import re
import time

import pytest

from runners.config import TrialConfig
from sweeps import progress
from sweeps.packs import Pack
from sweeps.progress import Board, Counts, Progress, Report, clock, describe
from sweeps.spec import SweepSpec


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Yes."""
        return True


@pytest.fixture
def trials(spec: SweepSpec) -> tuple[TrialConfig, ...]:
    """Some trials."""
    return tuple(trial.config for trial in spec.trials)


def counts_of(found: Progress) -> tuple[int, int, int, int]:
    """Done, running, missing and failed."""
    counts = found.counts()
    return counts.done, counts.running, counts.missing, counts.failed


def test_counts_follow_what_workers_report(trials: tuple[TrialConfig, ...]) -> None:
    """A trial that is counted twice, or in no column."""
    found = Progress(trials=20, done=5, cost=10.0)
    pack = Pack(name="p", cost=10.0, trials=trials[:8], slots=4)
    found.begin("1", pack)
    assert counts_of(found) == (5, 4, 11, 0)
    found.report("1", Report(share=0.5, committed=3, running=4, failed=1))
    assert counts_of(found) == (8, 4, 7, 1)
    found.report("1", Report(share=1.0, committed=7, failed=1))
    found.finish("1")
    assert counts_of(found) == (12, 0, 7, 1)


def test_a_pack_that_is_taken_again_counts_once(trials: tuple[TrialConfig, ...]) -> None:
    """More trials done than there are, after a worker was lost."""
    found = Progress(trials=8, done=0, cost=10.0)
    pack = Pack(name="p", cost=10.0, trials=trials[:8])
    found.begin("1", pack)
    found.report("1", Report(share=0.6, committed=5, running=3))
    found.drop("1")
    assert counts_of(found) == (0, 0, 8, 0)
    found.begin("2", pack)
    found.report("2", Report(share=0.7, committed=6, running=2))
    assert counts_of(found) == (6, 2, 0, 0)


def test_a_pack_that_dies_before_it_began_is_dropped() -> None:
    """A worker that fails to start takes the driver with it."""
    found = Progress(trials=8, done=0, cost=10.0)
    found.drop("never begun")
    assert counts_of(found) == (0, 0, 8, 0)


def test_what_is_given_up_has_failed(trials: tuple[TrialConfig, ...]) -> None:
    """Trials that stay missing on the line although nobody will run them."""
    found = Progress(trials=8, done=0, cost=10.0)
    found.give_up(Pack(name="p", cost=9.0, trials=trials[:6]))
    assert counts_of(found) == (0, 0, 2, 6)


def test_the_forecast_is_what_is_left_at_the_pace_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hours foretold because torch took long to load, or packs that died counted as work done."""
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    found = Progress(trials=8, done=0, cost=100.0)
    found.begin("1", Pack(name="p", cost=40.0))
    assert found.seconds_left() is None
    now = 130.0
    found.report("1", Report(share=0.1))
    assert found.seconds_left() is None
    now = 140.0
    found.report("1", Report(share=0.6))
    assert found.seconds_left() == pytest.approx(10.0 * 76 / 20)
    found.drop("1")
    assert found.seconds_left() is None
    found.begin("2", Pack(name="p", cost=40.0))
    found.finish("2")
    found.give_up(Pack(name="q", cost=60.0))
    assert found.seconds_left() == 0.0


def test_what_was_done_before_is_no_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Minutes foretold in place of hours, because packs came back half done."""
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    found = Progress(trials=8, done=0, cost=100.0)
    found.begin("1", Pack(name="p", cost=50.0))
    found.report("1", Report(share=0.8, resumed=0.8))
    now = 10.0
    found.report("1", Report(share=0.9, resumed=0.8))
    assert found.seconds_left() == pytest.approx(10.0 * 55 / 5)
    found.report("1", Report(share=1.0, resumed=0.8))
    found.finish("1")
    assert found.seconds_left() == pytest.approx(10.0 * 50 / 10)


def test_a_look_costs_the_same_after_ten_thousand_trials() -> None:
    """A driver that is busy counting while its workers wait."""
    found = Progress(trials=10_000, done=0, cost=10_000.0)
    for number in range(10_000):
        found.begin(str(number), Pack(name=str(number), cost=1.0))
        found.report(str(number), Report(share=1.0, committed=1))
        found.finish(str(number))
    started = time.process_time()
    for _ in range(1000):
        found.counts()
        found.names()
        found.seconds_left()
    assert time.process_time() - started < 1.0
    assert found.counts().done == 10_000


COUNTS = Counts(total=96, done=12, running=8, failed=1)


@pytest.mark.parametrize(
    ("names", "left", "line"),
    [
        ([], None, "1:10, time left not known yet | starting"),
        (["2m LM adaptation"], 500.0, "1:10, about 8:20 left | 2m LM adaptation"),
        (list("abcdef"), 3723.0, "1:10, about 1:02:03 left | a; b; c; d and 2 more"),
    ],
)
def test_a_line_says_how_far_it_is(names: list[str], left: float | None, line: str) -> None:
    """A line without the one number that people look for."""
    wanted = f"12/96 done, 8 running, 75 missing, 1 failed | {line}"
    assert describe(COUNTS, names, elapsed=70.0, left=left) == wanted


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0:00"), (65, "1:05"), (3599.6, "1:00:00"), (90061, "25:01:01")]
)
def test_clock(seconds: float, text: str) -> None:
    """Sixty seconds that are not a minute."""
    assert clock(seconds) == text


def test_a_terminal_has_one_line_that_is_rewritten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A screen full of old lines; a line wider than the window cannot be rewritten."""
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((40, 20)))
    stream = Terminal()
    board = Board(stream)
    for done in (1, 2):
        board.show(Counts(total=9, done=done, running=0, failed=0), ["a long name" * 9], None)
    board.close(Counts(total=9, done=9, running=0, failed=0))
    assert stream.getvalue().count("\n") == 1
    lines = re.split("\r\x1b\\[2K", stream.getvalue().rstrip("\n"))[1:]
    assert [line[:3] for line in lines] == ["1/9", "2/9", "9/9"]
    assert all(len(line) < 40 for line in lines)


def test_a_file_has_whole_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log of carriage returns and escape codes."""
    stream = io.StringIO()
    board = Board(stream)
    board.show(COUNTS, ["a"], 10.0)
    board.close(COUNTS)
    assert "\x1b" not in stream.getvalue()
    assert [line.split(",")[0] for line in stream.getvalue().splitlines()] == ["12/96 done"] * 2


@pytest.mark.parametrize(
    ("stream", "every"),
    [(Terminal(), progress.TERMINAL_SECONDS), (io.StringIO(), progress.FILE_SECONDS)],
)
def test_lines_are_as_seldom_as_their_place_wants(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, every: float
) -> None:
    """A log that grows by ten lines a second."""
    now = 50.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    board = Board(stream)
    assert board.due()
    board.show(COUNTS, [], None)
    now += every - 0.1
    assert not board.due()
    now += 0.2
    assert board.due()


def test_an_error_has_a_line_of_its_own() -> None:
    """`... | starnothing was started, for ...`: a reason that nobody can read."""
    counts = Counts(total=2, done=0, running=0, failed=0)
    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file):
        board = Board(stream)
        board.show(counts, [], None)
        with pytest.raises(ValueError, match="why"), board:
            raise ValueError("why")
    assert terminal.getvalue().startswith("\r")
    assert terminal.getvalue().endswith("\n")
    assert not file.getvalue().endswith("\n\n")

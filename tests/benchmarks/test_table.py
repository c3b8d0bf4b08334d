"""What the benchmark's table says of the numbers that it is given; nothing is timed here."""

import itertools

import pytest

from benchmarks.table import Line, in_turn, show


def test_a_factor_is_the_median_over_pairs() -> None:
    """Catches a quotient of medians, which mixes repetitions under unlike loads."""
    line = Line(what="w", unit="s", ours=[1.0, 10.0, 2.0], peer=[3.0, 20.0, 10.0])
    assert line.factor == 3.0
    assert line.markdown() == "| w | 2 s (1 to 10) | 10 s (3 to 20) | 3.00 |  |"


def test_of_rates_more_is_better() -> None:
    """Catches twice as many answers a second that count as half as fast."""
    line = Line(what="w", unit="rows/s", ours=[200.0], peer=[100.0])
    assert line.factor == 2.0
    assert Line(what="w", unit="s", ours=[1.0]).factor is None


def test_both_sides_take_turns() -> None:
    """Catches all of ours before all of the peer's, so that a load meets one of them alone."""
    clock = itertools.count()
    assert in_turn(lambda: next(clock), lambda: next(clock), 3) == ([0, 2, 4], [1, 3, 5])


def test_the_table_says_what_it_was_measured_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Catches numbers without versions, and a table that Markdown does not read."""
    show([Line(what="w", unit="s", ours=[1.0], note="n")])
    said = capsys.readouterr().out.splitlines()
    assert "torch 2.13" in said[1]
    assert said[-3:] == [
        "| what | ours | peer | times | |", "|---|---|---|---|---|", "| w | 1 s |  |  | n |",
    ]  # fmt: skip

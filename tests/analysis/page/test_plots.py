"""Charts that are no panels as places in a drawing."""

from typing import Any

import pandas as pd
import pytest

from analysis.figures.chart import Chart, Line
from analysis.page.chart import BOTTOM, HEIGHT, TOP
from analysis.page.plots import numbers_of, plots_of, round_ticks
from analysis.style import looks

LOOKS = looks(["a", "b"], "a")


def chart(rows: list[dict[str, Any]], label: str = "a", **changes: Any) -> Chart:
    """A chart of one line over steps."""
    line = Line(label=label, look=LOOKS[label], table=pd.DataFrame(rows))
    told: dict[str, Any] = {"title": "", "x_label": "Step", "y_label": "Loss", "note": ""}
    return Chart(**(told | changes), lines=(line,))


def rows(*means: float, sd: float = 0.1) -> list[dict[str, Any]]:
    """Means at steps 100, 200 and so on."""
    return [{"x": 100 * (n + 1), "mean": mean, "sd": sd} for n, mean in enumerate(means)]


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (0.02, 0.38, [0, 0.1, 0.2, 0.3, 0.4]),
        (100, 500, [100, 200, 300, 400, 500]),
        (0, 41.2, [0, 10, 20, 30, 40, 50]),
        (0.1, 0.3, [0.1, 0.15, 0.2, 0.25, 0.3]),
        (5, 5, [0, 1, 2, 3, 4, 5]),
        (100, 100, [0, 20, 40, 60, 80, 100]),
        (0, 0, [0, 0.2, 0.4, 0.6, 0.8, 1]),
    ],
)
def test_ticks_are_round_at_every_size(low: float, high: float, wanted: list[float]) -> None:
    """A loss of 0.3 on an axis from 0 to 1, or ticks at 0.30000000000000004."""
    assert round_ticks(low, high) == wanted


def test_lower_values_lie_lower_and_alike_in_one_unit() -> None:
    """Charts side by side whose heights mean different things, or one upside down."""
    first, second = plots_of([chart(rows(1.0, 2.0)), chart(rows(2.0, 4.0))])
    (a, b), (c, d) = ([point.y for point in plot.lines[0].points] for plot in (first, second))
    assert a > b == c > d
    assert first.y_ticks == second.y_ticks
    assert [tick.text for tick in first.x_ticks] == ["100", "120", "140", "160", "180", "200"]
    assert first.x_label == "step"


def test_no_band_reaches_beyond_what_can_be_measured() -> None:
    """A spread of seconds that goes below 0, or one of scores above 100 and its axis to 120."""
    (plot,) = plots_of([chart(rows(80.0, 98.0, sd=5.0), ceiling=100.0)])
    assert plot.y_ticks[-1].text == "100"
    assert min(float(place.split(",")[1]) for place in plot.lines[0].bands[0].split()) == TOP
    (plot,) = plots_of([chart(rows(1.0, 5.0, sd=3.0), floor=0.0)])
    lowest = max(float(place.split(",")[1]) for place in plot.lines[0].bands[0].split())
    assert lowest == HEIGHT - BOTTOM
    assert plot.y_ticks[0].text == "0"


def test_a_logarithmic_axis_has_powers_of_ten() -> None:
    """Figure 4 on an axis on which all techniques but one lie at 0."""
    (plot,) = plots_of([chart(rows(50.0, 5000.0, sd=60.0), log_y=True)])
    assert [tick.text for tick in plot.y_ticks] == ["100", "1K"]
    inside = [float(p.split(",")[1]) for p in plot.lines[0].bands[0].split()]
    assert all(TOP <= y <= HEIGHT - BOTTOM for y in inside)


def test_what_is_missing_is_marked_and_breaks_the_line() -> None:
    """A line drawn over a size at which nothing has converged, or a thin mean like all others."""
    table = rows(1.0, float("nan"), 2.0)
    for row, n in zip(table, (3, 0, 2), strict=True):
        row |= {"n": n, "planned_seeds": 3, "seed_0": row["mean"]}
    (plot,) = plots_of([chart(table, "b")])
    (line,) = plot.lines
    assert line.look == 1
    assert [len(path.split()) for path in line.paths] == [1, 1]
    assert len(line.missing) == 1
    assert [point.whole for point in line.points] == [True, False]
    assert line.points[1].told == "b, step 300: 2 ± 0.1, 2 of 3 seeds"
    assert len(line.seeds) == 2


def test_a_chart_has_its_numbers_in_words() -> None:
    """A curve that can be read with a pointer alone."""
    table = numbers_of(chart(rows(0.5, 1234.0), "b"))
    assert table.heads == ("Line", "Step", "Mean", "Sd")
    assert table.rows == (("b", "100", "0.5", "0.1"), ("b", "200", "1.23K", "0.1"))


def test_sizes_are_told_as_parameters() -> None:
    """A point at step 620000."""
    (plot,) = plots_of([chart([{"x": 620_000, "mean": 1.0, "sd": None}], ticks=(620_000,))])
    assert plot.lines[0].points[0].told == "a, 620K parameters: 1"


def test_intervals_from_three_seeds_on_are_bars_within_the_drawing() -> None:
    """Bars of two seeds, bars beyond what can be measured, and an axis that does not reach them."""
    means = [{**row, "n": seeds, "low": -5.0, "high": 9.0}
             for row, seeds in zip(rows(2.0, 3.0), (3, 2), strict=True)]  # fmt: skip
    (plot,) = plots_of([chart(means, floor=0.0)])
    [(x, upper, lower)] = plot.lines[0].bars
    assert x == plot.lines[0].points[0].x
    assert (plot.y_ticks[0].text, plot.y_ticks[-1].text) == ("0", "10")
    assert lower == plot.y_ticks[0].at
    assert TOP < upper < plot.lines[0].points[0].y
    told = [point.told for point in plot.lines[0].points]
    assert told == [
        "a, step 100: 2 ± 0.1, 95% interval -5 to 9, 3 seeds", "a, step 200: 3 ± 0.1, 2 seeds"
    ]  # fmt: skip

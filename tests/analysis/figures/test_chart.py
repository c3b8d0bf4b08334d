"""Charts and heat maps as drawn: what is on them, and that nothing is cut off."""

from typing import Any

import pandas as pd
from matplotlib.collections import LineCollection

from ablation.task_parameters import Assumptions
from analysis.figures.chart import Chart, Line, chart_sheet
from analysis.figures.charts import curve_charts, parameter_charts, robustness_chart
from analysis.style import looks, paper


def chart(**changes: Any) -> Chart:
    """Two lines over two sizes."""
    look = looks(["a", "b"], "a")
    table = pd.DataFrame({"x": [10, 1000], "mean": [1.0, 2.0], "sd": [2.0, 0.1], "seed_0": [1, 2]})
    lines = tuple(Line(label=name, look=look[name], table=table) for name in ("a", "b"))
    words = {"title": "T", "x_label": "X", "y_label": "Y", "note": "n " * 60, "alert": "partial"}
    return Chart(**({**words, "lines": lines, "ticks": (10, 1000), "log_x": True} | changes))


def test_words_of_charts_stay_on_the_sheet_and_off_each_other() -> None:
    """Notes cut off at the edge, or a legend on top of the chart above it."""
    with paper():
        figure = chart_sheet([chart()] * 4, columns=2)
        boxes = [axes.get_tightbbox() for axes in figure.axes]
    page = figure.bbox
    assert all(page.x0 <= box.x0 and box.x1 <= page.x1 for box in boxes)
    assert all(page.y0 <= box.y0 and box.y1 <= page.y1 for box in boxes)
    pairs = [(a, b) for place, a in enumerate(boxes) for b in boxes[place + 1 :]]
    assert not any(a.overlaps(b) for a, b in pairs)


def test_charts_of_one_unit_share_their_scale() -> None:
    """Two methods side by side of which the worse looks like the better."""
    far = chart(lines=tuple(
        Line(label="a", look=line.look, table=line.table * 10) for line in chart().lines
    ))  # fmt: skip
    with paper():
        figure = chart_sheet([chart(), far, chart(y_label="other")], columns=3)
    limits = [axes.get_ylim() for axes in figure.axes]
    assert limits[0] == limits[1] != limits[2]


def test_a_band_below_zero_ends_on_a_logarithmic_axis() -> None:
    """An axis that runs down to 1e-300, because a standard deviation exceeds its mean."""
    with paper():
        figure = chart_sheet([chart(log_y=True)], columns=1)
    assert figure.axes[0].get_ylim()[0] > 0.5


def test_no_band_reaches_beyond_what_can_be_measured() -> None:
    """Negative seconds, or scores above 100, because a spread is wider than the room it has."""
    with paper():
        free = chart_sheet([chart()], columns=1).axes[0]
        held = chart_sheet([chart(floor=0.0, ceiling=2.5)], columns=1).axes[0]
    ends = [
        (min(band.get_paths()[0].vertices[:, 1].min() for band in axes.collections),
         max(band.get_paths()[0].vertices[:, 1].max() for band in axes.collections))
        for axes in (free, held)
    ]  # fmt: skip
    assert ends == [(-1.0, 3.0), (0.0, 2.5)]


def seeded(mean: float, low: float, high: float, seeds: int = 3) -> Chart:
    """One line of one size, with an interval."""
    row = {"x": [10], "mean": [mean], "sd": [0.1], "low": [low], "high": [high], "n": [seeds]}
    line = Line(label="a", look=looks(["a"], "a")["a"], table=pd.DataFrame(row))
    return chart(lines=(line,), ticks=(10,), floor=0.0, ceiling=100.0)


def test_intervals_are_drawn_from_three_seeds_on_within_what_can_be_measured() -> None:
    """Bars of two seeds, and bars that run out of the chart or below 0 seconds."""
    with paper():
        axes = chart_sheet([seeded(50.0, -20.0, 90.0)], columns=1).axes[0]
        few = chart_sheet([seeded(50.0, -20.0, 90.0, seeds=2)], columns=1).axes[0]
    [bars] = [each for each in axes.collections if isinstance(each, LineCollection)]
    assert [bar[:, 1].tolist() for bar in bars.get_segments()] == [[0.0, 90.0]]
    bottom, top = axes.get_ylim()
    assert bottom <= 0.0
    assert top >= 90.0
    assert not any(isinstance(each, LineCollection) for each in few.collections)
    assert few.get_ylim()[1] < 60.0


def test_an_axis_that_shows_intervals_holds_the_charts_after_it_too() -> None:
    """A second method that is cut off, for the axis was fixed by the intervals of the first."""
    with paper():
        figure = chart_sheet([seeded(50.0, 40.0, 60.0), seeded(20.0, 0.0, 0.0, seeds=2)], columns=2)
    bottom, top = figure.axes[1].get_ylim()
    assert bottom < 20.0
    assert top >= 60.0


def test_a_chart_without_a_title_has_no_room_for_one() -> None:
    """A blank line above Figure 4."""
    with paper():
        titled, bare = (chart_sheet([chart(title=title)], columns=1) for title in ("T", ""))
        box = bare.axes[0].get_tightbbox()
        assert box is not None
        assert bare.bbox.y1 - box.y1 < 0.15 * bare.dpi
    assert bare.get_figheight() < titled.get_figheight()


def test_a_legend_of_five_lengths_stays_over_its_axes() -> None:
    """A legend that runs into the next chart: digits are wider than letters."""
    look = looks([1, 5, 20, 50, 100], 100)
    table = chart().lines[0].table
    lines = tuple(Line(label=f"{n}", look=look[n], table=table) for n in look)
    with paper():
        axes = chart_sheet([chart(lines=lines)], columns=1).axes[0]
        legend = axes.get_legend()
        assert legend is not None
        assert legend.get_window_extent().x1 <= axes.get_window_extent().x1


def test_looks_of_lines_differ_without_colour() -> None:
    """Seven techniques that are one and the same in a grey print."""
    costs = pd.DataFrame(
        {"technique": name, "model_size": "a", "model_parameters": 10, "parameters": 1.0,
         "parameters_sd": 0.0, "share": 1.0, "share_sd": 0.0}
        for name in ("model_tuning", "prefix_training", "adapters", "prefix_inference", "warp",
                     "prompt_tuning", "prompt_design")
    )  # fmt: skip
    lines = parameter_charts(costs, Assumptions(), "t5")[0].lines
    assert len({(line.look.marker, str(line.look.linestyle)) for line in lines}) == 7


def test_a_setting_without_a_seed_is_named_under_the_chart() -> None:
    """A line that is shorter than the others, and nobody is told."""
    rows = {
        "settings": 2,
        "model_parameters": [10, 100],
        "mean": [1.0, None],
        "sd": 0.1,
        "n": [2, 0],
    }
    spreads = pd.DataFrame({"axis": "prompt_length", "model_size": ["a", "b"], **rows})
    found = robustness_chart(spreads, ["boolq"], "partial: 1 of 2 trials.")
    assert found.alert == "partial: 1 of 2 trials. Not drawn: prompt length at b."


def test_score_and_loss_of_a_method_stand_side_by_side() -> None:
    """Curves of one method apart from each other, with its name once more for each size lost."""
    curves = {
        quantity: pd.DataFrame(
            {"method": method, "model_size": "a", "model_parameters": 10, "step": step,
             "mean": 1.0, "sd": 0.0, "n": 2}
            for method in methods for step in (1, 2)
        )
        for quantity, methods in (
            ("score", ["prompt_tuning", "model_tuning"]), ("train_loss", ["model_tuning"]),
        )
    }  # fmt: skip
    found = curve_charts(curves, ["boolq"], ["a", "b", "c"], "partial: 2 of 6 trials.")
    assert [(each.title, each.y_label) for each in found] == [
        ("Model tuning", "Dev score"), ("Model tuning", "Training loss, nats"),
        ("Prompt tuning", "Dev score"),
    ]  # fmt: skip
    assert {each.alert for each in found} == {"partial: 2 of 6 trials. Not drawn: b, c."}

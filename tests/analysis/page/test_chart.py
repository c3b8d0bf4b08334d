"""A panel as places in a drawing."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from ablation import method, prompt_length
from analysis.page.chart import BOTTOM, HEIGHT, TOP, chart_of, nice_ticks, score_range
from analysis.panels import build_panel
from runners.config import TrialConfig

Frame = Callable[..., pd.DataFrame]


def test_places_follow_the_numbers(frame_of: Frame) -> None:
    """Lines that are drawn upside down, or in another order than their legend."""
    panel = build_panel(frame_of(), method.AXIS)
    chart = chart_of(panel, "prompt_tuning", (0.0, 100.0))
    lines = {line.label: line for line in chart.lines}
    assert lines["Prompt tuning"].look == 0
    tuned = lines["Model tuning"]
    heights = [point.y for point in tuned.points]
    assert heights == sorted(heights, reverse=True)
    # 55.5, the mean of two seeds and of two tasks at 60k, on an axis from 0 to 100.
    assert heights[0] == pytest.approx(TOP + 0.445 * (HEIGHT - TOP - BOTTOM), abs=0.1)
    assert [tick.text for tick in chart.x_ticks] == ["62K", "207K", "2.06M"]
    assert "60k (62K parameters): 55.5 ± 0.7, 2 of 2 seeds" in tuned.points[0].told
    assert len(tuned.seeds) == 6


def test_a_missing_cell_breaks_its_line(frame_of: Frame) -> None:
    """A line drawn straight over a size that nobody has run."""

    def done(config: TrialConfig) -> bool:
        return not (config.model_size == "200k" and config.method == "model_tuning")

    panel = build_panel(frame_of(done=done), method.AXIS)
    lines = {line.label: line for line in chart_of(panel, "prompt_tuning", (0, 100)).lines}
    broken = lines["Model tuning"]
    assert [len(path.split()) for path in broken.paths] == [1, 1]
    assert len(broken.missing) == 1
    assert len(lines["Prompt tuning"].paths) == 1


def test_marks_of_missing_cells_stand_side_by_side(frame_of: Frame) -> None:
    """A size at which nothing is done, and of which one sees one line's empty mark alone."""
    panel = build_panel(
        frame_of(done=lambda c: c.task == "boolq" or c.seed == 0), prompt_length.AXIS
    )
    panel = replace(panel, table=panel.table.assign(n=0, mean=float("nan")))
    places = [line.missing for line in chart_of(panel, 20, (0.0, 100.0)).lines]
    assert [len(each) for each in places] == [3, 3]
    assert all(abs(one - other) >= 5 for one, other in zip(*places, strict=True))


def test_a_missing_seed_leaves_a_ring(frame_of: Frame) -> None:
    """A mean over one seed of two that looks like all the others."""
    panel = build_panel(frame_of(done=lambda c: c.seed == 0 or c.model_size != "2m"), method.AXIS)
    line = chart_of(panel, "prompt_tuning", (0, 100)).lines[0]
    assert [point.whole for point in line.points] == [True, True, False]


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [(0, 100, [0, 20, 40, 60, 80, 100]), (63.2, 64.1, [63, 64, 65]), (50, 50, [50, 51])],
)
def test_ticks_are_round_and_few(low: float, high: float, wanted: list[float]) -> None:
    """An axis of 40 lines, or one that ends below its highest point."""
    assert nice_ticks(low, high) == wanted


def test_panels_share_their_scores(frame_of: Frame) -> None:
    """Panels side by side whose heights mean different things."""
    frame = frame_of()
    panels = [build_panel(frame, axis) for axis in (method.AXIS, prompt_length.AXIS)]
    low, high = score_range(panels)
    seen: list[Any] = [panel.table["mean"] for panel in panels]
    assert low <= pd.concat(seen).min()
    assert high >= pd.concat(seen).max()
    assert score_range([]) == (0.0, 100.0)


def test_intervals_are_drawn_from_three_seeds_on_and_end_at_the_edge(frame_of: Frame) -> None:
    """Bars of two seeds, bars on top of each other, or one that runs out of its chart."""
    panel = build_panel(frame_of(axes={"seed": [0, 1, 2]}), method.AXIS)
    lines = chart_of(panel, "prompt_tuning", (35.0, 76.0)).lines
    assert [len(line.bars) for line in lines] == [3, 3]
    (x, upper, lower), (other, _, _) = lines[0].bars[0], lines[1].bars[0]
    assert x < other
    row = panel.table[panel.table["method"] == "model_tuning"].iloc[0]
    assert f"95% interval {row['low']:.1f} to {row['high']:.1f}" in lines[0].points[0].told
    assert TOP <= upper < lower <= HEIGHT - BOTTOM
    two = build_panel(frame_of(), method.AXIS)
    assert all(not line.bars for line in chart_of(two, "prompt_tuning", (0, 100)).lines)


def test_bands_end_where_scores_do(frame_of: Frame) -> None:
    """A band to 102 of 100 points, or one that is drawn over what stands above its chart."""
    frame = frame_of(scorer=lambda config: 100.0 if config.seed else 90.0)
    panel = build_panel(frame, method.AXIS)
    scores = score_range([panel])
    assert scores == (40.0, 100.0)
    bands = [band for line in chart_of(panel, "prompt_tuning", scores).lines for band in line.bands]
    heights = [float(place.split(",")[1]) for band in bands for place in band.split()]
    assert len(heights) == 2 * 2 * 3
    assert min(heights) >= TOP
    assert max(heights) <= HEIGHT - BOTTOM

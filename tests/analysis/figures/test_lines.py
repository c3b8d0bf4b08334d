"""What a panel draws, looked up in the drawn lines and words; never in pixels."""

from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from ablation import method, prompt_length
from analysis.figures import ablations, scale
from analysis.figures.lines import Caption, draw_panel, legend_columns
from analysis.figures.sheet import sheet
from analysis.panels import Panel, build_panel
from analysis.style import ALERT, DEFAULT_LOOK

DEFAULTS = {"prompt_length": 20}


def _drawn(panel: Panel) -> Axes:
    caption = (
        scale.caption(panel) if panel.axis is scale.AXIS else ablations.caption(panel, DEFAULTS)
    )
    return draw_panel(Figure().subplots(), panel, caption)


def _line(axes: Axes, label: str) -> list[tuple[float, float]]:
    line = next(line for line in axes.get_lines() if line.get_label() == label)
    return list(
        zip(*(np.asarray(data, dtype=float).tolist() for data in line.get_data()), strict=True)
    )


def _texts(axes: Axes) -> str:
    return "\n".join(text.get_text() for text in axes.texts)


def test_line_runs_through_the_means_at_the_models_parameters(frame_of: Any) -> None:
    """A line at ranks instead of parameters, or of the wrong method."""
    axes = _drawn(build_panel(frame_of(), method.AXIS))

    assert axes.get_xscale() == "log"
    assert _line(axes, "Model tuning") == [(62_000, 55.5), (207_000, 65.5), (2_060_000, 75.5)]
    assert _line(axes, "Prompt tuning") == [(62_000, 35.5), (207_000, 55.5), (2_060_000, 75.5)]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["62K", "207K", "2.06M"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Model parameters", "Dev score")


def test_every_seed_has_a_point_in_the_colour_of_its_line(frame_of: Any) -> None:
    """A spread without the points that it is made of."""
    axes = _drawn(build_panel(frame_of(), method.AXIS))

    points = [line for line in axes.get_lines() if line.get_marker() == "."]
    green = [list(p.get_ydata()) for p in points if p.get_color() == DEFAULT_LOOK.color]
    assert green == [[35.0, 36.0, 55.0, 56.0, 75.0, 76.0]]
    xs = [float(x) for point in points for x in point.get_xdata()]
    assert xs == [62_000.0, 62_000, 207_000, 207_000, 2_060_000, 2_060_000] * 2


def test_band_is_one_standard_deviation(frame_of: Any) -> None:
    """A band of another width than the note says."""
    axes = _drawn(build_panel(frame_of(), method.AXIS))

    ys = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (ys.min(), ys.max()) == pytest.approx((55.5 - 0.5**0.5, 75.5 + 0.5**0.5))


def test_chance_line_is_drawn_where_it_is_known(frame_of: Any) -> None:
    """A baseline at nan, or none at all."""
    panel = build_panel(frame_of(), method.AXIS)
    assert "chance" in _texts(_drawn(panel))
    assert any(list(line.get_ydata()) == [40.0, 40.0] for line in _drawn(panel).get_lines())

    frame = frame_of()
    frame["chance"] = float("nan")

    assert "chance" not in _texts(_drawn(build_panel(frame, method.AXIS)))


def test_default_setting_is_the_green_x(frame_of: Any) -> None:
    """A default that follows the order of the values."""
    axes = _drawn(build_panel(frame_of(), prompt_length.AXIS))

    line = next(line for line in axes.get_lines() if line.get_label() == "20")
    assert (line.get_color(), line.get_marker()) == (DEFAULT_LOOK.color, "x")
    assert axes.get_legend().get_title().get_text() == "(a) Prompt length"


def test_missing_cell_breaks_its_line_and_is_marked_on_the_axis(frame_of: Any) -> None:
    """Neighbours joined across a cell that is not there."""
    gone = ("200k", 1)
    frame = frame_of(done=lambda c: (c.model_size, c.prompt_length) != gone)

    axes = _drawn(build_panel(frame, prompt_length.AXIS))

    assert np.isnan(_line(axes, "1")[1][1])
    marks = [line for line in axes.get_lines() if line.get_markerfacecolor() == "white"]
    assert [list(mark.get_xdata()) for mark in marks if len(mark.get_xdata())] == [[207_000.0]]
    assert "partial: 20 of 24 trials done. Mark on the axis: no complete seed." in _texts(axes)


def test_cell_that_lacks_a_seed_wears_a_ring(frame_of: Any) -> None:
    """A mean over fewer seeds that looks like all the others."""
    lost = ("2m", 20, 1)
    frame = frame_of(done=lambda c: (c.model_size, c.prompt_length, c.seed) != lost)

    axes = _drawn(build_panel(frame, prompt_length.AXIS))

    rings = [line for line in axes.get_lines() if line.get_markeredgecolor() == ALERT]
    assert [p for ring in rings for p in zip(*ring.get_data(), strict=True)] == [
        (2_060_000.0, 75.0)
    ]
    assert "Ring: some seeds missing." in _texts(axes)


@pytest.mark.parametrize(
    ("labels", "columns"),
    [
        (["1", "5", "20", "50"], [["1"], ["5"], ["20"], ["50"]]),
        (["1", "5", "20", "50", "100"], [["1", "5"], ["20"], ["50"], ["100"]]),
        (["x" * 12, "y" * 26, "z" * 13], [["x" * 12, "y" * 26], ["z" * 13]]),
        (["x" * 31, "y" * 31], [["x" * 31, "y" * 31]]),
    ],
)
def test_legend_is_as_wide_as_the_axes(labels: list[str], columns: list[list[str]]) -> None:
    """A legend that runs into the next panel."""
    words = dict(enumerate(labels))
    caption = Caption(title="", x_label="", y_label="", labels=words, looks={})

    assert legend_columns(caption) == columns


def _bars(axes: Axes) -> list[LineCollection]:
    return [bars for bars in axes.collections if isinstance(bars, LineCollection)]


def test_intervals_of_settings_stand_side_by_side(frame_of: Any) -> None:
    """Bars of four settings drawn over each other, of which one reads the last."""
    frame = frame_of(axes={"seed": [0, 1, 2], "prompt_length": [1, 5, 20]})
    axes = _drawn(build_panel(frame, prompt_length.AXIS))

    bars = _bars(axes)
    assert len(bars) == 3
    ends = [bar.get_segments()[0] for bar in bars]
    places = [bar.get_transform().transform(end)[0, 0] for bar, end in zip(bars, ends, strict=True)]
    middle = axes.transData.transform((62_000, 50.0))[0]
    assert places == sorted(places)
    assert len(set(places)) == 3
    assert places[1] == pytest.approx(middle)
    assert all(abs(place - middle) < 5 for place in places)


def test_intervals_alone_do_not_take_the_axis_beyond_the_scores_that_there_are(
    frame_of: Any,
) -> None:
    """An axis that ends at 130, because a t interval of three seeds knows no 100."""
    frame = frame_of(
        axes={"seed": [0, 1, 2]}, scorer=lambda c: 60.0 + 17 * c.seed if c.seed else 70.0
    )
    panel = build_panel(frame, prompt_length.AXIS)
    caption = ablations.caption(panel, DEFAULTS)
    assert panel.table["high"].max() > 105
    axes = sheet([(panel, caption)], columns=1).axes[0]
    assert axes.get_ylim()[1] == 100.0
    assert axes.get_ylim()[0] < panel.table["low"].min() + 1e-9

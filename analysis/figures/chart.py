"""A chart as data, and how it is drawn: lines with bands and every seed's point over any x.

Panels of the study are drawn by `lines`; this is for all other figures. What is drawn
is the table of each line, so that a page can draw the same without matplotlib.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.layout import (
    AXES_INCHES,
    abreast,
    columns_of,
    draw_intervals,
    draw_seeds,
    mark_missing,
    seed_columns,
    shifted,
    show_intervals,
    tick_sizes,
)
from analysis.figures.notes import NOTE_LINE, NOTE_POINTS, with_intervals, wrapped
from analysis.style import ALERT, QUIET, Look

_LEFT, _RIGHT, _TITLE = 0.58, 0.13, 0.2
_X_LABEL, _PADDING, _LEGEND_LINE = 0.42, 0.1, 0.142


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line: `table` has x, mean and sd, and a column `seed_0` and so on for each seed.

    With the columns n, low and high there are t intervals, and with planned_seeds what lacks
    seeds is marked, both as in `lines`.
    """

    label: str
    look: Look
    table: pd.DataFrame


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One pair of axes; `ticks` are the places of x that are named, in parameters."""

    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    note: str
    alert: str = ""
    """What is missing, or ''."""
    ticks: tuple[int, ...] = ()
    log_x: bool = False
    log_y: bool = False
    floor: float | None = None
    """The least that can be measured: no band reaches below."""
    ceiling: float | None = None
    """The most that can be measured: no band reaches above."""

    def intervals(self, line: Line) -> pd.DataFrame:
        """The rows of a line whose t interval is drawn, its ends within floor and ceiling."""
        rows = with_intervals(line.table)
        if rows.empty:
            return rows
        low, high = rows["low"].clip(lower=self.floor), rows["high"].clip(upper=self.ceiling)
        return rows.assign(low=low, high=high)

    @property
    def legend(self) -> list[list[str]]:
        """The labels of the lines, in columns."""
        return columns_of([line.label for line in self.lines])


def chart_sheet(charts: Sequence[Chart], columns: int) -> Figure:
    """A figure of charts row by row."""
    wide, high = AXES_INCHES
    lines = max(len(chart.legend[0]) for chart in charts)
    header = _PADDING + _TITLE * any(chart.title for chart in charts) + _LEGEND_LINE * lines
    notes = max(
        len(wrapped(chart.note).splitlines()) + len(wrapped(chart.alert).splitlines())
        for chart in charts
    )
    footer = _PADDING + _X_LABEL + NOTE_LINE * notes
    width, height = _LEFT + wide + _RIGHT, header + high + footer
    columns = min(columns, len(charts))
    rows = -(-len(charts) // columns)
    figure = Figure(figsize=(columns * width, rows * height))
    # What is measured in the same unit is read on the same scale.
    shared: dict[str, Axes] = {}
    for place, chart in enumerate(charts):
        row, column = divmod(place, columns)
        x, y = column * width + _LEFT, (rows - 1 - row) * height + footer
        across, down = columns * width, rows * height
        box = (x / across, y / down, wide / across, high / down)
        axes = figure.add_axes(box, sharey=shared.get(chart.y_label))
        shared.setdefault(chart.y_label, draw_chart(axes, chart))
    # At the end, for from then on an axis does not follow what is drawn.
    for unit, axes in shared.items():
        alike = [chart for chart in charts if chart.y_label == unit]
        show_intervals(
            axes, pd.concat([chart.intervals(line) for chart in alike for line in chart.lines])
        )
    return figure


def draw_chart(axes: Axes, chart: Chart) -> Axes:
    """Draw `chart` on `axes` and return them."""
    for place, line in enumerate(chart.lines):
        _draw_line(axes, line, chart)
        bars = chart.intervals(line)
        if not bars.empty:
            draw_intervals(axes, bars, line.look, place, len(chart.lines))
        if "planned_seeds" in line.table:
            apart = abreast(place, len(chart.lines))
            x = line.table["x"].astype("float64")
            mark_missing(axes, x, line.table, line.look, shifted(axes, apart))
    _scale(axes, chart)
    axes.set_xlabel(chart.x_label)
    axes.set_ylabel(chart.y_label)
    axes.legend(
        title=chart.title, alignment="left", loc="lower left", bbox_to_anchor=(-0.02, 1.0),
        ncols=len(chart.legend), borderpad=0.2, columnspacing=1.4, handlelength=3.2,
        labelspacing=0.3,
    )  # fmt: skip
    _write(axes, chart)
    return axes


def _draw_line(axes: Axes, line: Line, chart: Chart) -> None:
    x = line.table["x"].astype("float64")
    mean, sd = line.table["mean"].astype("float64"), line.table["sd"].astype("float64").fillna(0.0)
    look = line.look
    axes.plot(
        x, mean, color=look.color, marker=look.marker, linestyle=look.linestyle,
        label=line.label, zorder=3,
    )  # fmt: skip
    low = mean - sd
    if chart.floor is not None:
        low = low.clip(lower=chart.floor)
    if chart.log_y:
        # A band that reaches 0 has no lower edge on such an axis: it ends at the lowest value.
        low = low.where(low > 0, _least(line))
    high = (mean + sd).clip(upper=chart.ceiling)
    axes.fill_between(x, low, high, color=look.color, alpha=0.13, linewidth=0, zorder=1)
    draw_seeds(axes, x, line.table, look)


def _least(line: Line) -> float:
    names = ["mean", *seed_columns(line.table)]
    values = line.table[names].to_numpy(dtype="float64", na_value=np.nan)
    positive = values[values > 0]
    return float(positive.min()) if positive.size else 1.0


def _scale(axes: Axes, chart: Chart) -> None:
    axes.margins(x=0.07)
    if chart.log_y:
        axes.set_yscale("log")
    if chart.log_x:
        axes.set_xscale("log")
    if chart.ticks:
        tick_sizes(axes, chart.ticks)


def _write(axes: Axes, chart: Chart) -> None:
    below = _X_LABEL
    for text, color in ((wrapped(chart.note), QUIET), (wrapped(chart.alert), ALERT)):
        axes.annotate(
            text, xy=(0, 0), xycoords="axes fraction", xytext=(0, -72 * below),
            textcoords="offset points", va="top", color=color, fontsize=NOTE_POINTS,
            linespacing=1.35,
        )  # fmt: skip
        below += NOTE_LINE * len(text.splitlines())

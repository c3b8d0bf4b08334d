"""What all figures of lines share: size of axes, legends, ticks at sizes, marks of what lacks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import FixedLocator, NullLocator
from matplotlib.transforms import ScaledTranslation, Transform

from analysis.style import ALERT, Look, in_short

AXES_INCHES = (2.95, 2.25)
"""Width and height of every pair of axes."""
# Inches of the legend: a line's sample with the gaps around it, a letter, and a digit.
_SAMPLE = 0.5
_LETTER, _DIGIT = 0.049, 0.063
_SEEDS, _APART = 5.0, 2.5
"""Points from a mean to the points of its seeds, and from those to the next line's."""
_NEAR = 8
"""Places of seeds, after which the next lines begin at the mean again."""
_DODGE, _DODGED = 1.6, 13.0
"""Points between the intervals of neighbouring lines, and of all of them at most."""
_MARK, _MARKS = 5.0, 40.0
"""Points from one empty mark to the next, and from the first to the last at most."""


def columns_of(labels: Sequence[str]) -> list[list[str]]:
    """The labels of a legend in as many columns as the width of the axes takes."""
    columns = [list(labels)]
    for count in range(2, len(labels) + 1):
        split = [list(column) for column in np.array_split(list(labels), count)]
        if sum(_SAMPLE + max(map(_inches, column)) for column in split) > AXES_INCHES[0]:
            break
        columns = split
    return columns


def _inches(label: str) -> float:
    return sum(_DIGIT if letter.isdigit() else _LETTER for letter in label)


def tick_sizes(axes: Axes, counts: Sequence[float]) -> None:
    """Ticks at these numbers of parameters and nowhere else; a single one stands in the middle.

    The axis reaches all of them, those where no line has a point too.
    """
    axes.update_datalim([(count, 0.0) for count in counts], updatey=False)
    axes.autoscale_view(scaley=False)
    axes.xaxis.set_major_locator(FixedLocator(sorted(counts)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda count, _: in_short(count))
    if len(counts) == 1:
        axes.set_xlim(counts[0] / 3, counts[0] * 3)


def draw_seeds(
    axes: Axes, x: pd.Series, line: pd.DataFrame, look: Look, transform: Transform | None = None
) -> None:
    """A point for each of `x` and each seed that `line` has a column of.

    They are one artist: what a figure takes goes by how many artists it has.
    """
    scores = line[seed_columns(line)].to_numpy(dtype="float64", na_value=np.nan)
    places = np.repeat(x.to_numpy(dtype="float64"), scores.shape[1])
    axes.plot(
        places, scores.ravel(), color=look.color, marker=".", markersize=3.2, markeredgewidth=0,
        linestyle="none", zorder=2, transform=transform or axes.transData,
    )  # fmt: skip


def draw_intervals(axes: Axes, rows: pd.DataFrame, look: Look, place: int, count: int) -> None:
    """The t intervals of line `place` of `count`: from `low` to `high` of each row, at its `x`.

    They stand beside those of the other lines. How far the axis reaches is no business of
    theirs: `show_intervals` sees to that.
    """
    columns = rows[["x", "low", "high"]].to_numpy(dtype="float64")
    bars = LineCollection(
        [[(float(x), float(low)), (float(x), float(high))] for x, low, high in columns],
        colors=look.color, linewidths=0.8, zorder=2,
        transform=axes.transData + shifted(axes, among(place, count, _DODGE, _DODGED)),
    )  # fmt: skip
    axes.add_collection(bars, autolim=False)


def show_intervals(axes: Axes, rows: pd.DataFrame) -> None:
    """Make room for the intervals of all rows on an axis."""
    if rows.empty:
        return
    bottom, top = axes.get_ylim()
    axes.set_ylim(min(bottom, float(rows["low"].min())), max(top, float(rows["high"].max())))


def seed_columns(table: pd.DataFrame) -> list[str]:
    """The columns of a line that hold single seeds."""
    return [str(name) for name in table.columns[table.columns.str.fullmatch(r"seed_\d+")]]


def mark_missing(
    axes: Axes, x: pd.Series, line: pd.DataFrame, look: Look, shift: Transform
) -> None:
    """A ring where some seeds are missing; an empty mark on the x axis where all are.

    `line` has mean, n and planned_seeds for each of `x`; `shift` moves the empty marks, so
    that those of several lines are told apart.
    """
    some = (line["n"] > 0) & (line["n"] < line["planned_seeds"])
    if some.any():
        axes.plot(x[some], line.loc[some, "mean"], marker="o", markersize=8, **_hollow(ALERT))
    none = line["n"] == 0
    if none.any():
        axes.plot(
            x[none],
            [0.0] * int(none.sum()),
            marker=look.marker,
            transform=axes.get_xaxis_transform() + shift,
            clip_on=False,
            **_hollow(look.color) | {"markerfacecolor": "white"},
        )


def _hollow(color: str) -> dict[str, Any]:
    edge = {"markeredgecolor": color, "markeredgewidth": 0.8}
    return {"linestyle": "none", "markerfacecolor": "none", "zorder": 4, **edge}


def sideways(place: int) -> float:
    """Points (1/72 inch) from the mean of line `place` to its seeds, which it would hide.

    Left and right in turn, further out for later lines, so far as no other size is near.
    """
    return (_SEEDS + _APART * (place % _NEAR // 2)) * (1 if place % 2 else -1)


def abreast(place: int, count: int) -> float:
    """Points by which the empty mark of line `place` of `count` stands beside its size."""
    return among(place, count, _MARK, _MARKS)


def among(place: int, count: int, apart: float, most: float) -> float:
    """The place of one of `count` that stand `apart` about 0, or nearer where they take `most`."""
    return min(apart, most / count) * (place - (count - 1) / 2)


def shifted(axes: Axes, points: float) -> Transform:
    """A shift along x by so many points (1/72 inch): on an axis of sizes, by a factor."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return ScaledTranslation(points / 72, 0, figure.dpi_scale_trans)

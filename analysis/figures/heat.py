"""Heat maps: two axes of a complete grid crossed, a map for each model size and pair."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ablation.axis import Axis
from analysis.figures.notes import NOTE_LINE, NOTE_POINTS
from analysis.style import ALERT, QUIET

COLOURS = "Greens"
"""Light to dark in one hue, so that a grey print keeps the order."""
_CELL = 0.46
_LEFT, _TOP, _RIGHT = 1.35, 0.42, 0.12
_TICKS = 0.78
_DARK = 0.6

Map = tuple[pd.DataFrame, tuple[Axis, Axis]]


def heat_sheet(maps: Sequence[Map], sizes: Sequence[str], note: str, alert: str) -> Figure:
    """A row of maps for each pair, a column for each size, all on one scale of colours.

    Each of `maps` is an `interaction_table` and the axes of its rows and columns. A cell
    without a complete seed is crossed out; one that lacks some of its seeds has a star.
    """
    known = pd.concat([table["mean"] for table, _ in maps]).dropna()
    norm = Normalize(known.min(), known.max()) if len(known) else Normalize(0, 100)
    shapes = [tuple(table[axis.name].nunique() for axis in pair) for table, pair in maps]
    footer = 0.1 + NOTE_LINE * (len(note.splitlines()) + len(alert.splitlines()))
    block = max(columns for _, columns in shapes) * _CELL + _RIGHT
    width = _LEFT + len(sizes) * block
    height = footer + sum(_TOP + rows * _CELL + _TICKS for rows, _ in shapes)
    figure = Figure(figsize=(width, height))
    top = height
    for (table, pair), (rows, columns) in zip(maps, shapes, strict=True):
        bottom = top - _TOP - rows * _CELL
        for place, size in enumerate(sizes):
            box = (_LEFT + place * block, bottom, columns * _CELL, rows * _CELL)
            axes = figure.add_axes(
                (box[0] / width, box[1] / height, box[2] / width, box[3] / height)
            )
            draw_map(axes, table[table["model_size"] == size], pair, norm, first=place == 0)
            axes.set_title(size, fontsize=8, loc="left")
        top = bottom - _TICKS
    figure.text(0.1 / width, footer / height, note, va="top", color=QUIET, fontsize=NOTE_POINTS)
    below = footer - NOTE_LINE * len(note.splitlines())
    figure.text(0.1 / width, below / height, alert, va="top", color=ALERT, fontsize=NOTE_POINTS)
    return figure


def draw_map(
    axes: Axes, table: pd.DataFrame, pair: tuple[Axis, Axis], norm: Normalize, *, first: bool
) -> Axes:
    """Draw one size; `table` has a row for each pair of values. Labels of rows if `first`."""
    rows, columns = (axis.ordered(table[axis.name].unique().tolist()) for axis in pair)
    grid = table.pivot(index=pair[0].name, columns=pair[1].name, values="mean")
    values = grid.loc[rows, columns].to_numpy(dtype=float)
    thin = table.assign(thin=table["n"] < table["planned_seeds"]).pivot(
        index=pair[0].name, columns=pair[1].name, values="thin"
    )
    image = axes.imshow(
        np.ma.masked_invalid(values), cmap=COLOURS, norm=norm, aspect="auto", origin="lower"
    )
    for (row, column), value in np.ndenumerate(values):
        if np.isnan(value):
            axes.add_patch(
                Rectangle(
                    (column - 0.5, row - 0.5), 1, 1, fill=False, hatch="xxxx", edgecolor=ALERT,
                    linewidth=0,
                )
            )  # fmt: skip
            continue
        color = "white" if norm(value) > _DARK else "black"
        star = "*" if thin.loc[rows[row], columns[column]] else ""
        axes.text(
            column, row, f"{value:.1f}{star}", ha="center", va="center", color=color, fontsize=7
        )
    image.axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.set_xticks(
        range(len(columns)), [pair[1].label_of(each) for each in columns], rotation=30, ha="right"
    )
    axes.set_yticks(range(len(rows)), [pair[0].label_of(each) for each in rows] if first else [])
    if not first:
        axes.set_yticks([])
    axes.set_xlabel(pair[1].label, fontsize=7)
    if first:
        axes.set_ylabel(pair[0].label, fontsize=7)
    return axes

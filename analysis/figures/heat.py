"""Heat maps as data, and how they are drawn: two axes of a complete grid crossed, at every size.

Words, order and shade of the cells are computed once, for print and for the page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ablation.axis import Axis
from analysis.figures.notes import NOTE_LINE, NOTE_POINTS, named, partial, seed_range, wrapped
from analysis.marginals import Crossing
from analysis.panels import Reading
from analysis.style import ALERT, QUIET, in_sentence

COLOURS = "Greens"
"""Light to dark in one hue, so that a grey print keeps the order."""
_CELL = 0.46
_LEFT, _TOP, _RIGHT = 1.35, 0.42, 0.12
_TICKS, _TURNED = 0.42, 0.78
"""Inches of labels and name of the columns, and of labels that are turned."""
_DARK = 0.75
"""From this shade on white letters stand out more than black ones."""
_SHORT = 4
"""Letters of a label that has room under its column without being turned."""
_NOTE_LETTERS, _LETTER = 100, 0.05
"""Letters of the longest line under the maps, and inches of one at most."""

Map = tuple[pd.DataFrame, tuple[Axis, Axis]]
"""An `interaction_table` and the axes of its rows and columns."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell: its words, its shade from 0 (the lowest mean of all maps) to 1, and what is told.

    `known` is False of one without a complete seed; a star says that some are missing.
    """

    words: str
    shade: float
    told: str
    known: bool = True


@dataclass(frozen=True, kw_only=True)
class Heat:
    """One size of a pair of axes; `rows` are a label and the cells of each, from the top."""

    size: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two axes crossed, at every size."""

    rows: str
    columns: str
    heats: tuple[Heat, ...]

    @property
    def title(self) -> str:
        """Both axes in words."""
        return f"{self.rows} (rows) and {in_sentence(self.columns)} (columns)"


@dataclass(frozen=True, kw_only=True)
class HeatMaps:
    """All pairs of one reading on one scale of shades; `alert` is what they lack, or ''."""

    pairs: tuple[Pair, ...]
    note: str
    alert: str


def heat_maps(
    crossed: Crossing, maps: Sequence[Map], reading: Reading, trials: pd.DataFrame
) -> HeatMaps:
    """The maps of a complete grid; `trials` are those that they show."""
    tables = pd.concat([table for table, _ in maps], ignore_index=True)
    known = tables["mean"].dropna()
    ends = (float(known.min()), float(known.max())) if len(known) else (0.0, 100.0)
    return HeatMaps(
        pairs=tuple(
            Pair(
                rows=rows.label, columns=columns.label,
                heats=tuple(_heat(table, size, (rows, columns), ends) for size in crossed.sizes),
            )
            for table, (rows, columns) in maps
        ),
        note=f"Mean dev score over {named(crossed.tasks)}, n = {seed_range(tables)} seeds; "
        f"{_third(crossed, reading)}.",
        alert=partial(trials, "Crossed out: no complete seed; star: some seeds missing."),
    )  # fmt: skip


def _third(crossed: Crossing, reading: Reading) -> str:
    """What the maps have of the axis that they do not show."""
    if len(crossed.readings) == 1:
        return "no other axis varies"
    held = "at its default" if reading == "slice" else "averaged over"
    return f"the third axis {held} ({reading})"


def _heat(
    table: pd.DataFrame, size: str, pair: tuple[Axis, Axis], ends: tuple[float, float]
) -> Heat:
    rows, columns = pair
    down, across = (axis.ordered(table[axis.name].unique().tolist()) for axis in pair)
    shown = table[table["model_size"] == size].to_dict("records")
    found = {(row[rows.name], row[columns.name]): row for row in shown}
    return Heat(
        size=size, heads=tuple(map(columns.label_of, across)),
        rows=tuple(
            (rows.label_of(one), tuple(_cell(found.get((one, other)), *ends) for other in across))
            for one in reversed(down)
        ),
    )  # fmt: skip


def _cell(row: Mapping[Any, Any] | None, low: float, high: float) -> Cell:
    if row is None or pd.isna(row["mean"]):
        return Cell(words="✕", shade=0.0, told="no complete seed", known=False)
    star = "*" if row["n"] < row["planned_seeds"] else ""
    sd = "" if pd.isna(row["sd"]) else f" ± {row['sd']:.1f}"
    return Cell(
        words=f"{row['mean']:.1f}{star}",
        shade=(row["mean"] - low) / (high - low) if high > low else 0.0,
        told=f"{row['mean']:.1f}{sd}, {row['n']:g} of {row['planned_seeds']:g} seeds",
    )


def heat_sheet(maps: HeatMaps) -> Figure:
    """A row of maps for each pair, a column for each size. Call it inside `style.paper()`."""
    shapes = [(len(pair.heats[0].rows), len(pair.heats[0].heads)) for pair in maps.pairs]
    block = max(columns for _, columns in shapes) * _CELL + _RIGHT
    width = _LEFT + max(len(pair.heats) for pair in maps.pairs) * block
    letters = min(_NOTE_LETTERS, int((width - 0.2) / _LETTER))
    words = [(wrapped(maps.note, letters), QUIET), (wrapped(maps.alert, letters), ALERT)]
    footer = 0.1 + NOTE_LINE * sum(len(text.splitlines()) for text, _ in words)
    ticks = [_TURNED if _is_turned(pair.heats[0]) else _TICKS for pair in maps.pairs]
    height = footer + sum(_TOP + rows * _CELL for rows, _ in shapes) + sum(ticks)
    figure = Figure(figsize=(width, height))
    top = height
    for pair, (rows, columns), below in zip(maps.pairs, shapes, ticks, strict=True):
        bottom = top - _TOP - rows * _CELL
        for place, heat in enumerate(pair.heats):
            box = (_LEFT + place * block, bottom, columns * _CELL, rows * _CELL)
            axes = figure.add_axes(
                (box[0] / width, box[1] / height, box[2] / width, box[3] / height)
            )
            draw_map(axes, heat, columns=pair.columns, rows="" if place else pair.rows)
        top = bottom - below
    top = footer
    for text, color in words:
        at = (0.1 / width, top / height)
        figure.text(*at, text, va="top", color=color, fontsize=NOTE_POINTS, linespacing=1.35)
        top -= NOTE_LINE * len(text.splitlines())
    return figure


def _is_turned(heat: Heat) -> bool:
    """Whether the labels of the columns are too long to stand side by side."""
    return max(map(len, heat.heads)) > _SHORT


def draw_map(axes: Axes, heat: Heat, *, columns: str, rows: str) -> Axes:
    """Draw one size; rows are labelled where there is a name for them."""
    cells = [row for _, row in heat.rows]
    shades = np.array([[cell.shade if cell.known else np.nan for cell in row] for row in cells])
    axes.imshow(np.ma.masked_invalid(shades), cmap=COLOURS, vmin=0, vmax=1, aspect="auto")
    for (down, across), shade in np.ndenumerate(shades):
        if np.isnan(shade):
            axes.add_patch(
                Rectangle(
                    (across - 0.5, down - 0.5), 1, 1, fill=False, hatch="xxxx", edgecolor=ALERT,
                    linewidth=0,
                )
            )  # fmt: skip
            continue
        axes.text(
            across, down, cells[down][across].words, ha="center", va="center",
            color="white" if shade > _DARK else "black", fontsize=7,
        )  # fmt: skip
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_xticks(range(len(heat.heads)), heat.heads)
    if _is_turned(heat):
        axes.tick_params(axis="x", labelrotation=30)
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(cells)) if rows else [], [label for label, _ in heat.rows if rows])
    axes.set_xlabel(columns, fontsize=7)
    axes.set_ylabel(rows, fontsize=7)
    axes.set_title(heat.size, fontsize=8, loc="left")
    return axes

"""Heat maps as tables: two axes of a complete grid crossed, a table for each pair and size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ablation.axis import Axis
from analysis.figures.heat import Map

_DEEPEST = 45.0
"""Percent of colour at the highest mean; above it, letters no longer stand out from it."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell: its words, how deep its colour is in percent, and what is told of it.

    `known` is False of one without a complete seed.
    """

    words: str
    depth: float
    told: str
    known: bool = True


@dataclass(frozen=True, kw_only=True)
class Heat:
    """One size of a pair of axes; `rows` are a label and the cells of each."""

    size: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two axes crossed, at every size."""

    title: str
    heats: tuple[Heat, ...]


def pairs_of(maps: Sequence[Map], sizes: Sequence[str]) -> tuple[Pair, ...]:
    """All pairs at all sizes, on one scale of colours, in the order of the printed figure."""
    known = pd.concat([table["mean"] for table, _ in maps]).dropna()
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 100.0)
    return tuple(
        Pair(
            title=f"{rows.label} (rows) and {columns.label} (columns)",
            heats=tuple(_heat(table, size, (rows, columns), (low, high)) for size in sizes),
        )
        for table, (rows, columns) in maps
    )


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
        return Cell(words="✕", depth=0.0, told="no complete seed", known=False)
    depth = _DEEPEST * (row["mean"] - low) / (high - low) if high > low else 0.0
    star = "*" if row["n"] < row["planned_seeds"] else ""
    sd = "" if pd.isna(row["sd"]) else f" ± {row['sd']:.1f}"
    told = f"{row['mean']:.1f}{sd}, {row['n']:g} of {row['planned_seeds']:g} seeds"
    return Cell(words=f"{row['mean']:.1f}{star}", depth=round(depth, 1), told=told)

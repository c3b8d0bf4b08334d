"""A panel of lines as places in a drawing, which the page draws as SVG; y goes down.

Lines are told apart by colour, mark and dashes, so that they are in grey too. What
is not there is drawn as such, as in `analysis.figures.lines`.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ablation.axis import Value
from analysis.figures.layout import abreast, among, seed_columns, sideways
from analysis.figures.notes import has_interval
from analysis.panels import Panel
from analysis.style import colour_of, in_short, looks, marker_of

WIDTH, HEIGHT = 460.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 40.0, 14.0, 12.0, 40.0
_EDGE = 0.07
"""Share of the width that stays free left and right of the outermost sizes."""
DODGE, DODGED = 2.5, 20.0
"""From the interval of one line to the next along x, and of the first to the last at most."""
POINT = 1.5
"""In this drawing, a point of the printed figure."""
_STEPS = (1.0, 2.0, 5.0, 10.0, 20.0, 25.0, 50.0)
_TICKS = 6

Piece = list[tuple[float, pd.Series]]
"""Neighbouring cells: their place along x, and their row of a panel's table."""
ToY = Callable[[float], float]
"""From a score to its place along y."""


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A place along an axis and what stands there."""

    at: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Point:
    """The mean of a cell, and what is told of it; `whole` says that no seed is missing."""

    x: float
    y: float
    told: str
    whole: bool


@dataclass(frozen=True, kw_only=True)
class Line:
    """One value of the axis; `look` is its place among `analysis.style.looks`, 0 the default.

    `paths` are the pieces of the line, `band` one standard deviation to either
    side of them, both as points of SVG. `bars` are t intervals: x, upper and lower end.
    """

    label: str
    look: int
    points: tuple[Point, ...]
    paths: tuple[str, ...]
    bands: tuple[str, ...]
    bars: tuple[tuple[float, float, float], ...]
    seeds: tuple[tuple[float, float], ...]
    missing: tuple[float, ...]
    """Places along x of cells without any complete seed."""

    @property
    def colour(self) -> int:
        """Which colour of the page it has, and line style with it."""
        return colour_of(self.look)

    @property
    def marker(self) -> int:
        """Which symbol of the page it has."""
        return marker_of(self.look)


@dataclass(frozen=True, kw_only=True)
class Chart:
    """All that is drawn of one panel."""

    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    chance: float | None
    x_label: str = "parameters of the frozen model"


def score_range(panels: Iterable[Panel]) -> tuple[float, float]:
    """The lowest and highest score that the panels show, bands too, so that they share an axis."""
    panels = list(panels)
    shown = [panel.table["mean"] for panel in panels]
    shown += [panel.table[name] for panel in panels for name in seed_columns(panel.table)]
    for sign in (-1, 1):
        ends = [panel.table["mean"] + sign * panel.table["sd"] for panel in panels]
        shown += [end.clip(0.0, 100.0) for end in ends]
    shown += [pd.Series([panel.chance]) for panel in panels]
    known = pd.concat(shown).dropna() if shown else pd.Series(dtype=float)
    if known.empty:
        return 0.0, 100.0
    return float(known.min()), float(known.max())


def chart_of(panel: Panel, default: Value, scores: tuple[float, float]) -> Chart:
    """The chart of a panel whose green line is `default`, over a range of scores."""
    ticks = nice_ticks(*scores)
    low, high = min(ticks[0], scores[0]), max(ticks[-1], scores[1])

    def y_of(score: float) -> float:
        return round(TOP + (high - score) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    placed = panel.table.dropna(subset=["model_parameters"])
    counts = sorted(placed["model_parameters"].astype(float).unique())
    along = places(counts, is_log=True)
    order = list(looks(panel.values, default))
    lines = [
        _line(
            placed[placed[panel.axis.name] == value],
            panel.axis.label_of(value), order.index(value), along, y_of,
            place, len(panel.values),
        )
        for place, value in enumerate(panel.values)
    ]  # fmt: skip
    return Chart(
        lines=tuple(lines),
        x_ticks=tuple(Tick(at=x, text=in_short(count)) for count, x in along.items()),
        y_ticks=tuple(Tick(at=y_of(tick), text=f"{tick:g}") for tick in ticks),
        chance=None if math.isnan(panel.chance) else y_of(panel.chance),
    )


def nice_ticks(low: float, high: float) -> list[float]:
    """Round numbers around a range, at most about six."""
    span = max(high - low, 1.0)
    step = next((step for step in _STEPS if span / step <= _TICKS), _STEPS[-1])
    first, last = math.floor(low / step), math.ceil(high / step)
    return [step * number for number in range(first, max(last, first + 1) + 1)]


def places(known: Sequence[float], *, is_log: bool) -> dict[float, float]:
    """Places along x of values in order, on a logarithmic scale or not."""
    inside = WIDTH - LEFT - RIGHT
    if len(known) < 2:
        return dict.fromkeys(known, LEFT + inside / 2)
    scaled = np.log(known) if is_log else np.asarray(known)
    share = _EDGE + (1 - 2 * _EDGE) * (scaled - scaled[0]) / (scaled[-1] - scaled[0])
    return dict(zip(known, (round(LEFT + inside * float(each), 1) for each in share), strict=True))


def _line(
    rows: pd.DataFrame,
    label: str,
    look: int,
    along: Mapping[float, float],
    y_of: ToY,
    place: int,
    count: int,
) -> Line:
    """Line `place` of `count`."""
    xs = [along[count] for count in rows["model_parameters"].astype(float)]
    known = [(x, row) for x, (_, row) in zip(xs, rows.iterrows(), strict=True) if row["n"] > 0]
    points = tuple(
        Point(x=x, y=y_of(row["mean"]), told=f"{label}, {_told(row)}",
              whole=bool(row["n"] == row["planned_seeds"]))
        for x, row in known
    )  # fmt: skip
    parts = list(pieces(xs, rows))
    dodged, aside = among(place, count, DODGE, DODGED), POINT * sideways(place)
    return Line(
        label=label,
        look=look,
        points=points,
        paths=tuple(joined((x, y_of(row["mean"])) for x, row in part) for part in parts),
        bands=tuple(band(edges(part), y_of) for part in parts if len(part) > 1),
        bars=tuple(
            (round(x + dodged, 1), _inside(y_of(row["high"])), _inside(y_of(row["low"])))
            for x, row in known if has_interval(row)
        ),
        seeds=tuple(
            (round(x + aside, 1), y_of(score)) for name in seed_columns(rows)
            for x, score in zip(xs, rows[name], strict=True) if not pd.isna(score)
        ),
        missing=tuple(
            round(x + POINT * abreast(place, count), 1)
            for x, (_, row) in zip(xs, rows.iterrows(), strict=True) if not row["n"]
        ),
    )  # fmt: skip


def _inside(y: float) -> float:
    """A place along y, at the edge of the drawing where it is beyond."""
    return min(max(y, TOP), HEIGHT - BOTTOM)


def pieces(xs: Sequence[float], rows: pd.DataFrame) -> Iterator[Piece]:
    """Neighbouring cells that have a mean; a cell without one breaks the line."""
    piece: Piece = []
    for x, (_, row) in zip(xs, rows.iterrows(), strict=True):
        if not pd.isna(row["mean"]):
            piece.append((x, row))
        elif piece:
            yield piece
            piece = []
    if piece:
        yield piece


def band(edges: Sequence[tuple[float, float, float]], y_of: ToY) -> str:
    """The area between the lower and the upper value at each place along x, as points of SVG."""
    upper = [(x, y_of(high)) for x, _, high in edges]
    lower = [(x, y_of(low)) for x, low, _ in reversed(edges)]
    return joined([*upper, *lower])


def edges(
    piece: Piece, least: float = 0.0, most: float = 100.0
) -> list[tuple[float, float, float]]:
    """One standard deviation to either side of each mean, within what can be measured."""
    spread = [(x, float(row["mean"]), sd_of(row) or 0.0) for x, row in piece]
    return [(x, max(least, mean - sd), min(most, mean + sd)) for x, mean, sd in spread]


def sd_of(row: pd.Series) -> float | None:
    """The spread over seeds; None of one seed."""
    sd = float(row["sd"])
    return None if math.isnan(sd) else sd


def joined(points: Iterable[tuple[float, float]]) -> str:
    """Places as points of SVG."""
    return " ".join(f"{x:g},{y:g}" for x, y in points)


def _told(row: pd.Series) -> str:
    """`2m (1.76M parameters): 84.3 ± 3.6, 95% interval 75.4 to 93.2, 3 of 3 seeds`."""
    sd = sd_of(row)
    spread = "" if sd is None else f" ± {sd:.1f}"
    seeds = f"{row['n']:g} of {row['planned_seeds']:g} seeds"
    size = f"{row['model_size']} ({in_short(row['model_parameters'])} parameters)"
    whole = f", 95% interval {row['low']:.1f} to {row['high']:.1f}"
    bar = whole if has_interval(row) else ""
    return f"{size}: {row['mean']:.1f}{spread}{bar}, {seeds}"

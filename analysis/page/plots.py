"""A chart that is no panel as places in a drawing, and its numbers as a table.

The charts are those of `analysis.figures.chart`, which matplotlib draws for print; here the
page draws them, so that they follow its colours, its width and the reader's pointer.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.figures import chart as printed
from analysis.figures.layout import abreast, among, seed_columns
from analysis.figures.notes import has_interval
from analysis.page.chart import (
    BOTTOM,
    DODGE,
    DODGED,
    HEIGHT,
    POINT,
    TOP,
    Chart,
    Line,
    Point,
    Tick,
    ToY,
    band,
    edges,
    joined,
    pieces,
    places,
    sd_of,
)
from analysis.page.sections import Table
from analysis.style import in_sentence, in_short, place_of
from analysis.tables.printed import NOTHING

_TICKS = 6
_ROUND = (1.0, 2.0, 5.0, 10.0)
_WHOLE = 1000.0
"""From here on a number is told in thousands."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """An axis of values from `low` to `high`, of which the `ticks` are named."""

    low: float
    high: float
    ticks: tuple[float, ...]
    is_log: bool

    def share(self, value: float) -> float:
        """How far up a value lies, from 0 to 1; on a logarithmic axis all below lies at 0."""
        if not self.is_log:
            return (value - self.low) / (self.high - self.low)
        lifted = max(value, self.low)
        return math.log(lifted / self.low) / math.log(self.high / self.low)


def plots_of(charts: Sequence[printed.Chart]) -> list[Chart]:
    """The charts of one figure; what is measured in the same unit is on the same scale."""
    scales = {
        unit: scale_of([chart for chart in charts if chart.y_label == unit])
        for unit in dict.fromkeys(chart.y_label for chart in charts)
    }
    return [_plot(chart, scales[chart.y_label]) for chart in charts]


def scale_of(charts: Sequence[printed.Chart]) -> Scale:
    """The axis that holds all means, bands, intervals and seeds of these charts."""
    is_log = any(chart.log_y for chart in charts)
    known = [value for chart in charts for value in _values(chart) if value > 0 or not is_log]
    if not known:
        return Scale(low=0.0, high=1.0, ticks=(0.0, 1.0), is_log=False)
    low, high = min(known), max(known)
    if not is_log:
        ticks = round_ticks(low, high)
        return Scale(low=ticks[0], high=ticks[-1], ticks=tuple(ticks), is_log=False)
    inside = [tick for tick in decades(low, high) if low <= tick <= high]
    ticks = inside if len(inside) > 1 else decades(low, high)
    return Scale(low=min(low, ticks[0]), high=max(high, ticks[-1]), ticks=tuple(ticks), is_log=True)


def _values(chart: printed.Chart) -> Iterator[float]:
    for line in chart.lines:
        numbers = _plain(line.table)
        low, high = numbers["mean"] - numbers["sd"].fillna(0.0), numbers["mean"] + numbers["sd"]
        seeds = [numbers[name] for name in seed_columns(numbers)]
        low, high = low.clip(lower=chart.floor), high.clip(upper=chart.ceiling)
        bars = chart.intervals(line)
        ends = [] if bars.empty else [bars["low"], bars["high"]]
        for column in (numbers["mean"], low, high, *seeds, *ends):
            yield from column.dropna()


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """The table with NaN for what is not known, whatever the columns were."""
    return table.astype(dict.fromkeys(["x", "mean", "sd", *seed_columns(table)], "float64"))


def round_ticks(low: float, high: float) -> list[float]:
    """Round numbers around a range, at most about six, of whatever size they are.

    A single value stands at the top of its axis, for there may be nothing above it.
    """
    if low == high:
        low, high = (min(low, 0.0), high) if high else (0.0, 1.0)
    span = high - low
    unit = 10.0 ** math.floor(math.log10(span / _TICKS))
    step = next(unit * each for each in _ROUND if span / (unit * each) <= _TICKS)
    first, last = math.floor(low / step), math.ceil(high / step)
    # Sums of steps such as 0.1 are not round, quotients are.
    per = round(1 / step) if step < 1 else 0
    numbers = range(first, max(last, first + 1) + 1)
    return [each / per if per else each * step for each in numbers]


def decades(low: float, high: float) -> list[float]:
    """Powers of ten around a range."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return [10.0**power for power in range(first, max(last, first + 1) + 1)]


def _plot(chart: printed.Chart, scale: Scale) -> Chart:
    def y_of(value: float) -> float:
        return round(HEIGHT - BOTTOM - scale.share(value) * (HEIGHT - TOP - BOTTOM), 1)

    known = sorted({float(x) for line in chart.lines for x in line.table["x"].dropna()})
    named = [float(tick) for tick in chart.ticks] or _steps(known)
    along = places(sorted({*known, *named}), is_log=chart.log_x)
    count = len(chart.lines)
    return Chart(
        lines=tuple(
            _line(line, chart, along, y_of, number, count)
            for number, line in enumerate(chart.lines)
        ),
        x_ticks=tuple(Tick(at=along[x], text=_x_words(chart, x)) for x in named),
        y_ticks=tuple(Tick(at=y_of(tick), text=worded(tick)) for tick in scale.ticks),
        chance=None, x_label=in_sentence(chart.x_label),
    )  # fmt: skip


def _steps(known: Sequence[float]) -> list[float]:
    """Round numbers of steps within those that are known."""
    if not known:
        return []
    return [tick for tick in round_ticks(known[0], known[-1]) if known[0] <= tick <= known[-1]]


def _line(
    line: printed.Line, chart: printed.Chart, along: Mapping[float, float], y_of: ToY,
    place: int, count: int,
) -> Line:  # fmt: skip
    """Line `place` of `count`."""
    rows = _plain(line.table)
    xs = [along[x] for x in rows["x"]]
    parts = list(pieces(xs, rows))
    known = [(x, row) for part in parts for x, row in part]
    drawn = [[(x, y_of(row["mean"])) for x, row in part] for part in parts]
    dodged, aside = among(place, count, DODGE, DODGED), POINT * abreast(place, count)
    bars = chart.intervals(line)
    least = -math.inf if chart.floor is None else chart.floor
    most = math.inf if chart.ceiling is None else chart.ceiling
    return Line(
        label=line.label, look=place_of(line.look),
        points=tuple(
            Point(x=x, y=y_of(row["mean"]), told=f"{line.label}, {_told(chart, row)}",
                  whole=_is_whole(row))
            for x, row in known
        ),
        paths=tuple(map(joined, drawn)),
        bands=tuple(band(edges(part, least, most), y_of) for part in parts if len(part) > 1),
        bars=tuple(
            (round(along[float(row["x"])] + dodged, 1), y_of(row["high"]), y_of(row["low"]))
            for _, row in bars.iterrows()
        ),
        seeds=tuple(
            (x, y_of(score)) for name in seed_columns(rows)
            for x, score in zip(xs, rows[name], strict=True) if not pd.isna(score)
        ),
        missing=tuple(
            round(x + aside, 1)
            for x, mean in zip(xs, rows["mean"], strict=True) if pd.isna(mean)
        ),
    )  # fmt: skip


def _is_whole(row: pd.Series) -> bool:
    return "planned_seeds" not in row or bool(row["n"] == row["planned_seeds"])


def _told(chart: printed.Chart, row: pd.Series) -> str:
    """`620K parameters: 16.1 ± 13.9, 3 of 3 seeds`."""
    where = f"{_x_words(chart, row['x'])} parameters" if chart.ticks else f"step {row['x']:g}"
    sd = sd_of(row)
    spread = "" if sd is None else f" ± {worded(sd)}"
    mean = f"{where}: {worded(row['mean'])}{spread}"
    return ", ".join(filter(None, (mean, _interval(row), _seeds(row))))


def _interval(row: pd.Series) -> str:
    """A t interval of seeds enough, '' of others."""
    if not has_interval(row):
        return ""
    return f"95% interval {worded(row['low'])} to {worded(row['high'])}"


def _seeds(row: pd.Series) -> str:
    """How many seeds stand behind a mean, '' behind one of a formula."""
    if "n" not in row:
        return ""
    of = f" of {row['planned_seeds']:g}" if "planned_seeds" in row else ""
    return f"{row['n']:g}{of} seeds"


def _x_words(chart: printed.Chart, x: float) -> str:
    return in_short(x) if chart.ticks else f"{x:g}"


def worded(value: float) -> str:
    """Three digits, from a thousand on with a unit: 0.052, 97.3, 6.4K."""
    return in_short(value) if abs(value) >= _WHOLE else f"{value:.3g}"


def numbers_of(chart: printed.Chart) -> Table:
    """What a chart shows, a row for each of its points."""
    rows = [(line.label, row) for line in chart.lines for _, row in _plain(line.table).iterrows()]
    has_seeds = any("n" in line.table for line in chart.lines)
    return Table(
        title=f"{chart.y_label} as numbers",
        heads=("Line", chart.x_label, "Mean", "Sd", *(["Seeds"] if has_seeds else [])),
        rows=tuple(
            (label, _x_words(chart, row["x"]), _cell(row["mean"]), _cell(row["sd"]),
             *([_seeds(row).removesuffix(" seeds")] if has_seeds else []))
            for label, row in rows
        ),
    )  # fmt: skip


def _cell(value: Any) -> str:
    return NOTHING if pd.isna(value) else worded(value)

"""The scale curve in plain text, for the end of a run."""

import pandas as pd
from pandas.api.typing import NAType

from analysis.panels import Panel
from analysis.style import in_short
from analysis.tables.gaps import gap_table, has_gap

NOTHING = "-"
"""Stands where there is no number."""


def scale_curve(panel: Panel) -> str:
    """A line for each model size: parameters, mean ± sd of each method, and their gap.

    A mean over fewer seeds than planned says so.
    """
    table = gap_table(panel)
    heads = [
        "size",
        "parameters",
        *(panel.axis.label_of(method).lower() for method in panel.values),
    ]
    lines = [[row["model_size"], _count(row["model_parameters"])] for _, row in table.iterrows()]
    for method in panel.values:
        for line, (_, row) in zip(lines, table.iterrows(), strict=True):
            line.append(_score(row, str(method)))
    if has_gap(panel):
        heads.append("gap [95% interval]")
        for line, (_, row) in zip(lines, table.iterrows(), strict=True):
            line.append(_gap(row))
    return _aligned([heads, *lines])


def _count(parameters: float | NAType) -> str:
    return NOTHING if isinstance(parameters, NAType) else in_short(parameters)


def _score(row: pd.Series, method: str) -> str:
    """`71.3 ± 0.8`, and `(2 of 3 seeds)` where some are missing."""
    n, planned = row[f"{method}_n"], row[f"{method}_planned_seeds"]
    if not n > 0:
        return NOTHING
    text = f"{row[f'{method}_mean']:.1f}"
    if n > 1:
        text += f" ± {row[f'{method}_sd']:.1f}"
    return text if n == planned else f"{text} ({n:.0f} of {planned:.0f} seeds)"


def _gap(row: pd.Series) -> str:
    if not row["gap_n"] > 0:
        return NOTHING
    text = f"{row['gap']:.1f}"
    return text if row["gap_n"] < 2 else f"{text} [{row['gap_low']:.1f}, {row['gap_high']:.1f}]"


def _aligned(rows: list[list[str]]) -> str:
    """Columns two spaces apart, all but the first to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in rows
    )

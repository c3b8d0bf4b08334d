"""The scale curve and the tables of transfer in plain text, for the end of a run."""

from collections.abc import Iterator

import pandas as pd
from pandas.api.typing import NAType

from ablation.method import AXIS as METHOD
from analysis.panels import Panel
from analysis.style import in_short
from analysis.tables.gaps import gap_table, has_gap
from analysis.tables.printed import NOTHING
from runners.config import METHODS


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
            line.append(_effect(row, "gap"))
    return _aligned([heads, *lines])


def domain_shift(table: pd.DataFrame) -> str:
    """Table 1: a block for each size and task, in it a line for each task that is asked."""
    methods = METHOD.ordered(name for name in METHODS if f"{name}_mean" in table)
    heads = ["", "metric", *(METHOD.label_of(method).lower() for method in methods)]
    has_difference = "difference" in table
    heads += ["difference [95% interval]"] if has_difference else []
    blocks = []
    for (size, task), rows in table.groupby(["model_size", "task"], sort=False):
        lines = [
            [row["evaluated"], row["metric"], *(_score(row, method) for method in methods)]
            + ([_effect(row, "difference")] if has_difference else [])
            for _, row in rows.iterrows()
        ]
        title = f"Table 1, domain shift: tuned on {task} at {size}"
        blocks.append(f"{title}\n{_aligned([heads, *lines])}")
    return "\n\n".join(blocks)


def paraphrase_transfer(table: pd.DataFrame) -> str:
    """Table 2: a line for each size, pair of tasks and method, differences with prompt tuning."""
    compared = [name for name in ("accuracy", "f1") if f"{name}_difference" in table]
    lines = [
        [row["model_size"], row["task"], row["evaluated"], METHOD.label_of(row["method"]).lower(),
         *_paraphrase_scores(row),
         *(_effect(row, f"{metric}_difference") for metric in compared)]
        for _, row in table.iterrows()
    ]  # fmt: skip
    heads = ["size", "tuned on", "evaluated on", "method", "accuracy", "F1"]
    heads += [f"{words} difference" for words in ("accuracy", "F1") if compared]
    return f"Table 2, paraphrase transfer\n{_aligned([heads, *lines])}"


def _paraphrase_scores(row: pd.Series) -> Iterator[str]:
    for metric in ("accuracy", "f1"):
        named = {f"{metric}_n": row["n"], f"{metric}_planned_seeds": row["planned_seeds"]}
        yield _score(pd.Series({**row, **named}), metric)


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


def _effect(row: pd.Series, name: str) -> str:
    """`20.0 [19.1, 20.9]`, without the interval where it is of one seed."""
    if not row[f"{name}_n"] > 0:
        return NOTHING
    text = f"{row[name]:.1f}"
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return text if row[f"{name}_n"] < 2 else f"{text} [{low:.1f}, {high:.1f}]"


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

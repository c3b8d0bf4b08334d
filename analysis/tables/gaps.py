"""The gap table: model tuning less prompt tuning at each model size, paired by seed."""

import pandas as pd

from analysis.contrasts import by_size, difference
from analysis.panels import Panel

METHODS = ("model_tuning", "prompt_tuning")
"""Minuend and subtrahend of the gap."""


def has_gap(panel: Panel) -> bool:
    """Whether the scale panel holds both methods."""
    return set(METHODS) <= set(panel.values)


def gap_table(panel: Panel) -> pd.DataFrame:
    """One row for each size: each method's mean and sd, and `gap` with its sd, n and t interval.

    `panel` is the scale panel; a method that it does not hold has no columns.
    """
    table = pd.DataFrame({"model_size": panel.sizes})
    table["model_parameters"] = table["model_size"].map(panel.parameters)
    for method in panel.values:
        rows = panel.table[panel.table[panel.axis.name] == method]
        wanted = rows[["model_size", "mean", "sd", "n", "planned_seeds"]]
        columns = {name: f"{method}_{name}" for name in wanted.columns if name != "model_size"}
        table = table.merge(wanted.rename(columns=columns), on="model_size", how="left")
    if has_gap(panel):
        gaps = by_size(difference(panel, *METHODS)).rename(columns=lambda name: f"gap_{name}")
        table = table.merge(
            gaps.rename(columns={"gap_model_size": "model_size", "gap_mean": "gap"}),
            on="model_size",
            how="left",
        )
    return table

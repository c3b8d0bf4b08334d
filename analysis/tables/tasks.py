"""The task table: each task at each size, for each method, with its chance level."""

import pandas as pd

from analysis.aggregate import summarise
from analysis.panels import Panel

_KEYS = ["model_size", "method", "task"]


def task_table(panel: Panel) -> pd.DataFrame:
    """One row for each (size, method, task) of the scale panel, over seeds.

    `above` is the mean less `chance`. `at_chance` says that the t interval
    does not lie above it; this is NA for fewer than two seeds.
    """
    table = summarise(panel.trials, _KEYS, "score")
    groups = panel.trials.groupby(_KEYS, sort=False)
    table["planned_seeds"] = groups.size().to_numpy()
    table["chance"] = groups["chance"].first().to_numpy()
    table["invalid"] = groups["invalid"].mean().to_numpy()
    table["above"] = table["mean"] - table["chance"]
    at_chance = (table["low"] <= table["chance"]).astype("boolean")
    table["at_chance"] = at_chance.mask(table["low"].isna() | table["chance"].isna())
    place = {size: place for place, size in enumerate(panel.sizes)}
    return table.sort_values(
        "model_size", key=lambda sizes: sizes.map(place), kind="stable", ignore_index=True
    )

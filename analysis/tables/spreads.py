"""The spread table: how far the settings of an axis lie apart at each model size."""

from collections.abc import Iterable

import pandas as pd

from analysis.contrasts import by_size, spread
from analysis.marginals import Crossing
from analysis.panels import Panel

WHOLE = "all"
"""The axis of a spread over every cell of a complete grid."""


def spread_table(panels: Iterable[Panel], crossed: Crossing | None = None) -> pd.DataFrame:
    """One row for each (axis, size): best less worst setting, over seeds with all settings.

    Every seed's own is a column `seed_0` and so on. Of a complete grid, axis `all` is the
    spread over all of its crossed cells.
    """
    tables = [
        _by_size(spread(panel), panel.axis.name, len(panel.values), panel.parameters)
        for panel in panels
    ]
    if crossed is not None:
        tables.append(_over_cells(crossed))
    return pd.concat(tables, ignore_index=True)


def _over_cells(crossed: Crossing) -> pd.DataFrame:
    groups = crossed.scores.groupby(["model_size", "seed"], sort=False)["score"]
    known = groups.count() == groups.size()
    effects = (groups.max() - groups.min()).where(known)
    ordered = effects.reindex(crossed.sizes, level="model_size")
    return _by_size(ordered, WHOLE, int(groups.size().max()), crossed.parameters)


def _by_size(effects: pd.Series, name: str, settings: int, parameters: pd.Series) -> pd.DataFrame:
    table = by_size(effects)
    wide = effects.unstack("seed")
    wide.columns = [f"seed_{seed}" for seed in wide.columns]
    table = table.merge(wide.reset_index(), on="model_size", how="left")
    table.insert(0, "axis", name)
    table.insert(1, "settings", settings)
    table.insert(3, "model_parameters", table["model_size"].map(parameters))
    return table

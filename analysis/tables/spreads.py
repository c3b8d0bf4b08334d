"""The spread table: how far the settings of an axis lie apart at each model size."""

from collections.abc import Iterable

import pandas as pd

from analysis.contrasts import by_size, spread
from analysis.panels import Panel


def spread_table(panels: Iterable[Panel]) -> pd.DataFrame:
    """One row for each (axis, size): best less worst setting, over seeds with all settings."""
    tables = []
    for panel in panels:
        table = by_size(spread(panel))
        table.insert(0, "axis", panel.axis.name)
        table.insert(1, "settings", len(panel.values))
        tables.append(table)
    return pd.concat(tables, ignore_index=True)

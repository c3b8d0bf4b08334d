"""Differences between cells, paired by seed, and how they change with model size.

A series of effects is indexed by (model_size, seed), sizes in order of their
parameters, and is NaN where either side of a pair is incomplete.
"""

import numpy as np
import pandas as pd

from ablation.axis import Value
from analysis.aggregate import Interval, interval, summarise
from analysis.panels import Panel


def difference(panel: Panel, minuend: Value, subtrahend: Value) -> pd.Series:
    """Score of one value less that of another, for each (size, seed), in points."""
    scores = panel.seed_scores()
    return scores[minuend] - scores[subtrahend]


def spread(panel: Panel) -> pd.Series:
    """Best less worst score across the panel's settings, for each (size, seed), in points.

    Chance alone makes it positive, alike at every size: compare sizes, not with 0.
    """
    scores = panel.seed_scores()
    return scores.max(axis="columns", skipna=False) - scores.min(axis="columns", skipna=False)


def by_size(effects: pd.Series) -> pd.DataFrame:
    """One row for each size: mean, sd, n and t interval of its effects over seeds."""
    return summarise(effects.rename("effect").reset_index(), ["model_size"], "effect")


def at(effects: pd.Series, size: str) -> Interval:
    """The effect at one size, over seeds."""
    return interval(effects.loc[size])


def weighted(effects: pd.Series, weights: dict[str, float]) -> Interval:
    """The weighted sum of effects across sizes, over the seeds that have all of these sizes."""
    wide = effects.unstack("model_size")[list(weights)]
    return interval((wide * pd.Series(weights)).sum(axis="columns", skipna=False))


def slope(effects: pd.Series, parameters: pd.Series) -> Interval:
    """Least-squares change of the effect for ten times the parameters, over seeds with every size.

    `parameters` maps model_size to a count. NaN with n 0 where a size has no
    count, or where there is only one size.
    """
    sizes = list(dict.fromkeys(effects.index.get_level_values("model_size")))
    x = np.log10(parameters.reindex(sizes).to_numpy(dtype=float, na_value=np.nan))
    centred = x - x.mean()
    square = float((centred**2).sum())
    if not square > 0:
        return interval([])
    return weighted(effects, dict(zip(sizes, centred / square, strict=True)))

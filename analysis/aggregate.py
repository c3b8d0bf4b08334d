"""From trials to scores of cells: over tasks by the SuperGLUE rule, then over seeds.

Nothing is averaged over a missing trial: the score of a (cell, seed) exists
only when all of its tasks do, and every step carries what it was made of.
No drawing here, and no knowledge of figures.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from analysis.frame import CHANCE_TOLERANCE

CELL = (
    "method",
    "model_family",
    "model_size",
    "pretraining_objective",
    "lm_adaptation_steps",
    "prompt_length",
    "prompt_init",
)
"""The fields that tell two cells of the study apart; a trial is (cell, task, seed)."""

CONFIDENCE = 0.95
"""Coverage of every interval."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Mean, standard deviation and t interval of n values; NaN where n is too small for it."""

    mean: float
    sd: float
    n: int
    low: float
    high: float


def interval(values: Sequence[float] | pd.Series) -> Interval:
    """The mean of the known `values` and its t interval, of n - 1 degrees of freedom."""
    known = pd.Series(values, dtype="float64").dropna()
    mean, sd = float(known.mean()), float(known.std())
    half = float(_half_width(sd, len(known)))
    return Interval(mean=mean, sd=sd, n=len(known), low=mean - half, high=mean + half)


def summarise(frame: pd.DataFrame, keys: Sequence[str], column: str) -> pd.DataFrame:
    """One row for each group of `keys`: `mean`, `sd`, `n`, `low`, `high` of what `column` has."""
    groups = frame.groupby(list(keys), dropna=False, sort=False, observed=True)[column]
    table = groups.agg(mean="mean", sd="std", n="count").reset_index()
    half = _half_width(table["sd"], table["n"])
    return table.assign(low=table["mean"] - half, high=table["mean"] + half)


def shared_tasks(rows: pd.DataFrame) -> tuple[str, ...]:
    """The tasks that every (cell, seed) of `rows` plans; cells compare on these alone."""
    cells = rows.groupby([*CELL, "seed"], dropna=False, sort=False).ngroup()
    planned_in = cells.groupby(rows["task"], sort=False).nunique()
    return tuple(planned_in.index[planned_in == cells.nunique()])


def cell_scores(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each (cell, seed): `score`, the mean over its tasks, NaN where one is not done.

    Also `chance` and `invalid` likewise, NaN too where an imported trial does
    not say them; `planned` and `done` counts of trials, and `lacking`, the
    tasks that are not done. Raises ValueError where two trials share cell, task
    and seed.
    """
    _refuse_twins(rows)
    keys = [*CELL, "seed"]
    is_done = rows["status"] == "done"
    groups = rows.assign(is_done=is_done).groupby(keys, dropna=False, sort=False)
    table = groups.agg(
        score=("score", "mean"), chance=("chance", "mean"), invalid=("invalid", "mean"),
        planned=("task", "size"), done=("is_done", "sum"),
    ).reset_index()  # fmt: skip
    lacking = rows.loc[~is_done, "task"].groupby(groups.ngroup()[~is_done]).agg(" ".join)
    table["lacking"] = lacking.reindex(table.index, fill_value="")
    for name in ("score", "chance", "invalid"):
        known = groups[name].count().reset_index(drop=True)
        whole = (table["done"] == table["planned"]) & (known == table["planned"])
        table[name] = table[name].where(whole)
    return table


def over_seeds(scores: pd.DataFrame) -> pd.DataFrame:
    """One row for each cell: mean, sd, n and t interval over seeds, and every seed's score.

    `scores` is that of `cell_scores`. The seeds' scores are columns `seed_0` and
    so on; `planned_seeds` beside `n` tells how many are missing, `planned` and
    `done` count trials.
    """
    keys = list(CELL)
    table = summarise(scores, keys, "score")
    groups = scores.groupby(keys, dropna=False, sort=False)
    counts = groups.agg(
        planned_seeds=("seed", "size"),
        planned=("planned", "sum"),
        done=("done", "sum"),
        invalid=("invalid", "mean"),
    ).reset_index(drop=True)
    wide = scores.assign(cell=groups.ngroup()).pivot(index="cell", columns="seed", values="score")
    wide.columns = [f"seed_{seed}" for seed in wide.columns]
    return pd.concat([table, counts, wide.reset_index(drop=True)], axis="columns")


def chance_levels(rows: pd.DataFrame) -> pd.Series:
    """The best score of each task that needs no reading [task -> 0..100].

    NaN where its trials disagree.
    """
    known = rows.groupby("task", sort=False)["chance"]
    return known.first().where(known.max() - known.min() <= CHANCE_TOLERANCE)


def model_parameters(frame: pd.DataFrame) -> pd.Series:
    """Parameters of the frozen model of each size [model_size -> count], as the records state them.

    Raises ValueError where records of one size disagree.
    """
    stated = frame.dropna(subset=["model_parameters"]).groupby("model_size", sort=False)[
        "model_parameters"
    ]
    for size, count in stated.nunique().items():
        if count > 1:
            numbers = ", ".join(map(str, sorted(stated.get_group(size).unique())))
            raise ValueError(
                f"model_size {size}: the records state {numbers} model_parameters; one size is one "
                "shape, so keep records of different shapes in different stores"
            )
    return stated.first()


def _half_width(sd: Any, n: Any) -> Any:
    """Half a t interval; NaN for one value, whose quantile has 0 degrees of freedom."""
    return stdtrit(n - 1, (1 + CONFIDENCE) / 2) * sd / np.sqrt(n)


def _refuse_twins(rows: pd.DataFrame) -> None:
    twins = rows[rows.duplicated([*CELL, "task", "seed"], keep=False)]
    if not twins.empty:
        first = ", ".join(twins["trial_id"].head(2))
        raise ValueError(
            f"trials {first}: same cell, task and seed but other settings; "
            "a panel compares cells at the same settings, so give each its own sweep"
        )

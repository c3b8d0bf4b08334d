"""What a complete grid shows beyond its slices: marginals, and pairs of axes crossed.

A slice varies an axis with the others at their defaults; a marginal is the mean over
all values of the others. Both are over the same trials, in which every length, init and
number of adaptation steps meets every other. Axes in `CROSSED` have both readings; an
objective is not crossed, for span corruption is 0 steps and sentinels are run at the
default alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import pandas as pd

from ablation import lm_adaptation_steps, prompt_init, prompt_length
from ablation.axes import ABLATED
from ablation.axis import Axis
from ablation.cell import ADAPTED
from ablation.grid import GRID
from ablation.settings import STUDIED
from analysis.aggregate import (
    CELL,
    cell_scores,
    chance_levels,
    model_parameters,
    over_seeds,
    shared_tasks,
    summarise,
)
from analysis.panels import Panel, Reading

CROSSED: tuple[Axis, ...] = (prompt_length.AXIS, prompt_init.AXIS, lm_adaptation_steps.AXIS)
"""The axes whose product a complete grid holds."""
PAIRS: tuple[tuple[Axis, Axis], ...] = (
    (prompt_length.AXIS, prompt_init.AXIS),
    (prompt_init.AXIS, lm_adaptation_steps.AXIS),
)
"""Pairs that have a heat map where both vary: rows, columns."""
_NAMES = [axis.name for axis in CROSSED]


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """The crossed cells of a complete grid: their trials, and a score for each (cell, seed)."""

    trials: pd.DataFrame
    scores: pd.DataFrame
    tasks: tuple[str, ...]
    parameters: pd.Series
    """Parameters of each model size, smallest first."""
    chance: float

    @property
    def sizes(self) -> list[str]:
        """Model sizes by their parameters, those that no record places last."""
        stated = pd.Series({size: self.parameters.get(size) for size in self._planned_sizes})
        return list(stated.astype("Float64").sort_values(kind="stable").index)

    @property
    def _planned_sizes(self) -> list[str]:
        return list(dict.fromkeys(self.trials["model_size"]))

    def values(self, axis: Axis) -> tuple[Any, ...]:
        """The values of an axis in the order of figures."""
        return tuple(axis.ordered(self.trials[axis.name].unique().tolist()))

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The crossed axes that have more than one value."""
        return tuple(axis for axis in CROSSED if len(self.values(axis)) > 1)

    @property
    def pairs(self) -> tuple[tuple[Axis, Axis], ...]:
        """The pairs of them that heat maps show: rows, columns."""
        varied = set(self.axes)
        return tuple(pair for pair in PAIRS if varied.issuperset(pair))

    @property
    def readings(self) -> tuple[Reading, ...]:
        """How pairs can be read: where no third axis varies a slice is all that there is."""
        return ("marginal", "slice") if len(self.axes) == len(CROSSED) else ("slice",)


def crossing(frame: pd.DataFrame) -> Crossing | None:
    """The crossed cells of a sweep; None where its axes are not crossed."""
    shown = {GRID, *(str(axis.panel) for axis in ABLATED)}
    is_shown = frame["panels"].map(lambda panels: bool(shown & panels))
    # Every crossed cell has the objective that its number of steps brings with it.
    adapted = frame["pretraining_objective"] == ADAPTED
    plain = frame.loc[is_shown & ~adapted, "pretraining_objective"].value_counts()
    objective = adapted if plain.empty else adapted | frame["pretraining_objective"].eq(
        plain.index[0]
    )  # fmt: skip
    rows = frame[is_shown & objective & (frame["method"] == STUDIED)]
    if not rows["panels"].map(lambda panels: GRID in panels).any() or not _is_product(rows):
        return None
    tasks = shared_tasks(rows)
    rows = rows[rows["task"].isin(tasks)]
    scores = cell_scores(rows)
    return Crossing(
        trials=rows, scores=scores, tasks=tasks, parameters=model_parameters(frame),
        chance=float(chance_levels(rows).reindex(tasks).mean(skipna=False)),
    )  # fmt: skip


def _is_product(rows: pd.DataFrame) -> bool:
    """Whether every combination of the crossed axes is planned at every size."""
    per_size = rows.drop_duplicates(["model_size", *_NAMES]).groupby("model_size").size()
    wanted = len(list(product(*(rows[name].unique() for name in _NAMES))))
    return bool((per_size == wanted).all())


def marginal_panel(crossed: Crossing, axis: Axis) -> Panel:
    """The panel of an axis as a marginal: at each value and seed, the mean over all other cells.

    A cell that is not complete for a seed leaves the mean of that seed out, and the
    panel says how many trials are missing.
    """
    keys = [axis.name, "model_size", "seed"]
    scores = _mean_over(crossed.scores, keys)
    # One cell stands for many here; what it averages over has no value of its own.
    others = {name: None for name in CELL if name not in keys}
    table = over_seeds(scores.assign(**others))
    table["model_parameters"] = table["model_size"].map(crossed.parameters)
    values = crossed.values(axis)
    place = table[axis.name].map({value: place for place, value in enumerate(values)})
    table = table.assign(place=place).sort_values(["place", "model_parameters"], kind="stable")
    return Panel(
        axis=axis, values=values, tasks=crossed.tasks, scores=scores, trials=crossed.trials,
        table=table.drop(columns=["place", *others]).reset_index(drop=True),
        chance=crossed.chance, reading="marginal",
    )  # fmt: skip


def as_slice(panel: Panel) -> Panel:
    """A panel of a complete grid, labelled as the slice that it is."""
    return replace(panel, reading="slice")


def interaction_table(
    crossed: Crossing, pair: tuple[Axis, Axis], reading: Reading, defaults: dict[str, Any]
) -> pd.DataFrame:
    """Scores of two axes crossed: a row for each (size, value, value), over seeds.

    Columns: mean, sd, n and t interval; `interaction`, by how many points the mean is above
    the sum of what its row and its column add on their own (NaN where a cell of the
    size is missing). Of the third axis a slice has the default and a marginal the mean.
    """
    names = [axis.name for axis in pair]
    scores = crossed.scores
    if reading == "slice":
        for name in (name for name in _NAMES if name not in names):
            scores = scores[scores[name] == defaults[name]]
    keys = ["model_size", *names]
    table = summarise(_mean_over(scores, [*keys, "seed"]), keys, "score")
    planned = scores.groupby(keys, sort=False)["seed"].nunique()
    table["planned_seeds"] = planned.reindex(pd.MultiIndex.from_frame(table[keys])).to_numpy()
    table.insert(0, "pair", " x ".join(names))
    table.insert(1, "reading", reading)
    return table.assign(interaction=_beyond_sum(table, names))


def crossed_trials(
    crossed: Crossing, reading: Reading, defaults: Mapping[str, Any]
) -> pd.DataFrame:
    """The trials that the heat maps of a reading show: of slices, those with a third at default."""
    if reading != "slice":
        return crossed.trials
    shown = pd.Series(data=False, index=crossed.trials.index)
    for pair in crossed.pairs:
        names = [name for name in _NAMES if name not in {axis.name for axis in pair}]
        held = [crossed.trials[name] == defaults[name] for name in names]
        shown |= pd.concat(held, axis="columns").all(axis="columns")
    return crossed.trials[shown]


def _beyond_sum(table: pd.DataFrame, names: Sequence[str]) -> pd.Series:
    by_size = table.groupby("model_size")["mean"]
    grand = by_size.transform("mean")
    parts = [
        table.groupby(["model_size", name], dropna=False)["mean"].transform("mean")
        for name in names
    ]
    beyond = table["mean"] - (parts[0] + parts[1] - grand)
    is_whole = table["mean"].notna().groupby(table["model_size"]).transform("all")
    return beyond.where(is_whole)


def _mean_over(scores: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The mean score over the cells of each key, NaN where a cell is not complete."""
    groups = scores.groupby(keys, dropna=False, sort=False)
    table = groups.agg(
        score=("score", "mean"), known=("score", "count"), cells=("score", "size"),
        planned=("planned", "sum"), done=("done", "sum"), invalid=("invalid", "mean"),
    ).reset_index()  # fmt: skip
    whole = table["known"] == table["cells"]
    table["score"] = table["score"].where(whole)
    return table.drop(columns="known")

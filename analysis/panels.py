"""A panel as numbers, ready to draw: lines over model sizes, what is missing, what it rests on."""

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from ablation.axis import Axis, Value
from analysis.aggregate import (
    cell_scores,
    chance_levels,
    model_parameters,
    over_seeds,
    shared_tasks,
)
from analysis.frame import in_panel

Reading = Literal["star", "slice", "marginal"]
"""How other axes are held: at the defaults, as nothing else was run; at the defaults of a
complete grid; or averaged over all of their values."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One panel of the study, computed: a line for each value of `axis` over model sizes.

    `table` has a row for each (value, model size), in the order of figures; a
    cell without any complete seed is a row whose `mean` is NaN. `scores` has
    each (cell, seed), `trials` each trial. `chance` is the mean chance
    baseline of `tasks`, or NaN where a task has none yet.
    """

    axis: Axis
    values: tuple[Value, ...]
    tasks: tuple[str, ...]
    table: pd.DataFrame
    scores: pd.DataFrame
    trials: pd.DataFrame
    chance: float
    reading: Reading = "star"

    @property
    def planned(self) -> int:
        """Trials the panel consists of."""
        return len(self.trials)

    @property
    def done(self) -> int:
        """Trials of the panel that are committed and usable."""
        return int((self.trials["status"] == "done").sum())

    @property
    def seeds(self) -> tuple[int, int]:
        """Fewest and most seeds behind a drawn mean; (0, 0) where nothing is drawn."""
        counts = self.table.loc[self.table["n"] > 0, "n"]
        return (int(counts.min()), int(counts.max())) if len(counts) else (0, 0)

    @property
    def parameters(self) -> pd.Series:
        """Parameters of the frozen model [model_size -> count]; NA where no record states them."""
        return self.table.drop_duplicates("model_size").set_index("model_size")["model_parameters"]

    @property
    def sizes(self) -> list[str]:
        """Model sizes by their parameters; those that no record places come last."""
        return list(self.parameters.sort_values(kind="stable").index)

    @property
    def ends(self) -> tuple[str, str]:
        """The smallest and the largest size.

        While no trial states the parameters of some size, they are the first and the last
        that the sweep lists, for the smallest of what is done need not be the smallest.
        """
        planned = list(dict.fromkeys(self.trials["model_size"]))
        sizes = self.sizes if self.parameters.notna().all() else planned
        return sizes[0], sizes[-1]

    def seed_scores(self) -> pd.DataFrame:
        """Scores [(model_size, seed), value], sizes in order; NaN where a task is not done."""
        keys = ["model_size", "seed"]
        wide = self.scores.pivot(index=keys, columns=self.axis.name, values="score")
        return wide.reindex(self.sizes, level="model_size")

    @property
    def drawable(self) -> bool:
        """Whether any cell has a complete seed."""
        return bool(self.table["mean"].notna().any())


def plans(frame: pd.DataFrame, axis: Axis) -> bool:
    """Whether the sweep plans any trial for the panel of `axis`."""
    return not _rows(frame, axis).empty


def build_panel(frame: pd.DataFrame, axis: Axis) -> Panel:
    """The panel of `axis` from a sweep's frame.

    All cells are scored on the tasks that every cell plans. Raises ValueError
    where there is none, or where two trials cannot be told apart.
    """
    assert plans(frame, axis)
    everything = _rows(frame, axis)
    tasks = shared_tasks(everything)
    if not tasks:
        raise ValueError(
            f"panel {axis.panel}: no task is planned in every cell of it, so no two cells can be "
            "compared; give all cells of a panel at least one task in common"
        )
    rows = everything[everything["task"].isin(tasks)]
    scores = cell_scores(rows)
    _refuse_forks(scores, axis)
    values = tuple(axis.ordered(rows[axis.name].unique().tolist()))
    table = over_seeds(scores)
    table["model_parameters"] = table["model_size"].map(model_parameters(frame))
    place = table[axis.name].map({value: place for place, value in enumerate(values)})
    table = table.assign(place=place).sort_values(["place", "model_parameters"], kind="stable")
    return Panel(
        axis=axis,
        values=values,
        tasks=tasks,
        table=table.drop(columns="place").reset_index(drop=True),
        scores=scores,
        trials=rows,
        chance=float(chance_levels(rows).reindex(tasks).mean(skipna=False)),
    )


def _refuse_forks(scores: pd.DataFrame, axis: Axis) -> None:
    forks = scores[scores.duplicated([axis.name, "model_size", "seed"])]
    if not forks.empty:
        value, size = forks.iloc[0][[axis.name, "model_size"]]
        raise ValueError(
            f"panel {axis.panel}: several cells with {axis.name} {value} at model_size {size}; "
            "a panel holds one cell for each value and size, so give the others the panel 'grid'"
        )


def _rows(frame: pd.DataFrame, axis: Axis) -> pd.DataFrame:
    assert axis.panel is not None, axis.name
    return in_panel(frame, axis.panel).dropna(subset=[axis.name])

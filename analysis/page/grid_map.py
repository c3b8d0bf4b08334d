"""Every trial of a sweep on one map: a row for each cell, a column for each task, a mark a seed."""

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ablation import model_size
from ablation.axes import ABLATED
from ablation.axis import Axis
from ablation.method import AXIS as METHOD
from ablation.task import AXIS as TASK
from analysis.aggregate import CELL, model_parameters

STATES = ("done", "running", "failed", "broken", "missing")
"""What can be said of a trial on the map, in the order of the legend."""
_NO_SCORE = -1


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One trial: its state, and the tenth that its score is in (0 to 9, -1 without one)."""

    trial_id: str
    state: str
    tenth: int
    told: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One cell: its words, what filters go by, its marks by task, and the mean of its scores.

    `score` is None where a trial of the cell is not done.
    """

    words: str
    filters: Mapping[str, str]
    marks: tuple[tuple[Mark, ...], ...]
    score: str | None
    done: int
    planned: int


@dataclass(frozen=True, kw_only=True)
class GridMap:
    """The map; `tasks` are the columns, `choices` what there is to filter by."""

    tasks: tuple[str, ...]
    rows: tuple[Row, ...]
    counts: Mapping[str, int]
    choices: Mapping[str, tuple[str, ...]]


def grid_map(frame: pd.DataFrame, running: Set[str]) -> GridMap:
    """The map of a sweep's frame, of which the trials `running` have a checkpoint."""
    states = frame["status"].where(
        ~((frame["status"] == "missing") & frame["trial_id"].isin(running)), "running"
    )
    shown = frame.assign(state=states)
    tasks = tuple(TASK.ordered(shown["task"].unique().tolist()))
    rows = [
        _row(cell, tasks)
        for _, cell in _ordered(shown).groupby(list(CELL), dropna=False, sort=False)
    ]
    choices = {axis.name: tuple(_words(axis, shown)) for axis in (METHOD, *ABLATED)}
    choices["model_size"] = tuple(_sizes(frame))
    return GridMap(
        tasks=tasks,
        rows=tuple(rows),
        counts={state: int((states == state).sum()) for state in STATES},
        choices={name: values for name, values in choices.items() if len(values) > 1},
    )


def _words(axis: Axis, frame: pd.DataFrame) -> Iterator[str]:
    """What an axis is in the sweep, in words and in order."""
    values = axis.ordered(frame[axis.name].dropna().unique().tolist())
    yield from map(axis.label_of, values)


def _sizes(frame: pd.DataFrame) -> list[str]:
    """Sizes by their parameters; those that no record places keep their order, at the end."""
    places = model_parameters(frame).to_dict()
    sizes = list(dict.fromkeys(frame["model_size"]))
    return sorted(sizes, key=lambda size: places.get(size, float("inf")))


def _ordered(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows by method, then by size, then as the sweep has them."""
    sizes = {size: place for place, size in enumerate(_sizes(frame))}
    ordered = METHOD.ordered(frame["method"].unique().tolist())
    methods = {method: place for place, method in enumerate(ordered)}
    keys = frame.assign(_m=frame["method"].map(methods), _s=frame["model_size"].map(sizes))
    return keys.sort_values(["_m", "_s"], kind="stable")


def _row(cell: pd.DataFrame, tasks: tuple[str, ...]) -> Row:
    first = cell.iloc[0]
    by_task: dict[str, list[Mark]] = {task: [] for task in tasks}
    for trial in cell.to_dict("records"):
        by_task[trial["task"]].append(_mark(trial))
    whole = bool((cell["state"] == "done").all())
    filters = {
        axis.name: "" if pd.isna(first[axis.name]) else axis.label_of(_plain(first[axis.name]))
        for axis in (METHOD, *ABLATED)
    }
    return Row(
        words=cell_words(first),
        filters={**filters, model_size.AXIS.name: str(first["model_size"])},
        marks=tuple(tuple(by_task[task]) for task in tasks),
        score=f"{cell['score'].mean():.1f}" if whole else None,
        done=int((cell["state"] == "done").sum()),
        planned=len(cell),
    )


def cell_words(trial: pd.Series) -> str:
    """A cell in words: `2m · prompt of 20, class label · LM adaptation 500`."""
    objective = ABLATED[2].label_of(trial["pretraining_objective"])
    steps = int(trial["lm_adaptation_steps"])
    model = f"{objective} {steps:,}" if steps else objective
    if pd.isna(trial["prompt_length"]):
        tuned = METHOD.label_of(trial["method"]).lower()
    else:
        init = ABLATED[1].label_of(trial["prompt_init"]).lower()
        tuned = f"prompt of {int(trial['prompt_length'])}, {init}"
    return " · ".join([str(trial["model_size"]), tuned, model])


def _mark(trial: Mapping[Any, Any]) -> Mark:
    state, score = str(trial["state"]), trial["score"]
    if state == "done":
        return Mark(
            trial_id=str(trial["trial_id"]), state=state, tenth=min(9, int(score // 10)),
            told=f"seed {trial['seed']}: {score:.1f}",
        )  # fmt: skip
    told = f"seed {trial['seed']}: {state}"
    return Mark(trial_id=str(trial["trial_id"]), state=state, tenth=_NO_SCORE, told=told)


def _plain(value: Any) -> int | str:
    return value if isinstance(value, str) else int(value)

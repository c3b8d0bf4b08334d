"""How long trials take to converge (Table 5): steps and seconds, by method, length and size.

Converged is within 1% of the mean best score of the setting (Lester et al. 2021, A.1). Where
that is no more than a constant answer gets, there is nothing to converge to: runs that never
leave chance would be the fastest of all.
"""

import pandas as pd

from ablation.grid import SCALE
from ablation.method import AXIS as METHOD
from analysis.aggregate import summarise
from analysis.frame import in_panel

CONVERGED = 0.99
"""The share of the mean best score of its setting that a trial must reach."""
KEYS = ["method", "prompt_length", "model_size"]
"""What has a row of its own."""
RUNTIME_TASK = "boolq"
"""What runtimes are told of (Table 5), where the sweep has it."""


def timed_task(frame: pd.DataFrame) -> str | None:
    """The task whose runtimes are told; None where the sweep has no default cell."""
    tasks = in_panel(frame, SCALE)["task"].unique().tolist()
    if not tasks:
        return None
    return RUNTIME_TASK if RUNTIME_TASK in tasks else str(tasks[0])


def timed_trials(frame: pd.DataFrame, task: str) -> pd.DataFrame:
    """The trials whose runtimes are told: of the scale and length panels, on one task."""
    shown = frame["panels"].map(lambda panels: bool({SCALE, "prompt_length"} & panels))
    return frame[shown & (frame["task"] == task)]


def convergence_table(histories: pd.DataFrame, frame: pd.DataFrame, task: str) -> pd.DataFrame:
    """Table 5: a row for each (method, length, size) of the scale and length panels, on one task.

    Rows are by method, then by length; sizes as the frame has them. A trial has converged
    at the first evaluation that reaches 99% of `mean_score`, the mean best score of its
    setting; `steps` and `seconds` are to there, over the seeds that get there (`n`), each
    seed's own in `steps_seed_0` and so on. A seed that does not is in `planned_seeds`
    alone. `at_chance` says that those 99% are no more than `chance`, the level that the
    records carry (0 where they carry none): there no trial has converged. Seconds are the
    trial's own, in the proportion of its steps: no history has a clock, and trials of a
    pack share one.
    """
    trials = timed_trials(frame, task)
    rows = histories[histories["trial_id"].isin(trials["trial_id"])]
    if rows.empty:
        return pd.DataFrame()
    settings = _settings(rows, trials)
    first = _converged(rows.merge(settings, on=KEYS, how="left"))
    table = settings
    for column in ("seconds", "steps"):
        numbers = summarise(first, KEYS, column).rename(columns={"mean": f"{column}_mean",
            "sd": f"{column}_sd", "low": f"{column}_low", "high": f"{column}_high"})  # fmt: skip
        if column == "steps":
            numbers = numbers.drop(columns="n")
        table = table.merge(numbers, on=KEYS, how="left")
    for column in ("seconds", "steps"):
        table = table.merge(_by_seed(first, column), on=KEYS, how="left")
    table["n"] = table["n"].fillna(0).astype("int64")
    return _ordered(table.assign(task=task))


def _settings(rows: pd.DataFrame, trials: pd.DataFrame) -> pd.DataFrame:
    """A row for each setting: its seeds, the mean of their best scores, and what converging is."""
    planned = trials.groupby(KEYS, dropna=False, sort=False)
    table = planned.agg(
        planned_seeds=("seed", "size"), eval_every=("eval_every", "first"),
        chance=("chance", "mean"),
    ).reset_index()  # fmt: skip
    best = rows.groupby([*KEYS, "trial_id"], dropna=False, sort=False)["score"].max().reset_index()
    means = best.groupby(KEYS, dropna=False, sort=False)["score"].mean().rename("mean_score")
    table = table.merge(means.reset_index(), on=KEYS, how="left")
    table["chance"] = table["chance"].fillna(0.0)
    return table.assign(at_chance=CONVERGED * table["mean_score"] <= table["chance"])


def _converged(rows: pd.DataFrame) -> pd.DataFrame:
    """The first evaluation of each trial that has converged, with its `steps` and `seconds`."""
    is_near = rows["score"] >= CONVERGED * rows["mean_score"]
    reached = rows[is_near & ~rows["at_chance"] & rows["step"].gt(0)]
    first = reached.sort_values("step", kind="stable").drop_duplicates("trial_id")
    steps = first["step"].astype("float64")
    taken = (first["seconds"] * steps / first["train_steps"]).astype("float64")
    return first.assign(seconds=taken, steps=steps)


def _by_seed(first: pd.DataFrame, column: str) -> pd.DataFrame:
    """A column for each seed; a setting without any has no row."""
    # A method without prompts has no length, which a pivot would leave out.
    keyed = first.assign(prompt_length=first["prompt_length"].fillna(0))
    wide = keyed.pivot(index=KEYS, columns="seed", values=column)
    wide.columns = [f"{column}_seed_{seed}" for seed in wide.columns]
    table = wide.reset_index()
    lengths = table["prompt_length"].astype(first["prompt_length"].dtype)
    return table.assign(prompt_length=lengths.where(lengths != 0))


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    """Rows by method and length, those of one length as they were."""
    methods = METHOD.ordered(table["method"].unique().tolist())
    place = table["method"].map({method: place for place, method in enumerate(methods)})
    ordered = table.assign(place=place).sort_values(
        ["place", "prompt_length"], kind="stable", na_position="first", ignore_index=True
    )
    return ordered.drop(columns="place")

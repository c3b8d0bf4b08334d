"""Tables 1 and 2 of the paper: what a best point scores on tasks that it was not tuned for.

Both are of the default cell, read from a sweep's frame, and empty where no trial
of it has transfer tasks. Between the two paraphrase tasks is Table 2, all other
transfer is Table 1.
"""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from ablation import model_size
from analysis.aggregate import summarise
from analysis.frame import in_panel
from runners.catalogue import PARAPHRASES

METHODS = ("prompt_tuning", "model_tuning")
"""Minuend and subtrahend of a difference, as the paper has it."""
EXAM = ["model_size", "task", "evaluated"]
"""What has a row of its own; `evaluated` is the task that is asked."""


def transfer_tables(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Tables 1 and 2 of the paper by the names of their files, where the sweep has any."""
    tables = {
        "table_1_domain_shift": domain_shift_table(frame),
        "table_2_paraphrase_transfer": paraphrase_table(frame),
    }
    return {name: table for name, table in tables.items() if not table.empty}


def domain_shift_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Table 1: a row for each (size, task, evaluated), the task itself before the others.

    Columns: `metric`, which is f1 where all records have it for what is evaluated
    and score elsewhere; of each method mean, sd, n and planned seeds; and
    `difference`, prompt tuning less model tuning over the seeds that both have,
    with its sd, n and t interval.
    """
    rows = _shifted(_rows(frame))
    if rows.empty:
        return pd.DataFrame()
    table = rows[[*EXAM, "metric"]].drop_duplicates(ignore_index=True)
    for method, found in rows.groupby("method", sort=False):
        numbers = _over_seeds(found, EXAM, "value")
        table = table.merge(_prefixed(numbers, str(method)), on=EXAM, how="left")
    if set(METHODS) <= set(rows["method"]):
        table = table.merge(_differences(rows, "value", "difference"), on=EXAM, how="left")
    return table


def paraphrase_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Table 2: a row for each (size, task, evaluated, method) among the paraphrase tasks.

    Columns: mean and sd of `accuracy` and `f1`, n and planned seeds. The rows of prompt
    tuning have `accuracy_difference` and `f1_difference` too, prompt tuning less model
    tuning over the seeds that both have, with sd, n and t interval (`..._low`, `..._high`).
    """
    rows = _paraphrased(_rows(frame))
    if rows.empty:
        return pd.DataFrame()
    keys = [*EXAM, "method"]
    table = _over_seeds(rows, keys, "accuracy")[[*keys, "n", "planned_seeds", "mean", "sd"]]
    table = table.rename(columns={"mean": "accuracy_mean", "sd": "accuracy_sd"})
    f1 = _over_seeds(rows, keys, "f1")[[*keys, "mean", "sd"]]
    table = table.merge(f1.rename(columns={"mean": "f1_mean", "sd": "f1_sd"}), on=keys)
    if set(METHODS) <= set(rows["method"]):
        for metric in ("accuracy", "f1"):
            numbers = _differences(rows, metric, f"{metric}_difference")
            table = table.merge(numbers.assign(method=METHODS[0]), on=keys, how="left")
    return table


def shift_effects(frame: pd.DataFrame) -> pd.DataFrame:
    """`effect` of Table 1 for each (size, task, evaluated, seed): prompt less model tuning.

    On the other tasks alone, in points of the metric of their row; empty where the sweep
    has not both methods.
    """
    rows = _shifted(_rows(frame))
    rows = rows[rows["task"] != rows["evaluated"]]
    return _paired(rows, "value") if set(METHODS) <= set(rows["method"]) else pd.DataFrame()


def paraphrase_effects(frame: pd.DataFrame) -> pd.DataFrame:
    """`effect` of Table 2 for each (size, task, evaluated, seed), in points of accuracy."""
    rows = _paraphrased(_rows(frame))
    return _paired(rows, "accuracy") if set(METHODS) <= set(rows["method"]) else pd.DataFrame()


def _shifted(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of Table 1: all but transfer between paraphrase tasks, and each task's own."""
    shifted = ~(rows["task"].isin(PARAPHRASES) & rows["evaluated"].isin(PARAPHRASES))
    is_own = rows["task"] == rows["evaluated"]
    tasks = rows.loc[shifted & ~is_own, "task"].unique()
    return rows[(shifted | is_own) & rows["task"].isin(tasks)]


def _paraphrased(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of Table 2: transfer between paraphrase tasks."""
    rows = rows[rows["task"].isin(PARAPHRASES) & rows["evaluated"].isin(PARAPHRASES)]
    return rows[rows["task"] != rows["evaluated"]]


def _rows(frame: pd.DataFrame) -> pd.DataFrame:
    """One row for each (trial, evaluated) of the default cell, with all that the tables need."""
    trials = in_panel(frame, str(model_size.AXIS.panel))
    trials = trials[trials["transfer_tasks"].notna()]
    rows = pd.DataFrame(
        [row for _, trial in trials.iterrows() for row in _exams(trial)],
        columns=[*EXAM, "method", "seed", "done", "accuracy", "f1", "score"],
    )
    # One metric for a row of the table: F1 as in the paper, where there is one.
    lacking = rows["f1"].isna() & rows["done"]
    has_f1 = (
        ~lacking.groupby([rows[key] for key in EXAM]).transform("any") if len(rows) else lacking
    )
    return rows.assign(
        metric=has_f1.map({True: "f1", False: "score"}),
        value=rows["f1"].where(has_f1, rows["score"]),
    )


def _exams(trial: pd.Series) -> Iterator[dict[str, Any]]:
    """The trial's own task, then each of its transfer tasks."""
    known = {name: trial[name] for name in ("model_size", "task", "method", "seed")}
    done = trial["status"] == "done"
    for evaluated in (trial["task"], *trial["transfer_tasks"].split(",")):
        prefix = "" if evaluated == trial["task"] else f"{evaluated}/"
        metrics = {name: trial.get(prefix + name) for name in ("accuracy", "f1", "score")}
        yield {**known, "evaluated": evaluated, "done": done, **metrics}


def _over_seeds(rows: pd.DataFrame, keys: list[str], column: str) -> pd.DataFrame:
    """Mean, sd and n of a column over the seeds that have it, and how many are planned."""
    table = summarise(rows.astype({column: "float64"}), keys, column)
    planned = rows.groupby(keys, sort=False).size().to_numpy()
    return table[[*keys, "mean", "sd", "n"]].assign(planned_seeds=planned)


def _paired(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """`effect`: prompt tuning less model tuning for each (size, task, evaluated, seed)."""
    wide = rows.astype({column: "float64"}).pivot(
        index=[*EXAM, "seed"], columns="method", values=column
    )
    return (wide[METHODS[0]] - wide[METHODS[1]]).rename("effect").reset_index()


def _differences(rows: pd.DataFrame, column: str, name: str) -> pd.DataFrame:
    """The mean of the paired differences under `name`, with sd, n and t interval."""
    table = _prefixed(summarise(_paired(rows, column), EXAM, "effect"), name)
    return table.rename(columns={f"{name}_mean": name})


def _prefixed(table: pd.DataFrame, word: str) -> pd.DataFrame:
    """The table with `word` before the name of every number."""
    return table.rename(columns=lambda name: name if name in EXAM else f"{word}_{name}")

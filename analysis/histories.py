"""What trials scored while they trained: curves over steps.

A row of a history is one evaluation on dev, which `history.jsonl` of a trial has.
"""

import pandas as pd

from ablation.grid import SCALE
from analysis.aggregate import summarise
from analysis.frame import in_panel
from analysis.trial_files import HISTORY, BrokenFile, Read, read_lines
from runners.store import Store

_TRIAL = ["trial_id", "method", "model_size", "prompt_length", "prompt_init",
          "pretraining_objective", "lm_adaptation_steps", "task", "seed"]  # fmt: skip
_KINDS = {"step": "Int64", "score": "float64", "train_loss": "float64"}
_ASIDE = ("neighbour_similarity",)


def load_histories(
    frame: pd.DataFrame, store: Store, read: Read = read_lines
) -> tuple[pd.DataFrame, list[str]]:
    """One row for each evaluation of each trial that is done, and notes on what cannot be read.

    Columns: those that name a trial, `train_steps`, `seconds` (of the whole trial), `step`,
    `score`, `train_loss` and `neighbour_similarity`, NaN where a history has none. An
    imported trial has no history. A note says of each broken file which trial it is of,
    where it lies and what is wrong with it.
    """
    rows, notes = [], []
    done = frame[frame["status"] == "done"]
    if "measured" in done:
        done = done[done["measured"].isna()]
    named = [name for name in (*_TRIAL, "train_steps", "seconds") if name in done]
    for trial in done[named].to_dict("records"):
        try:
            found = read(store, trial["trial_id"], HISTORY)
        except BrokenFile as error:
            notes.append(f"curves and runtimes are drawn without one history: {error}")
            continue
        known = {name: trial[name] for name in (*_TRIAL, "train_steps")}
        rows += [
            {**known, "seconds": trial.get("seconds"),
             **{name: line.get(name) for name in (*_KINDS, *_ASIDE)}}
            for line in found
        ]  # fmt: skip
    columns = [*_TRIAL, "train_steps", "seconds", *_KINDS, *_ASIDE]
    table = pd.DataFrame(rows, columns=columns)
    kinds = {name: frame[name].dtype for name in (*_TRIAL, "train_steps")}
    numbers = {**_KINDS, **dict.fromkeys(("seconds", *_ASIDE), "float64")}
    return table.astype({**kinds, **numbers}), notes


def curve_table(
    histories: pd.DataFrame, frame: pd.DataFrame, column: str = "score"
) -> pd.DataFrame:
    """Training curves of the default cell: a row for each (method, size, step), over seeds.

    Methods without evaluations while training have no rows.
    """
    return curves_of(histories, in_panel(frame, SCALE), "method", column)


def curves_of(
    histories: pd.DataFrame, trials: pd.DataFrame, group: str, column: str
) -> pd.DataFrame:
    """Means of `column` while `trials` train: a row for each (group, size, step), over seeds.

    The mean over tasks is that of a seed whose tasks all have `column` at that step; a
    seed that lacks one has none there.
    """
    planned = trials.groupby([group, "model_size", "seed"], sort=False)["task"].nunique()
    rows = histories[histories["trial_id"].isin(trials["trial_id"])].dropna(subset=[column])
    if rows.empty:
        return pd.DataFrame()
    keys = [group, "model_size", "step"]
    by_seed = rows.groupby([*keys, "seed"], sort=False)[column].agg(["mean", "count"]).reset_index()
    wanted = planned.reindex(pd.MultiIndex.from_frame(by_seed[[group, "model_size", "seed"]]))
    by_seed = by_seed[by_seed["count"].to_numpy() == wanted.to_numpy()]
    table = summarise(by_seed, keys, "mean").sort_values(keys, kind="stable", ignore_index=True)
    wide = by_seed.pivot(index=keys, columns="seed", values="mean")
    wide.columns = [f"seed_{seed}" for seed in wide.columns]
    return table.merge(wide.reset_index(), on=keys, how="left").assign(quantity=column)

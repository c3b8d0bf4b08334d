"""The table of a search: every setting that was tried, the best of each method first."""

from collections.abc import Sequence

import pandas as pd

from ablation.search import DESIGN, SEARCHED


def search_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """The trials of a sweep that belong to its search."""
    return frame[frame["panels"].map(lambda names: DESIGN in names)]


def varied(rows: pd.DataFrame) -> list[str]:
    """The settings of which a method tries more than one value."""
    tried = rows.groupby("method", sort=False)[list(SEARCHED)].nunique(dropna=False)
    return [name for name in SEARCHED if (tried[name] > 1).any()]


def search_table(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each (method, setting): its score at each size, their mean, and its rank.

    A score is the mean over tasks and seeds, and NaN where a trial of them is
    not done; `mean` is that over the sizes. Rank 1 is the highest mean of the
    method; settings without one come last and have no rank.
    """
    names = varied(rows)
    keys = ["method", *names]
    done = rows.assign(known=rows["score"].where(rows["status"] == "done"))
    sizes = list(dict.fromkeys(rows["model_size"]))
    groups = done.groupby([*keys, "model_size"], dropna=False, sort=False)
    whole = groups["known"].mean().where(groups["known"].count() == groups["known"].size())
    table = whole.unstack("model_size")[sizes].reset_index()
    counts = done.groupby(keys, dropna=False, sort=False)["known"].agg(["count", "size"])
    table = table.merge(
        counts.rename(columns={"count": "done", "size": "planned"}).reset_index(), on=keys
    )
    table["mean"] = table[sizes].mean(axis="columns", skipna=False)
    table["rank"] = table.groupby("method")["mean"].rank(ascending=False, method="min")
    table.columns.name = None
    return table.sort_values(["method", "mean"], ascending=[True, False], kind="stable")


def winners(table: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """A line for each method: its best setting and what it scored."""
    lines = []
    for method, found in table.groupby("method", sort=False):
        best = found.iloc[0]
        if pd.isna(best["mean"]):
            lines.append(f"{method}: no setting is complete")
            continue
        setting = " ".join(f"{name}={best[name]:g}" for name in names if not pd.isna(best[name]))
        complete = int(found["mean"].notna().sum())
        lines.append(
            f"{method}: {setting} scores {best['mean']:.1f}, the best of {complete} complete "
            f"settings of {len(found)}"
        )
    return lines

"""The table of a search."""

import math

import pandas as pd

from ablation.search import SEARCHED
from analysis.tables.search import search_rows, search_table, varied, winners


def _rows() -> pd.DataFrame:
    rows = [
        {
            **dict.fromkeys(SEARCHED), "panels": frozenset({"search"}), "status": "done",
            "method": method, "learning_rate": rate, "model_size": size, "task": task, "seed": seed,
            "score": 10 * rate + {"60k": 0, "2m": 50}[size] + seed,
        }
        for method, rates in (("prompt_tuning", (0.5, 1.0, 2.0)), ("model_tuning", (0.1,)))
        for rate in rates
        for size in ("60k", "2m")
        for task in ("cb", "wic")
        for seed in (0, 1)
    ]  # fmt: skip
    frame = pd.DataFrame(rows)
    missing = (frame["learning_rate"] == 2.0) & (frame["seed"] == 1) & (frame["task"] == "cb")
    frame.loc[missing, "status"] = "missing"
    frame.loc[missing, "score"] = math.nan
    frame["learning_rate"] = frame["learning_rate"].astype("float64")
    return frame


def test_settings_are_ranked_by_their_mean_over_sizes() -> None:
    """Catches a winner at one size alone, or a mean over trials that are not there."""
    table = search_table(_rows())
    prompts = table[table["method"] == "prompt_tuning"]
    assert list(prompts["learning_rate"]) == [1.0, 0.5, 2.0]
    assert list(prompts["60k"])[:2] == [10.5, 5.5]
    assert list(prompts["2m"])[:2] == [60.5, 55.5]
    assert list(prompts["mean"])[:2] == [35.5, 30.5]
    assert list(prompts["rank"])[:2] == [1, 2]
    incomplete = prompts.iloc[2]
    assert math.isnan(incomplete["mean"]) and math.isnan(incomplete["rank"])
    assert (incomplete["done"], incomplete["planned"]) == (6, 8)


def test_only_what_varies_is_shown() -> None:
    """Catches a table of twelve columns, ten of them the same in every row."""
    assert varied(_rows()) == ["learning_rate"]
    assert not set(SEARCHED) - {"learning_rate"} & set(search_table(_rows()).columns)


def test_winners_say_what_they_were_chosen_from() -> None:
    """Catches a best setting without a word on how many were compared."""
    rows = _rows()
    lines = winners(search_table(rows), varied(rows))
    assert lines == [
        "model_tuning: learning_rate=0.1 scores 26.5, the best of 1 complete settings of 1",
        "prompt_tuning: learning_rate=1 scores 35.5, the best of 2 complete settings of 3",
    ]
    none = rows.assign(status="missing")
    assert winners(search_table(none), varied(none))[0] == "model_tuning: no setting is complete"


def test_trials_off_the_search_are_left_out() -> None:
    """Catches trials of a figure averaged into the search."""
    rows = _rows()
    panels = [frozenset({"scale"}), *rows["panels"][1:]]
    rows = rows.assign(panels=panels)
    assert len(search_rows(rows)) == len(rows) - 1

"""The words under a panel: what its means are made of, and what they lack."""

import textwrap
from collections.abc import Sequence

import pandas as pd

from ablation.task import AXIS as TASK
from analysis.panels import Panel

NOTE_POINTS = 6.3
"""Size of the letters."""
NOTE_LINE = 0.118
"""Inches of a line of them."""
_WIDTH = 66
"""Letters of a line that is as wide as a pair of axes."""
_INTERVAL_SEEDS = 3
"""From so many seeds on a t interval is drawn; of two it is nine standard deviations wide."""
BEST_POINT = "Each trial's score is that of its best checkpoint on dev."
"""How a trial comes to its score (Lester et al. 2021, 3)."""
_READINGS = {
    "star": "",
    "slice": "; slice at the defaults",
    "marginal": "; marginal over the rest",
}


def wrapped(words: str, letters: int = _WIDTH) -> str:
    """Words in lines of so many letters, none of which begins within `mean ± sd`."""
    filled = textwrap.fill(words.replace(" ± ", "\u00a0±\u00a0"), letters)
    return filled.replace("\u00a0", " ")


def note_lines(panel: Panel) -> int:
    """Lines of text under the panel."""
    return len(f"{made_of(panel)}\n{not_made_of(panel)}".splitlines())


def made_of(panel: Panel) -> str:
    """What a point of the panel is: statistic, number of seeds, tasks."""
    second = f"Dev score, mean over {named(panel.tasks)}{reading_of(panel)}."
    lines = (marks_of(panel), second, BEST_POINT)
    return "\n".join(map(wrapped, lines))


def reading_of(panel: Panel) -> str:
    """How the other axes are held, '' where nothing else was run."""
    return _READINGS[panel.reading]


def marks_of(panel: Panel) -> str:
    """What line, band, bars and dots are, and over how many seeds."""
    seeds = f"n = {seed_range(panel.table)} seed{'s' * (panel.seeds[1] != 1)}"
    return marks(panel.table, seeds)


def marks(table: pd.DataFrame, seeds: str = "") -> str:
    """What line, band, bars and dots of a table are, over `seeds`, or as many as it has."""
    seeds = seeds or f"n = {seed_range(table)} seeds"
    bars = "" if with_intervals(table).empty else "bars: 95% t interval, "
    return f"Line and band: mean ± sd, {bars}{seeds}; dots: each seed."


def with_intervals(table: pd.DataFrame) -> pd.DataFrame:
    """The rows whose t interval, from `low` to `high`, is drawn: those with seeds enough."""
    if "low" not in table:
        return table.iloc[:0]
    return table[table["n"].fillna(0) >= _INTERVAL_SEEDS]


def has_interval(row: pd.Series) -> bool:
    """Whether a row is one of those."""
    return "low" in row and bool(row["n"] >= _INTERVAL_SEEDS)


def seed_range(table: pd.DataFrame) -> str:
    """Fewest and most seeds behind a mean of the table that is drawn: `3`, or `1 to 3`."""
    counts = table.loc[table["n"] > 0, "n"]
    if counts.empty:
        return "0"
    fewest, most = int(counts.min()), int(counts.max())
    return str(most) if fewest == most else f"{fewest} to {most}"


def named(tasks: Sequence[str]) -> str:
    """Tasks in words: by name where they are few."""
    return f"{len(tasks)} tasks" if len(tasks) > 3 else all_named(tasks)


def all_named(tasks: Sequence[str]) -> str:
    """Every task by its name: `BoolQ, CB and COPA`."""
    names = [TASK.label_of(task) for task in tasks]
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def not_made_of(panel: Panel) -> str:
    """What the panel lacks, or '' where it is whole."""
    if panel.done == panel.planned:
        return ""
    words = [f"partial: {panel.done} of {panel.planned} trials done."]
    if ((panel.table["n"] > 0) & (panel.table["n"] < panel.table["planned_seeds"])).any():
        words.append("Ring: some seeds missing.")
    if (panel.table["n"] == 0).any():
        words.append("Mark on the axis: no complete seed.")
    nowhere = panel.table.loc[panel.table["model_parameters"].isna(), "model_size"].unique()
    if len(nowhere):
        words.append(f"Not placed, no trial done: {', '.join(nowhere)}.")
    return wrapped(" ".join(words))


def partial(trials: pd.DataFrame, marks: str = "") -> str:
    """What a figure of these trials lacks, or ''; `marks` tells how it is shown."""
    done = int((trials["status"] == "done").sum())
    if done == len(trials):
        return ""
    return f"partial: {done} of {len(trials)} trials done. {marks}".strip()

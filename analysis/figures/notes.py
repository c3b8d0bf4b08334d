"""The words under a panel: what its means are made of, and what they lack."""

import textwrap

from ablation.task import AXIS as TASK
from analysis.panels import Panel

NOTE_POINTS = 6.3
"""Size of the letters."""
NOTE_LINE = 0.118
"""Inches of a line of them."""
_WIDTH = 66


def note_lines(panel: Panel) -> int:
    """Lines of text under the panel."""
    return len(f"{made_of(panel)}\n{not_made_of(panel)}".splitlines())


def made_of(panel: Panel) -> str:
    """What a point of the panel is: statistic, number of seeds, tasks."""
    fewest, most = panel.seeds
    seeds = (
        f"n = {most} seed{'s' * (most != 1)}" if fewest == most else f"n = {fewest} to {most} seeds"
    )
    names = [TASK.label_of(task) for task in panel.tasks]
    tasks = f"{len(names)} tasks" if len(names) > 3 else " and ".join(names)
    return f"Line and band: mean ± sd, {seeds}; dots: each seed.\nDev score, mean over {tasks}."


def not_made_of(panel: Panel) -> str:
    """What the panel lacks, or '' where it is whole."""
    if panel.done == panel.planned:
        return ""
    words = [f"partial: {panel.done} of {panel.planned} trials."]
    if ((panel.table["n"] > 0) & (panel.table["n"] < panel.table["planned_seeds"])).any():
        words.append("Ring: some seeds missing.")
    if (panel.table["n"] == 0).any():
        words.append("Mark on the axis: no complete seed.")
    nowhere = panel.table.loc[panel.table["model_parameters"].isna(), "model_size"].unique()
    if len(nowhere):
        words.append(f"Not placed, no trial done: {', '.join(nowhere)}.")
    return textwrap.fill(" ".join(words), _WIDTH)

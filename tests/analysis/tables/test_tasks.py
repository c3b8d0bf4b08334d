"""The task table."""

from typing import Any

import pandas as pd

from ablation import method
from analysis.panels import build_panel
from analysis.tables.tasks import task_table


def _row(table: pd.DataFrame, size: str, name: str, task: str) -> pd.Series:
    found = table.query("model_size == @size and method == @name and task == @task")
    assert len(found) == 1
    return found.iloc[0]


def test_every_task_stands_beside_its_chance_baseline(frame_of: Any) -> None:
    """A margin over the baseline of another task."""
    table = task_table(build_panel(frame_of(), method.AXIS))

    row = _row(table, "2m", "prompt_tuning", "record")
    assert (row["mean"], row["n"], row["planned_seeds"]) == (70.5, 2, 2)
    assert (row["chance"], row["above"], row["invalid"]) == (20.0, 50.5, 0.25)
    assert table["model_size"].unique().tolist() == ["60k", "200k", "2m"]


def test_task_is_at_chance_unless_its_whole_interval_is_above(frame_of: Any) -> None:
    """A task called learned because its mean happens to lie above."""
    lead = {"boolq": 5.0, "record": 7.0}
    frame = frame_of(
        # With two seeds a point apart the interval reaches 6.4 points to either side.
        scorer=lambda c: {"boolq": 60.0, "record": 20.0}[c.task] + lead[c.task] + c.seed
    )

    table = task_table(build_panel(frame, method.AXIS))

    assert _row(table, "60k", "model_tuning", "boolq")["at_chance"]
    assert not _row(table, "60k", "model_tuning", "record")["at_chance"]


def test_one_seed_cannot_tell_chance(frame_of: Any) -> None:
    """A verdict without an interval."""
    table = task_table(build_panel(frame_of(done=lambda c: c.seed == 0), method.AXIS))

    assert table["at_chance"].isna().all()
    assert (table["n"] == 1).all()

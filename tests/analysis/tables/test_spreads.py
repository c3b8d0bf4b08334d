"""The spread table."""

from typing import Any

from ablation.axes import ABLATED
from analysis.panels import build_panel
from analysis.tables.spreads import spread_table


def test_spread_of_each_axis_at_each_size(frame_of: Any) -> None:
    """An axis under another's name."""
    frame = frame_of()

    table = spread_table(build_panel(frame, axis) for axis in ABLATED)

    spreads = {axis: part["mean"].tolist() for axis, part in table.groupby("axis", sort=False)}
    assert spreads == {
        "prompt_length": [10.0, 5.0, 0.0],
        "prompt_init": [5.0, 2.5, 0.0],
        "pretraining_objective": [20.0, 10.0, 0.0],
        "lm_adaptation_steps": [20.0, 10.0, 0.0],
    }
    assert table["settings"].tolist() == [2] * 6 + [3] * 6

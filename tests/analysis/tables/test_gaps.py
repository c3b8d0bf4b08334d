"""The gap table."""

import math
from typing import Any

from ablation import method
from analysis.panels import build_panel
from analysis.tables.gaps import gap_table, has_gap


def test_gap_is_model_tuning_less_prompt_tuning_at_each_size(frame_of: Any) -> None:
    """A gap of the wrong sign, or of another size."""
    table = gap_table(build_panel(frame_of(), method.AXIS))

    assert table["model_size"].tolist() == ["60k", "200k", "2m"]
    assert table["model_parameters"].tolist() == [62_000, 207_000, 2_060_000]
    assert table["gap"].tolist() == [20.0, 10.0, 0.0]
    assert table["gap_n"].tolist() == [2, 2, 2]
    # Both methods move by one point from seed to seed; paired, that cancels.
    assert table["gap_low"].tolist() == table["gap_high"].tolist() == [20.0, 10.0, 0.0]
    assert table["prompt_tuning_mean"].tolist() == [35.5, 55.5, 75.5]


def test_gap_is_unknown_where_a_method_is_missing(frame_of: Any) -> None:
    """A gap of a size at which only one method is done."""
    lost = {"60k": "model_tuning", "2m": "prompt_tuning"}
    frame = frame_of(done=lambda c: lost.get(c.model_size) != c.method)

    table = gap_table(build_panel(frame, method.AXIS))

    assert [math.isnan(gap) for gap in table["gap"]] == [True, False, True]
    assert table["gap_n"].tolist() == [0, 2, 0]


def test_sweep_without_a_baseline_has_no_gap(frame_of: Any) -> None:
    """A crash on a sweep of prompts alone."""
    panel = build_panel(frame_of(baselines=[]), method.AXIS)

    assert not has_gap(panel)
    assert "gap" not in gap_table(panel)

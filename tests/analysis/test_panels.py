"""Panels as numbers: which lines they have, and what they admit not to know."""

import math
from typing import Any

import pandas as pd
import pytest

from ablation import (
    lm_adaptation_steps,
    method,
    pretraining_objective,
    prompt_init,
    prompt_length,
)
from ablation.axes import ABLATED
from ablation.axis import Axis
from analysis.panels import Panel, build_panel, plans


def _means(panel: Panel, value: object) -> list[float]:
    """The line of one value, by size."""
    return panel.table.loc[panel.table[panel.axis.name] == value, "mean"].tolist()


def test_scale_panel_has_a_line_for_each_method(frame_of: Any) -> None:
    """Methods swapped, sizes out of order, a wrong mean."""
    panel = build_panel(frame_of(), method.AXIS)

    assert panel.values == ("model_tuning", "prompt_tuning")
    assert panel.sizes == ["60k", "200k", "2m"]
    assert _means(panel, "model_tuning") == [55.5, 65.5, 75.5]
    assert _means(panel, "prompt_tuning") == [35.5, 55.5, 75.5]
    assert panel.chance == 40.0
    assert (panel.done, panel.planned, panel.seeds) == (24, 24, (2, 2))


@pytest.mark.parametrize(
    ("axis", "lines"),
    [
        (prompt_length.AXIS, {1: [25.5, 50.5, 75.5], 20: [35.5, 55.5, 75.5]}),
        (
            prompt_init.AXIS,
            {"random_uniform": [30.5, 53.0, 75.5], "class_label": [35.5, 55.5, 75.5]},
        ),
        (
            pretraining_objective.AXIS,
            {
                "span_corruption": [15.5, 45.5, 75.5],
                "span_corruption_sentinel": [15.5, 45.5, 75.5],
                "lm_adaptation": [35.5, 55.5, 75.5],
            },
        ),
        (
            lm_adaptation_steps.AXIS,
            {0: [15.5, 45.5, 75.5], 100: [25.5, 50.5, 75.5], 1000: [35.5, 55.5, 75.5]},
        ),
    ],
    ids=lambda part: part.name if isinstance(part, Axis) else "",
)
def test_ablation_panel_has_a_line_for_each_value_in_the_axis_order(
    frame_of: Any, axis: Axis, lines: dict[object, list[float]]
) -> None:
    """A value under another's name, an order of its own, or a slice off the defaults."""
    panel = build_panel(frame_of(), axis)

    assert {value: _means(panel, value) for value in panel.values} == lines
    assert panel.values == tuple(lines)


@pytest.mark.parametrize("axis", [method.AXIS, *ABLATED], ids=lambda axis: axis.name)
def test_complete_design_draws_the_same_slices_as_the_star(frame_of: Any, axis: Axis) -> None:
    """A panel of a complete grid that averages over what it does not show."""
    star = build_panel(frame_of(), axis)
    complete_frame = frame_of(design="complete")
    complete = build_panel(complete_frame, axis)

    assert ("grid",) in {tuple(panels) for panels in complete_frame["panels"]}
    pd.testing.assert_frame_equal(star.table, complete.table)


def test_panel_scores_all_cells_on_the_tasks_they_share(frame_of: Any) -> None:
    """A default setting that wins because it is scored on other tasks."""
    frame = frame_of(axes={"task": ["boolq", "wic", "record"]}, ablation_tasks=["boolq"])
    wide = frame.assign(panels=[p | {"prompt_length"} if "scale" in p else p for p in frame.panels])

    panel = build_panel(wide, prompt_length.AXIS)

    assert panel.tasks == ("boolq",)
    assert _means(panel, 20) == [40.5, 60.5, 80.5]
    assert panel.chance == 60.0


def test_cell_without_a_complete_seed_is_a_row_without_a_mean(frame_of: Any) -> None:
    """A cell that vanishes, so that its neighbours are joined across it."""
    gone = {"model_size": "200k", "prompt_length": 1}
    frame = frame_of(done=lambda c: any(getattr(c, k) != v for k, v in gone.items()))

    panel = build_panel(frame, prompt_length.AXIS)

    assert _means(panel, 1) == pytest.approx([25.5, math.nan, 75.5], nan_ok=True)
    assert (panel.done, panel.planned) == (20, 24)
    assert panel.seeds == (2, 2)


def test_missing_seed_shows_in_the_counts(frame_of: Any) -> None:
    """n stated as planned rather than as it is."""
    panel = build_panel(
        frame_of(done=lambda c: c.seed == 0 or c.prompt_length == 20), prompt_length.AXIS
    )

    short = panel.table[panel.table["prompt_length"] == 1]
    assert short["n"].tolist() == [1, 1, 1]
    assert short["planned_seeds"].tolist() == [2, 2, 2]
    assert panel.seeds == (1, 2)


def test_size_of_which_nothing_is_known_comes_last(frame_of: Any) -> None:
    """A size that is placed at a guess, or one that is forgotten."""
    panel = build_panel(frame_of(done=lambda c: c.model_size != "60k"), method.AXIS)

    assert panel.sizes == ["200k", "2m", "60k"]
    assert panel.parameters.isna().to_dict() == {"60k": True, "200k": False, "2m": False}


def test_the_smallest_size_is_not_the_smallest_that_is_done(frame_of: Any) -> None:
    """A claim on small models that a half-finished sweep refutes with its largest."""
    panel = build_panel(frame_of(done=lambda c: c.model_size == "2m"), method.AXIS)
    assert panel.ends == ("60k", "2m")
    assert build_panel(frame_of(), method.AXIS).ends == ("60k", "2m")


def test_seed_scores_are_by_size_seed_and_value(frame_of: Any) -> None:
    """Pairs of unlike seeds."""
    scores = build_panel(frame_of(), method.AXIS).seed_scores()

    assert list(scores.index) == [(size, seed) for size in ("60k", "200k", "2m") for seed in (0, 1)]
    assert scores.loc[("60k", 1)].to_dict() == {"model_tuning": 56.0, "prompt_tuning": 36.0}


def test_panel_that_nothing_feeds_is_not_planned(frame_of: Any) -> None:
    """A crash on a sweep that varies fewer axes."""
    frame = frame_of(axes={"prompt_init": ["class_label"]})

    assert not plans(frame, prompt_init.AXIS)
    assert plans(frame, prompt_length.AXIS)


def test_panel_without_a_shared_task_is_refused(frame_of: Any) -> None:
    """Lines over tasks that have nothing in common."""
    frame = frame_of()
    short = frame["prompt_length"] == 1
    frame = frame[(short & (frame["task"] == "boolq")) | (~short & (frame["task"] == "record"))]

    with pytest.raises(ValueError, match="panel prompt_length: no task is planned in every cell"):
        build_panel(frame, prompt_length.AXIS)


def test_two_cells_for_one_point_are_refused(frame_of: Any) -> None:
    """A line that jumps between two cells of one size."""
    frame = frame_of()
    other = frame["prompt_init"] == "random_uniform"
    frame["panels"] = frame["panels"].where(
        ~other, frame["panels"].map(lambda p: p | {"prompt_length"})
    )

    with pytest.raises(ValueError, match="several cells with prompt_length 20 at model_size 60k"):
        build_panel(frame, prompt_length.AXIS)

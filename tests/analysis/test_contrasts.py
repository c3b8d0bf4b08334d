"""Differences paired by seed and their change with size."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ablation import method, pretraining_objective
from analysis.aggregate import interval
from analysis.contrasts import at, by_size, difference, slope, spread, weighted
from analysis.panels import build_panel

SIZES = ("60k", "200k", "2m")
PARAMETERS = pd.Series({"60k": 1e4, "200k": 1e5, "2m": 1e7})


def _effects(values: dict[int, list[float]]) -> pd.Series:
    """Effects by seed, one for each of `SIZES`."""
    index = pd.MultiIndex.from_product([SIZES, values], names=["model_size", "seed"])
    return pd.Series([values[seed][place] for place in range(3) for seed in values], index=index)


def test_difference_is_paired_by_seed(frame_of: Any) -> None:
    """An interval of the gap that carries the spread that both methods share."""
    panel = build_panel(frame_of(), method.AXIS)

    gaps = difference(panel, "model_tuning", "prompt_tuning")

    assert gaps.tolist() == [20.0, 20.0, 10.0, 10.0, 0.0, 0.0]
    assert at(gaps, "60k") == interval([20.0, 20.0])


def test_difference_is_unknown_where_one_side_is_missing(frame_of: Any) -> None:
    """A gap to nothing."""
    frame = frame_of(done=lambda c: c.method != "model_tuning" or c.seed == 0)

    gaps = difference(build_panel(frame, method.AXIS), "model_tuning", "prompt_tuning")

    assert gaps.xs(0, level="seed").tolist() == [20.0, 10.0, 0.0]
    assert gaps.xs(1, level="seed").isna().all()
    assert by_size(gaps)["n"].tolist() == [1, 1, 1]


def test_spread_is_best_less_worst_of_each_seed(frame_of: Any) -> None:
    """A spread over means, or one that leaves out a setting that is missing."""
    panel = build_panel(frame_of(), pretraining_objective.AXIS)
    assert spread(panel).tolist() == [20.0, 20.0, 10.0, 10.0, 0.0, 0.0]

    sentinel = "span_corruption_sentinel"
    partial = frame_of(done=lambda c: c.pretraining_objective != sentinel or c.seed == 1)

    assert (
        by_size(spread(build_panel(partial, pretraining_objective.AXIS)))["n"].tolist() == [1] * 3
    )


def test_slope_is_for_ten_times_the_parameters() -> None:
    """A slope by rank, by natural logarithm or by parameters."""
    effects = _effects({0: [30.0, 20.0, 0.0], 1: [31.0, 21.0, 1.0]})

    found = slope(effects, PARAMETERS)

    assert (found.mean, found.n) == (pytest.approx(-10.0), 2)
    assert found.sd == pytest.approx(0.0, abs=1e-9)


def test_slope_is_that_of_least_squares() -> None:
    """Ends alone, or weights that do not belong to their sizes. Reference: numpy.polyfit."""
    values = {0: [30.0, 5.0, 4.0], 1: [11.0, 21.0, -2.0]}

    found = slope(_effects(values), PARAMETERS)

    each = [np.polyfit(np.log10(PARAMETERS), line, 1)[0] for line in values.values()]
    expected = interval(each)
    assert (found.mean, found.low, found.high) == pytest.approx(
        (expected.mean, expected.low, expected.high)
    )


def test_slope_needs_every_size_of_a_seed_and_a_place_for_every_size() -> None:
    """A slope over the sizes that happen to be done."""
    effects = _effects({0: [30.0, 20.0, 0.0], 1: [30.0, math.nan, 0.0]})
    assert slope(effects, PARAMETERS).n == 1

    unplaced = PARAMETERS.astype("Float64").where(PARAMETERS < 1e6)

    assert slope(effects, unplaced).n == 0
    assert slope(effects.loc[["60k"]], PARAMETERS).n == 0


def test_weighted_sum_pairs_sizes_by_seed() -> None:
    """The gap of one seed less that of another."""
    lines = {0: [9.0, 5.0, 1.0], 1: [12.0, math.nan, 2.0], 2: [7.0, 1.0, 3.0]}
    effects = _effects(lines)

    assert weighted(effects, {"60k": 1.0, "2m": -3.0}) == interval([6.0, 6.0, -2.0])
    assert weighted(effects, {"60k": 0.5, "200k": 0.5}) == interval([7.0, 4.0])

"""Marginals and crossed pairs of a complete grid, whose scores follow a formula."""

from typing import Any

import pandas as pd
import pytest

from ablation import lm_adaptation_steps, prompt_init, prompt_length
from analysis.marginals import (
    PAIRS,
    Crossing,
    crossed_trials,
    crossing,
    interaction_table,
    marginal_panel,
)

DEFAULTS = {"prompt_length": 20, "prompt_init": "class_label", "lm_adaptation_steps": 1000}


def score_of(config: Any) -> float:
    """50, and 10 for a prompt of 20, 4 for a class label, 6 for 1000 steps; 8 for all three."""
    if config.method != "prompt_tuning":
        return 70.0
    parts = (config.prompt_length == 20, config.prompt_init == "class_label",
             config.lm_adaptation_steps == 1000)  # fmt: skip
    score = 50.0 + 10 * parts[0] + 4 * parts[1] + 6 * parts[2] + config.seed
    return score + 8 * (parts[0] and parts[1])


@pytest.fixture(scope="module")
def crossed(frame_of: Any) -> Crossing:
    """A complete grid that is done."""
    found = crossing(frame_of(scorer=score_of, design="complete"))
    assert found is not None
    return found


def test_a_star_has_no_crossing(frame_of: Any) -> None:
    """Marginals over cells that were never run."""
    assert crossing(frame_of()) is None


def test_crossed_cells_are_the_product(crossed: Crossing) -> None:
    """The sentinel, which is run at the default alone, averaged into one value of an axis."""
    cells = crossed.trials.drop_duplicates(["prompt_length", "prompt_init", "lm_adaptation_steps"])
    assert len(cells) == 2 * 2 * 3
    assert "span_corruption_sentinel" not in set(crossed.trials["pretraining_objective"])
    assert crossed.sizes == ["60k", "200k", "2m"]


def test_a_marginal_is_the_mean_over_all_other_cells(crossed: Crossing) -> None:
    """A slice that is labelled a marginal."""
    panel = marginal_panel(crossed, prompt_length.AXIS)
    means = panel.table[panel.table["model_size"] == "2m"].set_index("prompt_length")["mean"]
    # Over both starts (2 on average, and 4 of the pair) and three numbers of steps (2 on average).
    assert means.tolist() == pytest.approx([50.5 + 2 + 2, 60.5 + 2 + 2 + 4])
    assert panel.reading == "marginal"
    assert panel.table["n"].tolist() == [2] * 6
    assert panel.planned == len(crossed.trials)


def test_a_missing_cell_leaves_its_seed_out(frame_of: Any) -> None:
    """A marginal over fewer cells at one value than at another."""
    lost = frame_of(
        scorer=score_of, design="complete",
        done=lambda c: (c.prompt_length, c.lm_adaptation_steps, c.seed) != (1, 100, 0),
    )  # fmt: skip
    found = crossing(lost)
    assert found is not None
    table = marginal_panel(found, prompt_length.AXIS).table
    counts = table.groupby("prompt_length")["n"].first()
    assert counts.to_dict() == {1: 1, 20: 2}
    assert (table["planned_seeds"] == 2).all()


def test_a_slice_holds_the_third_axis_at_its_default(crossed: Crossing) -> None:
    """A heat map called a slice that averages."""
    table = interaction_table(crossed, PAIRS[0], "slice", DEFAULTS)
    cell = table[(table["model_size"] == "60k") & (table["prompt_length"] == 20)]
    assert cell.set_index("prompt_init")["mean"].to_dict() == {
        "random_uniform": 66.5, "class_label": 78.5,
    }  # fmt: skip


def test_interaction_is_what_rows_and_columns_do_not_add_up_to(crossed: Crossing) -> None:
    """Axes that do not interact shown as if they did, or the other way round."""
    pair = interaction_table(crossed, PAIRS[0], "marginal", DEFAULTS)
    apart = interaction_table(crossed, PAIRS[1], "marginal", DEFAULTS)
    assert sorted(set(pair["interaction"].round(6))) == [-2.0, 2.0]
    assert apart["interaction"].abs().max() == pytest.approx(0.0, abs=1e-9)


def test_interaction_is_unknown_where_a_cell_of_the_size_is(frame_of: Any) -> None:
    """A departure from a sum in which one cell is missing."""
    lost = frame_of(
        scorer=score_of, design="complete",
        done=lambda c: (c.model_size, c.prompt_length, c.prompt_init)
        != ("60k", 1, "class_label"),
    )  # fmt: skip
    found = crossing(lost)
    assert found is not None
    table = interaction_table(found, PAIRS[0], "marginal", DEFAULTS)
    unknown = table.groupby("model_size", sort=False)["interaction"].apply(pd.isna)
    assert unknown.groupby("model_size").all().to_dict() == {
        "200k": False, "2m": False, "60k": True,
    }  # fmt: skip


@pytest.mark.parametrize("axis", [prompt_init.AXIS, lm_adaptation_steps.AXIS])
def test_every_crossed_axis_has_a_marginal(crossed: Crossing, axis: Any) -> None:
    """An axis whose marginal is that of another."""
    panel = marginal_panel(crossed, axis)
    assert panel.values == crossed.values(axis)
    assert len(panel.table) == 3 * len(panel.values)


ONE_STEP = {"lm_adaptation_steps": [1000], "pretraining_objective": ["lm_adaptation"]}


def test_what_has_one_value_is_neither_crossed_nor_read_twice(frame_of: Any) -> None:
    """Heat maps of one column, marginals over one cell, and the same maps under two names."""
    two = crossing(frame_of(design="complete", axes=ONE_STEP))
    assert two is not None
    assert two.axes == (prompt_length.AXIS, prompt_init.AXIS)
    assert two.pairs == ((prompt_length.AXIS, prompt_init.AXIS),)
    assert two.readings == ("slice",)
    assert len(crossed_trials(two, "slice", DEFAULTS)) == len(two.trials)

    apart = crossing(frame_of(design="complete", axes={"prompt_init": ["class_label"]}))
    assert apart is not None
    assert apart.axes == (prompt_length.AXIS, lm_adaptation_steps.AXIS)
    assert apart.pairs == ()


def test_three_axes_are_read_both_ways(crossed: Crossing) -> None:
    """A complete grid that shows only its defaults."""
    assert crossed.pairs == PAIRS
    assert crossed.readings == ("marginal", "slice")

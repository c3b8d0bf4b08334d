"""The claims: each effect with a known answer, and an honest 'unknown'."""

import math
from typing import Any

import pandas as pd
import pytest

from ablation import method
from ablation.axes import ABLATED
from analysis.aggregate import Interval, interval
from analysis.panels import Panel, build_panel
from analysis.tables.claims import Claim, claims, claims_table

# From 62 thousand to 2.06 million parameters: the slope of 20, 10, 0 over log10 of the sizes.
SLOPE = -12.7327


def _panels(frame: pd.DataFrame) -> dict[str, Panel]:
    return {axis.name: build_panel(frame, axis) for axis in (method.AXIS, *ABLATED)}


def _effects(frame: pd.DataFrame) -> dict[str, float]:
    return {f"{c.claim}: {c.effect}": c.measured.mean for c in claims(_panels(frame))}


def test_every_claim_measures_its_effect(frame_of: Any) -> None:
    """An effect of the wrong sign, size or setting."""
    found = _effects(frame_of())

    slope = "slope of best less worst setting, points for ten times the parameters"
    hard = "span corruption is hard to prompt until LM adaptation"
    expected = {
        "the gap closes with size: gap at 60k less gap at 2m, points": 20.0,
        "the gap closes with size: slope of the gap, points for ten times the parameters": SLOPE,
        "the gap at the smallest size is 3 times that at the largest, or more: "
        "gap at 60k less 3 gaps at 2m (0 or more), points": 20.0,
        "the smallest model is not enough for a prompt: gap at 60k, points": 20.0,
        "prompt tuning matches model tuning at the largest size: gap at 2m, points": 0.0,
        f"prompt length matters less for larger models: {slope}": SLOPE / 2,
        f"prompt initialisation matters less for larger models: {slope}": SLOPE / 4,
        f"pre-training objective matters less for larger models: {slope}": SLOPE,
        f"{hard}: LM adaptation less span corruption, mean over sizes, points": 10.0,
        f"{hard}: LM adaptation less span corruption at 60k, points": 20.0,
        f"{hard}: LM adaptation less span corruption at 200k, points": 10.0,
        f"{hard}: LM adaptation less span corruption at 2m, points": 0.0,
        "a prompted span-corruption model is no better than chance: "
        "span corruption less chance, mean over sizes, points": 5.5,
    }
    assert found == pytest.approx(expected, abs=1e-4)


def test_gaps_of_the_ends_are_compared_as_the_claims_say(frame_of: Any) -> None:
    """A multiple of the wrong gap, which a gap of 0 at the largest size hides."""
    gap = {"60k": 20.0, "200k": 10.0, "2m": 4.0}
    frame = frame_of(scorer=lambda c: 70.0 - gap[c.model_size] * (c.method == "prompt_tuning"))

    found = _effects(frame)

    ends = {name.split(": ")[1]: mean for name, mean in found.items() if "gap" in name}
    assert ends["gap at 60k less gap at 2m, points"] == 16.0
    assert ends["gap at 60k less 3 gaps at 2m (0 or more), points"] == 8.0
    assert ends["gap at 2m, points"] == 4.0


def test_a_gap_that_widens_the_other_way_is_no_closing_gap(frame_of: Any) -> None:
    """'Three times the largest's' where the smallest has a gap below 0, and thrice it lower."""
    gap = {"60k": -1.0, "200k": -1.0, "2m": -2.0}
    frame = frame_of(scorer=lambda c: 70.0 - gap[c.model_size] * (c.method == "prompt_tuning"))

    found = next(c for c in claims(_panels(frame)) if "3 times" in c.claim)

    assert (found.measured.mean, found.holds) == (-1.0, False)


def test_learned_tasks_are_counted_by_the_last_that_is_needed(frame_of: Any) -> None:
    """Four tasks claimed where one very good one pulls the mean."""
    margins = {"boolq": 30.0, "cb": 15.5, "record": 50.0, "wic": 20.0}
    baseline = {"boolq": 60.0, "cb": 40.0, "record": 20.0, "wic": 50.0}
    frame = frame_of(
        scorer=lambda c: baseline[c.task] + margins[c.task], axes={"task": list(margins)}
    )

    found = next(c for c in claims(_panels(frame)) if "learns 4 tasks" in c.claim)

    assert found.effect == "its number 4 at 2m, cb, less chance, points"
    assert (found.measured.mean, found.holds, found.certain) == (15.5, True, True)


@pytest.mark.parametrize(
    ("low", "mean", "high", "rule", "holds", "certain"),
    [
        (1.0, 2.0, 3.0, ">", True, True),
        (-1.0, 2.0, 5.0, ">", True, False),
        (-3.0, -2.0, -1.0, ">", False, True),
        (-3.0, -2.0, 1.0, "<", True, False),
        (0.0, 0.0, 0.0, "<=", True, True),
        (0.0, 0.0, 0.0, ">", False, True),
        (math.nan, 2.0, math.nan, ">=", True, None),
        (math.nan, math.nan, math.nan, ">", None, None),
    ],
)
def test_verdict_follows_the_mean_and_certainty_the_interval(
    low: float, mean: float, high: float, rule: str, holds: bool | None, certain: bool | None
) -> None:
    """A claim that holds because nothing was measured; one sure of a wide interval."""
    measured = Interval(mean=mean, sd=1.0, n=2, low=low, high=high)

    claim = Claim(name="gap_closes", claim="c", effect="e", measured=measured, rule=rule, bound=0.0)

    assert (claim.holds, claim.certain) == (holds, certain)


def test_claims_about_what_is_missing_are_unknown(frame_of: Any) -> None:
    """A trend over the sizes that happen to be done."""
    frame = frame_of(done=lambda c: c.model_size != "2m")

    table = claims_table(claims(_panels(frame)))

    known = table[table["n"] > 0]
    assert set(known["effect"]) == {
        "gap at 60k, points",
        "LM adaptation less span corruption at 60k, points",
        "LM adaptation less span corruption at 200k, points",
    }
    assert set(table.loc[table["n"] == 0, "holds"]) == {"unknown"}


def test_sweep_with_less_to_compare_claims_less(frame_of: Any) -> None:
    """A crash, or a claim about one size, where the design has no such comparison."""
    frame = frame_of(baselines=[], axes={"model_size": ["60k"], "prompt_length": [20]})
    panels = {axis.name: build_panel(frame, axis) for axis in (method.AXIS, *ABLATED[1:])}

    found = claims(panels)

    assert {c.claim for c in found if "gap" in c.claim or "length" in c.claim} == set()
    assert all(c.holds is None for c in found if "less for larger" in c.claim)


def test_table_says_each_claim_in_a_row() -> None:
    """A rule or a number in the wrong column."""
    claim = Claim(
        name="gap_closes",
        claim="c",
        effect="e",
        measured=interval([1.0, 3.0]),
        rule=">=",
        bound=1.5,
    )

    row = claims_table([claim]).iloc[0]

    assert row[["claim", "effect", "mean", "n", "rule", "holds", "certain"]].tolist() == [
        "c", "e", 2.0, 2, ">= 1.5", "yes", "no",
    ]  # fmt: skip

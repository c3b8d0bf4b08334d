"""The formulas of Figure 4, against what the paper and its sources say of them."""

import pytest

from ablation.task_parameters import Assumptions, costs, read_assumptions
from runners.model.family import shipped
from runners.rules import ConfigError

T5 = shipped()["t5"].rungs
SIZES = ("small", "base", "large", "xl", "xxl")


def shares(technique: str, given: Assumptions | None = None) -> list[float]:
    """The share of N at each size of T5 1.1, in percent."""
    found = costs(T5, given or Assumptions())
    return [cost.share for cost in found if cost.technique == technique]


def test_mean_shares_of_prompts_and_warp_are_those_of_the_formulas() -> None:
    """A mean over other lengths than 1 to 100, or a width that is not the model's."""
    assert shares("prompt_tuning") == pytest.approx(
        [0.0336, 0.0157, 0.0066, 0.0036, 0.0019], abs=5e-5
    )
    assert shares("warp") == pytest.approx([0.0349, 0.0163, 0.0069, 0.0038, 0.0019], abs=6e-5)


@pytest.mark.parametrize(
    ("places", "wanted"),
    [
        (1, [0.403, 0.376, 0.317, 0.174, 0.089]),
        (2, [0.806, 0.752, 0.634, 0.348, 0.178]),
        (3, [1.21, 1.13, 0.951, 0.523, 0.268]),
    ],
)
def test_prefixes_cost_what_their_places_say(places: int, wanted: list[float]) -> None:
    """Keys without values, or the width of the model where that of its attention belongs."""
    found = shares("prefix_inference", Assumptions(prefix_places=places))
    assert found == pytest.approx(wanted, rel=0.006)


def test_a_prefix_in_training_has_its_reparameterisation_once_a_place() -> None:
    """A reparameterisation that grows with the prompt, or is left out."""
    found = shares("prefix_training", Assumptions(prefix_places=3))
    assert found == pytest.approx([13.4, 12.0, 9.9, 5.4, 2.8], rel=0.01)


def test_adapters_cost_two_to_four_percent_of_small_models() -> None:
    """Adapters behind the wrong number of sublayers, or without biases."""
    assert shares("adapters") == pytest.approx([3.44, 2.40, 2.03, 1.11, 0.57], rel=0.005)


def test_spread_of_a_band_is_that_of_all_its_lengths() -> None:
    """The spread of a sample, or of the two ends alone."""
    found = next(c for c in costs(T5, Assumptions()) if c.technique == "prompt_tuning")
    assert (found.mean / 512, found.sd / 512) == pytest.approx((50.5, 28.866), abs=1e-3)


def test_the_paper_s_words_hold() -> None:
    """A curve in the wrong place: the bounds are those of the caption and of section 4."""
    assert all(0.1 <= share <= 1 for share in shares("prefix_inference"))
    assert all(share < 0.1 for share in shares("warp"))
    assert sum(share < 0.01 for share in shares("prompt_tuning")) >= 3


def test_without_a_shape_there_are_no_prefixes_and_no_adapters() -> None:
    """A decoder-only model whose layers nobody told, drawn with layers of a guess."""
    found = {cost.technique for cost in costs(shipped()["pythia"].rungs, Assumptions())}
    assert found == {"model_tuning", "warp", "prompt_tuning", "prompt_design"}


def test_assumptions_are_read_by_name() -> None:
    """A setting that is accepted and changes nothing."""
    assert read_assumptions(["prefix_places=3"]) == Assumptions(prefix_places=3)


def test_every_bad_assumption_is_told_at_once() -> None:
    """One mistake told at a time, or a band that runs backwards."""
    with pytest.raises(ConfigError) as error:
        read_assumptions(["prefix_place=3", "bottleneck=none", "classes=0"])
    assert [problem.key for problem in error.value.problems] == [
        "prefix_place", "bottleneck", "classes",
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="longest"):
        read_assumptions(["longest=10", "shortest=20"])

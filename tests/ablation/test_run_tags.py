"""Tags that lead from a sweep and a panel to runs."""

from ablation.grid import PANELS
from ablation.run_tags import LETTERS, is_ours, panel_tag, sweep_tag, tags_of


def test_a_trial_has_its_panels_its_sweeps_and_each_with_the_other() -> None:
    """Runs that W&B's own filter by panel finds no more, or that a sweep cannot tell its own."""
    feeds = {"first": frozenset({"scale", "prompt_length"}), "second": frozenset({"scale"})}
    assert tags_of(feeds) == (
        "prompt_length", "scale",
        "sweep:first", "sweep:first:prompt_length", "sweep:first:scale",
        "sweep:second", "sweep:second:scale",
    )  # fmt: skip
    assert tags_of({"first": frozenset()}) == ("sweep:first",)


def test_a_sweep_by_the_name_of_a_panel_is_told_from_it() -> None:
    """Every run of W&B in the report of a sweep that is called like a panel."""
    assert sweep_tag("scale") not in PANELS


def test_what_somebody_has_set_is_not_ours() -> None:
    """A tag of a user's that makes a run one to be written anew."""
    assert all(map(is_ours, tags_of({"first": frozenset(PANELS)})))
    assert not is_ours("look at this")


def test_tags_of_a_long_name_are_no_longer_than_they_may_be() -> None:
    """A sweep that W&B refuses for its name, or two whose tags are the same."""
    names = ["a" * 200, "a" * 201]
    tags = [panel_tag(name, panel) for name in names for panel in PANELS]
    assert max(map(len, tags)) <= LETTERS
    assert len(set(tags)) == len(tags)
    name = "laptop_study_of_everything_there_is"
    assert sweep_tag(name) == f"sweep:{name}"

"""Which trials a figure says that it shows: exactly those that its lines rest on."""

from collections.abc import Callable
from typing import Any

import pytest

from analysis.draw import pictures
from analysis.findings import find
from analysis.style import paper
from runners.config import TrialConfig

Shows = Callable[[TrialConfig], bool]
SENTINEL = "span_corruption_sentinel"


def _is_prompt(c: TrialConfig) -> bool:
    return c.method == "prompt_tuning"


def _is_default(c: TrialConfig, *names: str) -> bool:
    """Whether a prompt is that of the default cell in these axes, or in all."""
    defaults = {"prompt_length": 20, "prompt_init": "class_label", "lm_adaptation_steps": 1000}
    wanted = names or tuple(defaults)
    return _is_prompt(c) and all(getattr(c, name) == defaults[name] for name in wanted)


def _scale(c: TrialConfig) -> bool:
    return c.method == "model_tuning" or _is_default(c)


def _lengths(c: TrialConfig) -> bool:
    return _is_default(c, "prompt_init", "lm_adaptation_steps")


def _inits(c: TrialConfig) -> bool:
    return _is_default(c, "prompt_length", "lm_adaptation_steps")


def _objectives(c: TrialConfig) -> bool:
    return _is_default(c, "prompt_length", "prompt_init") and c.lm_adaptation_steps in (0, 1000)


def _steps(c: TrialConfig) -> bool:
    return _is_default(c, "prompt_length", "prompt_init") and c.pretraining_objective != SENTINEL


def _panels(c: TrialConfig) -> bool:
    return _lengths(c) or _inits(c) or _objectives(c) or _steps(c)


def _crossed(c: TrialConfig) -> bool:
    return _is_prompt(c) and c.pretraining_objective != SENTINEL


def _pairs_at_defaults(c: TrialConfig) -> bool:
    whole = _is_default(c, "lm_adaptation_steps") or _is_default(c, "prompt_length")
    return _crossed(c) and whole


STAR: dict[str, Shows] = {
    "figure_1_scale": _scale,
    "figure_3": _panels,
    "figure_3a_prompt_length": _lengths,
    "figure_3b_prompt_init": _inits,
    "figure_3c_pretraining_objective": _objectives,
    "figure_3d_lm_adaptation_steps": _steps,
    "figure_4_parameters": lambda _: False,
    "figure_curves": _scale,
    "figure_robustness": _panels,
    "figure_runtime": lambda c: _lengths(c) and c.task == "boolq",
}
COMPLETE: dict[str, Shows] = STAR | {
    "figure_3_marginal": _crossed,
    "figure_3a_prompt_length_marginal": _crossed,
    "figure_3b_prompt_init_marginal": _crossed,
    "figure_3d_lm_adaptation_steps_marginal": _crossed,
    "figure_interactions_marginal": _crossed,
    "figure_interactions_slice": _pairs_at_defaults,
    # The line 'All crossed cells' is over every one of them.
    "figure_robustness": lambda c: _panels(c) or _crossed(c),
}


def _shown(made: Any) -> dict[str, set[str]]:
    found = find(made.manifest, made.trials(), made.store)
    return {picture.stem: set(picture.trials["trial_id"]) for picture in pictures(found)}


def _expected(made: Any, figures: dict[str, Shows]) -> dict[str, set[str]]:
    return {
        stem: {config.trial_id for config in made.configs if shows(config)}
        for stem, shows in figures.items()
    }


def test_figures_of_a_star_name_exactly_the_trials_they_show(whole: Any) -> None:
    """Provenance of the whole sweep on every figure, or of one panel on a page of four."""
    assert _shown(whole) == _expected(whole, STAR)


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory, finished: Any) -> Any:
    """A complete grid of one size that is finished."""
    folder = tmp_path_factory.mktemp("complete")
    return finished(folder, design="complete", axes={"model_size": ["2m"]})


def test_figures_of_a_complete_grid_name_exactly_the_trials_they_show(complete: Any) -> None:
    """A spread over all crossed cells that names those of the panels alone, or a slice that
    names cells which it leaves out."""
    assert _shown(complete) == _expected(complete, COMPLETE)


def test_marginals_have_no_place_for_a_panel_that_none_of_them_is(complete: Any) -> None:
    """A hole on the sheet for the objectives, which are crossed with nothing."""
    found = find(complete.manifest, complete.trials(), complete.store)
    (picture,) = (p for p in pictures(found) if p.stem == "figure_3_marginal")
    first, second, third = (axes.get_position() for axes in picture.draw().axes)
    assert (second.y0, third.x0) == (first.y0, first.x0)


def test_a_grid_of_two_axes_has_figures_of_those_alone(
    tmp_path_factory: pytest.TempPathFactory, finished: Any
) -> None:
    """Panels of a single setting, heat maps of one column, and half a sheet with nothing on it."""
    axes = {
        "model_size": ["2m"], "lm_adaptation_steps": [1000],
        "pretraining_objective": ["lm_adaptation"],
    }  # fmt: skip
    made = finished(tmp_path_factory.mktemp("two"), design="complete", axes=axes)
    found = find(made.manifest, made.trials(), made.store)
    drawn = {picture.stem: picture for picture in pictures(found)}
    assert {stem for stem in drawn if "marginal" in stem or "interactions" in stem} == {
        "figure_3_marginal",
        "figure_3a_prompt_length_marginal",
        "figure_3b_prompt_init_marginal",
        "figure_interactions_slice",
    }
    with paper():
        whole, one = drawn["figure_3"].draw(), drawn["figure_3a_prompt_length"].draw()
    assert len(whole.axes) == 2
    assert whole.get_figheight() < 1.5 * one.get_figheight()


def test_what_a_spread_over_all_cells_lacks_is_told(toy: Any) -> None:
    """A robustness figure that calls itself whole while cells off the panels are missing."""
    made = toy(design="complete", axes={"model_size": ["2m"]})
    lacking = [c for c in made.configs if _crossed(c) and not _panels(c) and c.seed == 1]
    made.run(c for c in made.configs if c not in lacking)
    found = find(made.manifest, made.trials(), made.store)
    (picture,) = (p for p in pictures(found) if p.stem == "figure_robustness")
    missing = picture.trials[picture.trials["status"] != "done"]
    assert set(missing["trial_id"]) == {config.trial_id for config in lacking}
    (axes,) = picture.draw().axes
    planned = len(picture.trials)
    words = " ".join(" ".join(text.get_text().split()) for text in axes.texts)
    assert f"partial: {planned - len(lacking)} of {planned} trials done." in words


def test_heat_maps_say_the_range_of_their_seeds(toy: Any) -> None:
    """'n = 2' under a map of which half of the cells have one seed."""
    made = toy(design="complete", axes={"model_size": ["2m"]})
    made.run(c for c in made.configs if c.seed == 0 or c.prompt_length == 20)
    found = find(made.manifest, made.trials(), made.store)
    for stem in ("figure_interactions_slice", "figure_interactions_marginal"):
        (picture,) = (p for p in pictures(found) if p.stem == stem)
        words = [" ".join(text.get_text().split()) for text in picture.draw().texts]
        assert any("n = 1 to 2 seeds" in text for text in words)

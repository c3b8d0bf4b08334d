"""Grids: the number of trials, shared cells, panels, and ids that growth leaves alone."""

import runpy
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablation.grid import GRID, PANELS, GridTrial, build
from ablation.search import DESIGN as SEARCH
from ablation.study import Study
from runners.config import OBJECTIVES, adaptation_of

Read = Callable[[object], Study]
Plain = dict[str, Any]
GOLDEN = Path(__file__).parents[1] / "golden"
# Another value for each axis of the small study.
MORE = {
    "model_size": "600k",
    "prompt_length": 100,
    "prompt_init": "sampled_vocab",
    "lm_adaptation_steps": 500,
    "task": "cb",
    "seed": 2,
}


def ids(trials: tuple[GridTrial, ...]) -> set[str]:
    """The distinct ids of trials."""
    return {trial.config.trial_id for trial in trials}


def panel_counts(trials: tuple[GridTrial, ...]) -> Counter[str]:
    """Trials of each panel."""
    return Counter(panel for trial in trials for panel in trial.panels)


OF_T5 = tuple(objective for objective in OBJECTIVES if objective != "causal_lm")


@pytest.fixture
def paper(plain: Plain) -> Plain:
    """The ablations of Lester et al. 2021, 3.2, on one task."""
    plain["model_family"] = "t5"
    plain["axes"] = {
        "model_size": ["small", "base", "large", "xl", "xxl"],
        "prompt_length": [1, 5, 20, 100, 150],
        "prompt_init": ["random_uniform", "sampled_vocab", "class_label"],
        "pretraining_objective": list(OF_T5),
        "lm_adaptation_steps": [0, 10_000, 50_000, 100_000],
        "task": ["boolq"],
        "seed": [0, 1, 2],
    }
    plain["defaults"] |= {"prompt_length": 100, "lm_adaptation_steps": 100_000}
    plain["settings"]["lm_adaptation"]["text"] = "0123456789abcdef"
    return plain


def test_star_of_the_paper(paper: Plain, read: Read) -> None:
    """Trained twice, or left out, a shared cell breaks the paper's count (A.2).

    Its 195 runs are 13 configs x 5 sizes x 3 runs.
    """
    mixed = {"train_steps": 400, "eval_every": 100, "learning_rate": 0.001}
    paper["settings"]["multitask_model_tuning"] = mixed
    paper["baselines"] = ["model_tuning", "multitask_model_tuning"]
    trials = build(read(paper))
    assert len(trials) == len(ids(trials)) == 195
    per_config = 5 * 3
    assert panel_counts(trials) == {
        "scale": 3 * per_config,
        "prompt_length": 5 * per_config,
        "prompt_init": 3 * per_config,
        "pretraining_objective": 3 * per_config,
        "lm_adaptation_steps": 4 * per_config,
    }


def test_baselines_start_as_the_paper_has_them(plain: Plain, read: Read) -> None:
    """Catches a mixture without its prefix, or a hand-written prompt on a model never adapted."""
    plain["baselines"] = ["model_tuning", "multitask_model_tuning", "prompt_design"]
    plain["settings"]["multitask_model_tuning"] = plain["settings"]["model_tuning"]
    trials = [trial.config for trial in build(read(plain))]
    of = {
        method: [config for config in trials if config.method == method]
        for method in plain["baselines"]
    }
    for config in of["multitask_model_tuning"]:
        assert (config.mixture, config.task_prefix) == ("boolq,record", True)
        assert config.pretraining_objective == "span_corruption"
    for config in of["prompt_design"]:
        assert (config.shots, config.seed, config.training) == (0, 0, None)
        assert (config.pretraining_objective, config.lm_adaptation_steps) == ("lm_adaptation", 1000)
    assert not any(config.task_prefix for config in of["model_tuning"])
    assert {method: len(found) for method, found in of.items()} == {
        "model_tuning": 2 * 2 * 2, "multitask_model_tuning": 2 * 2 * 2, "prompt_design": 2 * 2,
    }  # fmt: skip
    plain["settings"]["prompt_design"] = {"shots": 4, "answer_by": "likelihood"}
    few = [t.config for t in build(read(plain)) if t.config.method == "prompt_design"]
    assert {config.seed for config in few} == {0, 1}
    assert {config.answer_by for config in few} == {"likelihood"}


def test_a_released_adaptation_is_taken_as_it_is(paper: Plain, read: Read) -> None:
    """Catches 100,000 steps that are run again, or settings in the id of a released model."""
    adapted = [t.config for t in build(read(paper)) if t.config.lm_adaptation_steps]
    assert {c.lm_adaptation_steps for c in adapted if adaptation_of(c)} == {10_000, 50_000}
    assert {c.lm_adaptation_steps for c in adapted if not adaptation_of(c)} == {100_000}


def test_released_adaptations_alone_need_no_settings(paper: Plain, read: Read) -> None:
    """Catches a study of released models that has to say how it would adapt them."""
    paper["axes"]["lm_adaptation_steps"] = [0, 100_000]
    del paper["settings"]["lm_adaptation"]
    assert not any(adaptation_of(trial.config) for trial in build(read(paper)))


def test_decoder_only_models_have_an_objective_of_their_own(plain: Plain, read: Read) -> None:
    """Catches a baseline of a decoder-only model that starts from span corruption."""
    plain |= {"model_family": "pythia"}
    plain["axes"] |= {"model_size": ["70m"], "pretraining_objective": ["causal_lm"]}
    del plain["axes"]["lm_adaptation_steps"], plain["settings"]["lm_adaptation"]
    plain["defaults"] |= {"pretraining_objective": "causal_lm", "lm_adaptation_steps": 0}
    trials = build(read(plain))
    assert {trial.config.pretraining_objective for trial in trials} == {"causal_lm"}
    assert {trial.config.method for trial in trials} == {"prompt_tuning", "model_tuning"}


def test_zero_steps_and_span_corruption_are_one_trial(plain: Plain, read: Read) -> None:
    """Two ids for one meaning would train it twice and draw it from different runs."""
    shared = [t for t in build(read(plain)) if t.config.pretraining_objective == "span_corruption"]
    prompts = [trial for trial in shared if trial.config.method == "prompt_tuning"]
    assert len(prompts) == 2 * 2 * 2
    for trial in prompts:
        assert trial.config.lm_adaptation_steps == 0
        assert trial.panels == {"pretraining_objective", "lm_adaptation_steps"}


def test_the_default_cell_is_in_every_panel(plain: Plain, read: Read) -> None:
    """A panel without its default point would miss the value that all others turn on."""
    study = read(plain)
    (default,) = {
        trial.panels
        for trial in build(study)
        if trial.config.prompt_length == study.defaults.prompt_length
        and trial.config.prompt_init == study.defaults.prompt_init
        and trial.config.lm_adaptation_steps == study.defaults.lm_adaptation_steps
    }
    assert default == set(PANELS) - {GRID, SEARCH}


def test_baselines_once_per_size_task_and_seed(plain: Plain, read: Read) -> None:
    """A baseline crossed with the prompt's axes would be trained sixty times."""
    for design in ("star", "complete"):
        trials = build(read(plain | {"design": design}))
        models = [trial for trial in trials if trial.config.method == "model_tuning"]
        places = {(t.config.model_size, t.config.task, t.config.seed) for t in models}
        assert len(models) == len(places) == 2 * 2 * 2
        assert {trial.panels for trial in models} == {frozenset({"scale"})}


def test_complete_design_is_the_product(plain: Plain, read: Read) -> None:
    """A cell that the cross product leaves out is a hole in the grid."""
    trials = build(read(plain | {"design": "complete"}))
    prompts = [trial.config for trial in trials if trial.config.method == "prompt_tuning"]
    crossed = {
        (c.model_size, c.prompt_length, c.prompt_init, c.lm_adaptation_steps, c.task, c.seed)
        for c in prompts
        if c.pretraining_objective != "span_corruption_sentinel"
    }
    sentinel = [c for c in prompts if c.pretraining_objective == "span_corruption_sentinel"]
    places = 2 * 2 * 2
    assert len(crossed) == places * 3 * 2 * 3
    assert len(sentinel) == places
    assert {(c.prompt_length, c.prompt_init) for c in sentinel} == {(20, "class_label")}
    assert len(trials) == len(ids(trials)) == len(crossed) + len(sentinel) + places


def test_complete_design_contains_the_star_with_its_panels(plain: Plain, read: Read) -> None:
    """A complete sweep must draw the same figures as the star, from the same trials."""
    star = build(read(plain))
    complete = build(read(plain | {"design": "complete"}))
    shown = {t.config.trial_id: t.panels for t in complete if t.panels != {GRID}}
    assert shown == {trial.config.trial_id: trial.panels for trial in star}


def test_cells_off_the_default_run_on_ablation_tasks_and_seeds(plain: Plain, read: Read) -> None:
    """Panels that average different tasks at different values compare unlike things."""
    trials = build(read(plain | {"ablation_tasks": ["record"], "ablation_seeds": [1]}))
    for trial in trials:
        ablated = (trial.config.task, trial.config.seed) == ("record", 1)
        assert ablated or trial.panels == {"scale"}
    assert panel_counts(trials)["scale"] == 2 * (2 * 2 * 2)
    assert panel_counts(trials)["prompt_length"] == 2 * 3


def test_an_axis_of_one_value_draws_no_panel(plain: Plain, read: Read) -> None:
    """A panel of one point would be drawn and counted as if it compared something."""
    plain["axes"]["prompt_length"] = [20]
    del plain["axes"]["prompt_init"]
    counts = panel_counts(build(read(plain)))
    assert set(counts) == {"scale", "pretraining_objective", "lm_adaptation_steps"}


@pytest.mark.parametrize("design", ["star", "complete"])
@pytest.mark.parametrize("axis", MORE)
def test_growing_an_axis_adds_only_cells_of_the_new_value(
    plain: Plain, read: Read, axis: str, design: str
) -> None:
    """An id that moves when a grid grows throws away everything that was computed."""
    plain["design"] = design
    before = {trial.config: trial.panels for trial in build(read(plain))}
    plain["axes"][axis] = [*plain["axes"][axis], MORE[axis]]
    after = {trial.config: trial.panels for trial in build(read(plain))}
    new = set(after) - set(before)
    assert {config: after[config] for config in before} == before
    assert new
    assert {getattr(config, axis) for config in new} == {MORE[axis]}


@settings(deadline=None)
@given(st.data())
def test_any_study_has_each_trial_once(read: Read, data: st.DataObject) -> None:
    """A combination of values that makes two cells of one meaning trains it twice."""
    steps = data.draw(st.lists(st.sampled_from([0, 10, 100]), unique=True), label="steps")
    lengths = data.draw(st.lists(st.sampled_from([1, 5]), unique=True), label="lengths")
    objectives = data.draw(st.lists(st.sampled_from(OF_T5), unique=True), label="objectives")
    default = data.draw(st.sampled_from([0, 1000]), label="default steps")
    adapted = "lm_adaptation" if default else "span_corruption"
    if not default:
        objectives = [objective for objective in objectives if objective != "lm_adaptation"]
    plain: Plain = {
        "design": data.draw(st.sampled_from(["star", "complete"])),
        "model_family": "nano",
        "axes": {
            "model_size": ["60k"],
            "prompt_length": [20, *lengths],
            "pretraining_objective": list(dict.fromkeys([adapted, *objectives])),
            "lm_adaptation_steps": list(dict.fromkeys([default, *steps])),
            "task": ["cb"],
            "seed": [0],
        },
        "defaults": {
            "prompt_length": 20,
            "prompt_init": "class_label",
            "pretraining_objective": adapted,
            "lm_adaptation_steps": default,
        },
        "settings": {
            "prompt_tuning": {
                "train_steps": 1, "eval_every": 1, "batch_size": 1, "learning_rate": 1,
            }
        },
    }  # fmt: skip
    if default or any(steps):
        plain["settings"]["lm_adaptation"] = {"batch_size": 1, "learning_rate": 1, "seed": 0}
    trials = build(read(plain))
    assert len(ids(trials)) == len(trials)


def test_golden_ids() -> None:
    """An id that changes orphans every result in every store.

    `python tests/golden/trial_ids.py` writes the file anew.
    """
    lines = runpy.run_path(str(GOLDEN / "trial_ids.py"))["lines"]()
    assert lines == (GOLDEN / "trial_ids.txt").read_text().splitlines()

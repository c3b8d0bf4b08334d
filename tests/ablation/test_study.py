"""Studies from plain values; what spec files get wrong is in tests/sweeps/test_spec.py."""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import pytest

from ablation.grid import build
from ablation.study import Study
from runners.rules import ConfigError

Read = Callable[[object], Study]
Plain = dict[str, Any]


def test_every_part_arrives(plain: Plain, read: Read) -> None:
    """A key that is read into another field would change the sweep without a word."""
    study = read(plain)
    assert study.design == "star"
    assert study.family.name == "nano"
    assert {name: list(values) for name, values in asdict(study.axes).items()} == plain["axes"]
    assert asdict(study.defaults) == plain["defaults"]
    assert study.baselines == ("model_tuning",)
    adaptation = plain["settings"]["lm_adaptation"] | {"text": None}
    assert asdict(study.settings.lm_adaptation) == adaptation  # type: ignore[arg-type]


def test_settings_of_a_method_win_over_shared_ones(plain: Plain, read: Read) -> None:
    """A shared value that won would train the baseline with the prompt's settings."""
    plain["settings"]["shared"]["learning_rate"] = 9.0
    plain["settings"]["model_tuning"]["batch_size"] = 64
    settings = read(plain).settings
    (model,) = settings.baselines
    assert (settings.prompt_tuning.learning_rate, settings.prompt_tuning.batch_size) == (0.3, 16)
    assert (model.learning_rate, model.batch_size) == (0.001, 64)
    assert settings.prompt_tuning.dev_examples == model.dev_examples == 100


def test_model_tuning_starts_from_span_corruption(plain: Plain, read: Read) -> None:
    """The paper tunes the plain T5.1.1 checkpoint; an adapted one would be another baseline."""
    (model,) = read(plain).settings.baselines
    assert (model.pretraining_objective, model.lm_adaptation_steps) == ("span_corruption", 0)
    assert (model.prompt_length, model.prompt_init, model.lm_adaptation_seed) == (None, None, None)


def test_model_tuning_may_start_from_an_adapted_model(plain: Plain, read: Read) -> None:
    """A spec that asks for an adapted baseline must get it, with the adaptation's settings."""
    asked = {"pretraining_objective": "lm_adaptation", "lm_adaptation_steps": 1000}
    plain["settings"]["model_tuning"] |= asked
    (model,) = read(plain).settings.baselines
    assert (model.pretraining_objective, model.lm_adaptation_steps) == tuple(asked.values())
    assert (model.lm_adaptation_batch_size, model.lm_adaptation_learning_rate) == (32, 0.001)


def test_an_axis_left_out_has_its_default_alone(plain: Plain, read: Read) -> None:
    """A spec that varies one thing should not have to list all the others."""
    plain["axes"] = {name: plain["axes"][name] for name in ("model_size", "task", "seed")}
    axes = read(plain).axes
    assert (axes.prompt_length, axes.prompt_init) == ((20,), ("class_label",))
    assert axes.lm_adaptation_steps == (1000,)


def test_a_study_without_adaptation_needs_no_settings_for_it(plain: Plain, read: Read) -> None:
    """Demanding what no trial reads would make the smallest spec longer than it is."""
    del plain["settings"]["lm_adaptation"]
    for axis in ("pretraining_objective", "lm_adaptation_steps"):
        del plain["axes"][axis]
    plain["defaults"] |= {"pretraining_objective": "span_corruption", "lm_adaptation_steps": 0}
    assert read(plain).settings.lm_adaptation is None


def test_the_text_of_an_adaptation_is_in_every_trial_that_is_adapted(
    plain: Plain, read: Read
) -> None:
    """A text that is read and not kept would leave its milestones under the ids of the world."""
    plain["settings"]["lm_adaptation"]["text"] = "0123456789abcdef"
    texts = {
        (trial.config.lm_adaptation_steps > 0, trial.config.lm_adaptation_text)
        for trial in build(read(plain))
    }
    assert texts == {(True, "0123456789abcdef"), (False, None)}


def test_a_family_that_has_not_read_the_world_needs_a_text(plain: Plain, read: Read) -> None:
    """Documents of the embedded world are no text for the tokenizer of another family."""
    plain |= {"model_family": "t5_efficient"}
    plain["axes"]["model_size"] = ["tiny"]
    del plain["settings"]["lm_adaptation"]["seed"]
    with pytest.raises(ConfigError) as caught:
        read(plain)
    assert [str(problem) for problem in caught.value.problems] == [
        ("settings.lm_adaptation.seed: None is missing; give a whole number of 0 or more"),
        (
            "settings.lm_adaptation.text: None is missing for family t5_efficient, which has not "
            "read the embedded world; give a folder of text (--text, or "
            "settings.lm_adaptation.text)"
        ),
    ]


@pytest.mark.parametrize("baselines", [None, []])
def test_a_study_may_have_no_baselines(plain: Plain, read: Read, baselines: object) -> None:
    """An empty list is a legal answer to 'which baselines', unlike to 'which sizes'."""
    del plain["settings"]["model_tuning"], plain["baselines"]
    assert read(plain | ({} if baselines is None else {"baselines": baselines})).baselines == ()


def test_ablation_tasks_are_all_where_the_spec_is_silent(plain: Plain, read: Read) -> None:
    """A silent default of one task or seed would thin the panels out."""
    study = read(plain)
    assert (study.ablation_tasks, study.ablation_seeds) == (("boolq", "record"), (0, 1))
    study = read(plain | {"ablation_tasks": ["record"], "ablation_seeds": [1]})
    assert (study.ablation_tasks, study.ablation_seeds) == (("record",), (1,))


def test_a_broken_axis_does_not_hide_other_mistakes(plain: Plain, read: Read) -> None:
    """A reader that stops at the first part would send people through a row of errors."""
    plain["axes"]["model_size"] = []
    plain["settings"]["prompt_tuning"]["eval_every"] = 1000
    plain["baselines"] = ["model_tunning"]
    plain["defaults"]["prompt_length"] = 7
    with pytest.raises(ConfigError) as caught:
        read(plain)
    assert [problem.key for problem in caught.value.problems] == [
        "axes.model_size",
        "defaults.prompt_length",
        "baselines[0]",
        "settings.prompt_tuning.eval_every",
    ]


def test_a_shared_mistake_is_said_once(plain: Plain, read: Read) -> None:
    """A shared setting is read for every method; its mistake is still one."""
    plain["settings"]["shared"]["batch_size"] = 0
    with pytest.raises(ConfigError) as caught:
        read(plain)
    assert [problem.key for problem in caught.value.problems] == ["settings.shared.batch_size"]


def paths(values: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in nested plain values, the outermost first."""
    yield path
    if isinstance(values, dict | list):
        items = values.items() if isinstance(values, dict) else enumerate(values)
        for key, value in items:
            yield from paths(value, (*path, key))


def put(values: Any, path: tuple[str | int, ...], junk: object) -> Any:
    """A copy of nested plain values with something else at one place."""
    if not path:
        return junk
    copy = values.copy()
    copy[path[0]] = put(values[path[0]], path[1:], junk)
    return copy


@pytest.mark.parametrize(
    "junk", [None, True, -1, 1.5, float("nan"), "x", "", [], [[1]], [None, {}], {}, {"a": 1}]
)
def test_junk_anywhere_is_a_mistake_and_not_a_crash(plain: Plain, read: Read, junk: object) -> None:
    """A value of a type that nobody thought of ends in a traceback instead of a remedy."""
    refused = 0
    places = list(paths(plain))
    for path in places:
        try:
            read(put(plain, path, junk))
        except ConfigError:
            refused += 1
    assert refused > len(places) / 2

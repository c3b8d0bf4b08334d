"""What defines a result: its identity, its rules, and what a mistake is told."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from runners import config as module
from runners.config import (
    RULES,
    TRAINING,
    TrialConfig,
    adaptation_of,
    fingerprint,
    from_mapping,
    identity,
    parse_overrides,
    to_mapping,
    to_words,
)
from runners.misfits import DECAY, TRANSFER
from runners.rules import ConfigError
from sweeps.execution import Execution

CONFIGS = json.loads((Path(__file__).parents[1] / "golden" / "configs.json").read_text())
ADAPTED: dict[str, Any] = CONFIGS["adapted"]
NOT_ADAPTED: dict[str, Any] = CONFIGS["not_adapted"]
TEXT: dict[str, Any] = CONFIGS["text"]
NO_PROMPT: dict[str, Any] = CONFIGS["no_prompt"]
OTHERS: dict[str, Any] = {
    "model_family": "other", "model_size": "2m", "lm_adaptation_steps": 10,
    "lm_adaptation_batch_size": 8, "lm_adaptation_learning_rate": 0.01, "lm_adaptation_seed": 1,
    **TEXT, "prompt_length": 21, "prompt_init": "sampled_vocab", "task": "cb",
    "data_source": "files",
    "train_examples": None, "dev_examples": None, "seed": 1, "train_steps": 101, "eval_every": 11,
    "batch_size": 17, "learning_rate": 0.31, "weight_decay": 0.0, "parameter_scaling": True,
    "dropout": 0.1, "compute_dtype": "bfloat16", "input_length": 513, "target_length": 17,
    "task_prefix": True, "long_inputs": "cut", "answer_by": "likelihood", "warmup_steps": 5,
    "eval_on_start": True,
}  # fmt: skip
"""Another legal value of every field that can be changed alone."""


def _config(**changes: Any) -> TrialConfig:
    return from_mapping({**ADAPTED, **changes})


def _told(values: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        from_mapping(values)
    return str(caught.value).splitlines()


def test_every_field_is_identity() -> None:
    """Catches a field that changes numbers and not the id: two results under one name."""
    fields = {field.name for field in dataclasses.fields(TrialConfig)}
    assert set(identity(_config())) == fields - module._LATER_FIELDS
    of_others = {"method", "pretraining_objective", "task_content", "shots", "mixture", *DECAY}
    of_others |= set(TRANSFER)
    assert set(OTHERS) | of_others == set(RULES)


@pytest.mark.parametrize("name", OTHERS)
def test_every_field_changes_the_id(name: str) -> None:
    """Catches a field that is lost on its way into the hash."""
    assert _config(**{name: OTHERS[name]}).trial_id != _config().trial_id


def test_method_and_objective_change_the_id() -> None:
    """Catches two methods or stages that share a result."""
    kinds = [
        _config(),
        _config(**NO_PROMPT, method="model_tuning"),
        _config(**NOT_ADAPTED),
        _config(**NOT_ADAPTED | {"pretraining_objective": "span_corruption_sentinel"}),
    ]
    assert len({kind.trial_id for kind in kinds}) == len(kinds)


def test_a_task_of_ones_own_is_its_content() -> None:
    """Catches results that are lost when a task is renamed, or kept when its files change."""
    own = _config(data_source="own", task="reviews", task_content="a")
    assert _config(data_source="own", task="my_reviews", task_content="a").trial_id == own.trial_id
    assert _config(data_source="own", task="reviews", task_content="b").trial_id != own.trial_id
    assert own.label == "60k-p20-class_label-lm100-reviews-s0"


def test_rates_are_those_of_t5x() -> None:
    """Catches a schedule that counts from another step, or decays by degrees.

    T5X's factors `linear_warmup` and `decay_every`, over steps from 0.
    """
    plain, warm, decayed = (
        _config(**changes).training
        for changes in ({}, {"warmup_steps": 4}, {"decay_factor": 0.5, "decay_every": 3})
    )
    assert plain is not None and warm is not None and decayed is not None
    assert [plain.rate(step) for step in (1, 50)] == [0.3, 0.3]
    assert [warm.rate(step) for step in range(1, 7)] == pytest.approx(
        [0.3 * min(1, step / 4) for step in range(6)]
    )
    assert [decayed.rate(step) for step in range(1, 9)] == pytest.approx(
        [0.3 * 0.5 ** (step // 3) for step in range(8)]
    )
    ids = {
        _config(**changes).trial_id
        for changes in ({}, {"decay_factor": 0.5, "decay_every": 3}, {"warmup_steps": 4})
    }
    assert len(ids) == 3


def test_a_mixture_trains_once() -> None:
    """Catches eight trainings where one would do, or one where the seeds differ."""
    base = {**NO_PROMPT, "method": "multitask_model_tuning", "mixture": "boolq,cb"}
    one, other, later = (
        _config(**base, task=task, seed=seed) for task, seed in [("boolq", 0), ("cb", 0), ("cb", 1)]
    )
    assert one.run_id == other.run_id != later.run_id
    assert len({one.trial_id, other.trial_id, later.trial_id, one.run_id}) == 4
    assert _config().run_id == _config().trial_id


def test_what_else_a_trial_is_judged_on_is_identity_and_trains_nothing() -> None:
    """Catches a result without its transfer, ids of before that moved, or other dropout masks."""
    plain = _config()
    assert not set(TRANSFER) & set(identity(plain))
    published = _config(transfer_tasks="bioasq,drop")
    own = [_config(transfer_tasks="mine", transfer_content=each) for each in ("a", "b")]
    trials = [plain, published, *own]
    assert len({trial.trial_id for trial in trials}) == 4
    assert {trial.training_id for trial in trials} == {plain.trial_id}
    assert [trial.transfers for trial in trials[:2]] == [(), ("bioasq", "drop")]


def test_a_mixture_trains_once_whatever_its_tasks_are_judged_on() -> None:
    """Catches a training for each task, since each leaves itself out of the same list."""
    base = {**NO_PROMPT, "method": "multitask_model_tuning", "mixture": "boolq,cb"}
    one, other = (
        _config(**base, transfer_tasks="cb"),
        _config(**base, task="cb", transfer_tasks="boolq"),
    )
    assert one.run_id == other.run_id == _config(**base).run_id == one.training_id
    assert one.trial_id != _config(**base).trial_id


def test_prompt_design_needs_no_settings_of_training() -> None:
    """Catches a user who has to invent a learning rate for what does not learn."""
    words = {**ADAPTED, **NO_PROMPT, "method": "prompt_design", "shots": 2}
    short = from_mapping({k: v for k, v in words.items() if k not in TRAINING})
    assert (short.training, short.steps) == (None, 0)
    assert short.label == "60k-prompt_design-2shot-lm100-boolq-s0"
    assert identity(short)["weight_decay"] is None


def test_no_setting_of_execution_is_identity() -> None:
    """Catches an id that changes with the machine, so that a moved sweep starts over."""
    settings = {field.name for field in dataclasses.fields(Execution)}
    assert settings & set(RULES) == set()
    assert [line for line in _told(ADAPTED | {"workers": 2}) if "is not a known key" in line]


def test_the_id_does_not_depend_on_order_or_on_how_a_number_is_written() -> None:
    """Catches ids of the spelling: 1 and 1.0, or the keys of another YAML file."""
    backwards = from_mapping(dict(reversed(ADAPTED.items())))
    assert backwards.trial_id == _config().trial_id
    assert _config(learning_rate=1).trial_id == _config(learning_rate=1.0).trial_id
    assert _config(dropout=0).trial_id == _config(dropout=0.0).trial_id


def test_a_left_out_field_is_its_default() -> None:
    """Catches a trial that is run again because somebody wrote a default down."""
    defaults = ("weight_decay", "parameter_scaling", "dropout", "compute_dtype", "input_length")
    short = {name: value for name, value in ADAPTED.items() if name not in defaults}
    assert from_mapping(short) == _config()


def test_the_label_is_not_identity() -> None:
    """Catches results that are found by a name which leaves most of the config out."""
    one, other = _config(), _config(learning_rate=0.1)
    assert one.label == other.label == "60k-p20-class_label-lm100-boolq-s0"
    assert one.trial_id != other.trial_id
    baseline = _config(**NO_PROMPT | NOT_ADAPTED, method="model_tuning")
    assert baseline.label == "60k-model_tuning-span_corruption-boolq-s0"


def test_a_later_field_leaves_older_ids_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a new field that orphans every stored result.

    Played backwards: `dropout` is taken for the new field, so ids from before
    it are hashes of everything else.
    """
    old = identity(_config())
    del old["dropout"]
    monkeypatch.setattr(module, "_LATER_FIELDS", module._LATER_FIELDS | {"dropout"})
    assert _config().trial_id == fingerprint(old)
    assert _config(dropout=0.1).trial_id == fingerprint({**old, "dropout": 0.1})


def test_later_fields_have_a_default_that_keeps_the_old_meaning() -> None:
    """Catches a later field that every old config would have to name."""
    required = {name for name in RULES if name not in module._DEFAULTS}
    assert required & module._LATER_FIELDS == set()


def test_a_config_goes_through_json_unchanged() -> None:
    """Catches an id that a record, read again, would not have."""
    for each in (_config(), _config(**NO_PROMPT, method="model_tuning", learning_rate=1e-5)):
        assert from_mapping(json.loads(json.dumps(to_mapping(each)))) == each


def test_a_config_does_not_change() -> None:
    """Catches a result whose config was altered after its id was taken."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        _config().seed = 1  # type: ignore[misc]


COUNT, WHOLE = "a whole number of 1 or more", "a whole number of 0 or more"
POSITIVE, BOOL = "a number above 0", "true or false"


def test_every_mistake_is_told_at_once() -> None:
    """Catches a config whose second typo shows only after the first is mended."""
    values = ADAPTED | {"prompt_lenght": 5, "dropout": 1, "seed": -1, "compute_dtype": "float16"}
    del values["task"]
    assert _told(values) == [
        "prompt_lenght: 'prompt_lenght' is not a known key; did you mean 'prompt_length'?",
        "task: None is missing; give a word",
        f"seed: -1 is not {WHOLE}; write {WHOLE}",
        "dropout: 1 is not a number of 0 or more below 1; write a number of 0 or more below 1",
        "compute_dtype: 'float16' is not one of float32, bfloat16; did you mean 'bfloat16'?",
    ]


def test_a_broken_rule_does_not_hide_a_misfit_of_other_fields() -> None:
    """Catches a second round of mistakes: the fields of the misfit are legal themselves."""
    values = ADAPTED | {"learning_rate": "high", "eval_every": 101, "prompt_init": None}
    keys = [message.split(":")[0] for message in _told(values)]
    assert keys == ["learning_rate", "prompt_init", "eval_every"]
    # Of a misfit with a broken field nothing can be said.
    keys = [m.split(":")[0] for m in _told(ADAPTED | {"train_steps": 0, "eval_every": 101})]
    assert keys == ["train_steps"]


def test_words_become_typed_values() -> None:
    """Catches a number that stays text, or a 'false' that is true."""
    words = [
        "prompt_length=20", "learning_rate=3e-1", "parameter_scaling=false", "task=cb",
        "train_examples=null",
    ]  # fmt: skip
    assert parse_overrides(words) == {
        "prompt_length": 20, "learning_rate": 0.3, "parameter_scaling": False, "task": "cb",
        "train_examples": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("seed", "seed: 'seed' has no '='; write key=value"),
        ("sed=1", "sed: 'sed' is not a known key; did you mean 'seed'?"),
        ("seed=one", f"seed: 'one' is not {WHOLE}; write {WHOLE}"),
        ("seed=null", f"seed: None is missing; give {WHOLE}"),
        ("batch_size=1.5", f"batch_size: '1.5' is not {COUNT}; write {COUNT}"),
        ("learning_rate=inf", f"learning_rate: inf is not {POSITIVE}; write {POSITIVE}"),
        ("parameter_scaling=yes", f"parameter_scaling: 'yes' is not {BOOL}; write {BOOL}"),
        ("task=", "task: '' is not a word; write a word"),
    ],
)
def test_a_word_that_does_not_read_is_told(word: str, message: str) -> None:
    """Catches a bare ValueError of int(), or an override that is dropped."""
    with pytest.raises(ConfigError) as caught:
        parse_overrides([word])
    assert str(caught.value) == message


def test_every_bad_word_is_told_at_once() -> None:
    """Catches a command that is mended one word at a time."""
    with pytest.raises(ConfigError) as caught:
        parse_overrides(["seed", "seed=1", "sed=1", "dropout=2"])
    assert [problem.key for problem in caught.value.problems] == ["seed", "sed", "dropout"]


def test_trials_of_one_adaptation_share_its_run_and_its_milestones() -> None:
    """Catches an adaptation that is paid for once for every trial, or shared where it differs."""
    adaptation = adaptation_of(_config())
    assert adaptation is not None
    assert adaptation == adaptation_of(_config(seed=5, task="cb", lm_adaptation_steps=10))
    assert adaptation != adaptation_of(_config(lm_adaptation_seed=1))
    assert adaptation_of(_config(**NOT_ADAPTED)) is None
    names = [adaptation.run_id, adaptation.milestone_id(10), adaptation.milestone_id(100)]
    assert len({*names, _config().trial_id}) == 4


def test_fields_become_the_words_that_give_them_back() -> None:
    """Catches a command that is printed for people and that no command line reads."""
    fields = {
        "task": "cb", "seed": 0, "dev_examples": None, "parameter_scaling": True,
        "weight_decay": 1e-5, "learning_rate": 0.1 + 0.2,
    }  # fmt: skip
    words = to_words(fields)
    assert words[:4] == ["task=cb", "seed=0", "dev_examples=null", "parameter_scaling=true"]
    assert parse_overrides(words) == fields


def test_a_released_adaptation_has_no_text() -> None:
    """Catches a text in the id of a model that others have adapted."""
    released = NOT_ADAPTED | {"pretraining_objective": "lm_adaptation", "lm_adaptation_steps": 100}
    keys = [line.split(":")[0] for line in _told(ADAPTED | released | TEXT)]
    own = ("batch_size", "learning_rate", "seed")
    assert keys == [f"lm_adaptation_{name}" for name in own]


def test_the_text_of_an_adaptation_is_identity_and_the_embedded_world_is_not() -> None:
    """Catches milestones of two texts under one id, or milestones of before that are orphaned."""
    world, text = adaptation_of(_config()), adaptation_of(_config(**TEXT))
    assert world is not None and text is not None
    before = {
        "stage": "lm_adaptation", "model_family": "nano", "model_size": "60k", "batch_size": 32,
        "learning_rate": 0.001, "seed": 0, "compute_dtype": "float32",
    }  # fmt: skip
    assert world.run_id == fingerprint(before)
    assert world.milestone_id(10) == fingerprint(before | {"steps": 10})
    assert text.run_id == fingerprint(before | {"text": "0123456789abcdef"})
    assert text.milestone_id(10) == fingerprint(before | {"text": "0123456789abcdef", "steps": 10})
    assert "lm_adaptation_text" not in identity(_config())

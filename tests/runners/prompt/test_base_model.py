"""The frozen model of a prompt, by a name that others can look up or as a folder."""

from collections.abc import Callable

from runners.catalogue import Catalogue
from runners.config import TrialConfig
from runners.prompt.base_model import base_name, released_place

Make = Callable[..., TrialConfig]
T5 = {"model_family": "t5", "model_size": "small"}
ADAPTED = {"pretraining_objective": "lm_adaptation", "lm_adaptation_steps": 100000}
HERE = {
    "lm_adaptation_batch_size": 4,
    "lm_adaptation_learning_rate": 0.001,
    "lm_adaptation_seed": 0,
}


def test_the_place_is_that_of_the_steps_that_the_trial_starts_from(config: Make) -> None:
    """Catches the pre-trained checkpoint under a prompt of an adapted one, or the reverse."""
    rung = Catalogue().rung("t5", "small")
    assert str(released_place(config(**T5), rung)) == "google/t5-v1_1-small"
    assert str(released_place(config(**T5, **ADAPTED), rung)) == "google/t5-small-lm-adapt"
    assert released_place(config(**T5, **ADAPTED, **HERE), rung) is None


def test_models_that_differ_have_names_that_differ(config: Make) -> None:
    """Catches two models that are written into one folder."""
    trials = [
        config(),
        config(compute_dtype="bfloat16"),
        config(model_size="2m"),
        config(**T5),
        config(**T5, **ADAPTED),
        config(**T5, **ADAPTED, **HERE),
        config(**T5, **ADAPTED, **HERE | {"lm_adaptation_seed": 1}),
    ]
    assert len({base_name(trial) for trial in trials}) == len(trials)
    same = [config(seed=1, task="cb"), config(pretraining_objective="span_corruption_sentinel")]
    assert {base_name(trial) for trial in same} == {"nano-60k-float32"}

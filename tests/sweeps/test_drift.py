"""Drift: results of one sweep that were not made from the same things."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from runners.config import TrialConfig
from runners.record import TrialRecord
from sweeps import drift as module
from sweeps.drift import CODE, Drift, subjects_of
from sweeps.spec import SweepSpec


@pytest.fixture
def configs(spec: SweepSpec) -> Iterator[TrialConfig]:
    """Prompt trials at the default cell: both tasks of the smallest size, then of the next."""
    return iter(
        [
            trial.config
            for trial in spec.trials
            if trial.config.prompt_length == 20 and trial.config.lm_adaptation_steps == 1000
        ]
    )


def find_drift(done: Iterable[tuple[TrialConfig, TrialRecord]], *, code: str) -> tuple[Drift, ...]:
    """Drift among trials, for the code of today."""
    subjects = ((subjects_of(config), record) for config, record in done)
    return module.find_drift(subjects, present={CODE: code})


def record(**provenance: Any) -> TrialRecord:
    """A record with this provenance."""
    return TrialRecord(
        trial_id="", attempt="", stage="tuning", label="", config={}, metrics={},
        provenance=provenance, files={},
    )  # fmt: skip


def test_equal_fingerprints_are_no_drift(configs: Iterator[TrialConfig]) -> None:
    """Different tasks have different data, and different sizes different checkpoints."""
    done = [
        (config, record(code="c", data=config.task, base_checkpoint=config.model_size))
        for config in configs
    ]
    assert len(done) == 4
    assert find_drift(done, code="c") == ()


def test_code_that_changed_since(configs: Iterator[TrialConfig]) -> None:
    """Results of older code would be averaged with new ones in silence."""
    first, second, third, _ = configs
    (drift,) = find_drift(
        [(first, record(code="a")), (second, record(code="b")), (third, record(code="b"))],
        code="c",
    )
    said = "code of the runners changed: 2 done with b, 1 done with a, now c"
    assert str(drift) == said
    assert find_drift([(first, record(code="b"))], code="b") == ()


def test_data_of_one_task_that_changed(configs: Iterator[TrialConfig]) -> None:
    """A data set that was regenerated differently makes two sizes incomparable."""
    small, _, large, _ = configs
    assert (small.task, large.task) == ("boolq", "boolq")
    (drift,) = find_drift([(small, record(data="a")), (large, record(data="b"))], code="c")
    assert str(drift) == (
        "data of boolq from microworld (all train, 100 dev) changed: 1 done with a, 1 done with b"
    )


def test_data_that_best_points_are_judged_on_that_changed(configs: Iterator[TrialConfig]) -> None:
    """A domain that was exchanged under its name makes two seeds incomparable."""
    shifted = replace(next(configs), transfer_tasks="mine,rte", transfer_content="c0")
    done = [
        (shifted, record(data="a", transfer_data={"mine": "b", "rte": version}))
        for version in ("d", "e")
    ]
    (drift,) = find_drift(done, code="c")
    assert str(drift) == (
        "data of rte from the embedded world with own tasks c0 (100 dev), judged on changed: "
        "1 done with d, 1 done with e"
    )


def test_a_checkpoint_that_changed(configs: Iterator[TrialConfig]) -> None:
    """Weights that were shipped anew under the old name are another model."""
    first, second, *_ = configs
    done = [(first, record(base_checkpoint="a")), (second, record(base_checkpoint="b"))]
    (drift,) = find_drift(done, code="c")
    assert drift.subject == "checkpoint nano 60k after 1000 steps of LM adaptation"


def test_a_record_without_fingerprints_is_no_drift(configs: Iterator[TrialConfig]) -> None:
    """What was never recorded cannot have changed."""
    assert find_drift([(next(configs), record())], code="c") == ()

"""A small spec as text, and a store to hold it against."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from runners.record import Failure, TrialRecord
from runners.store import Store
from sweeps.spec import SweepSpec, parse

TEXT = """\
name: small
design: star
model_family: nano
axes:
  model_size: [60k, 200k]
  prompt_length: [1, 20]
  lm_adaptation_steps: [0, 100, 1000]
  task: [boolq, record]
  seed: [0]
defaults:
  prompt_length: 20
  prompt_init: class_label
  pretraining_objective: lm_adaptation
  lm_adaptation_steps: 1000
settings:
  shared: {dev_examples: 100, batch_size: 16}
  prompt_tuning: {train_steps: 200, eval_every: 50, learning_rate: 0.3}
  model_tuning: {train_steps: 400, eval_every: 100, learning_rate: 1e-3}
  lm_adaptation: {batch_size: 32, learning_rate: 1e-3, seed: 0}
baselines: [model_tuning]
execution: {store: results/small, workers: 2}
"""


Commit = Callable[..., None]


@pytest.fixture
def text() -> str:
    """The text of a legal spec."""
    return TEXT


@pytest.fixture
def spec(text: str) -> SweepSpec:
    """The sweep of that text."""
    return parse(text, path="small.yaml")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(str(tmp_path / "store"))


@pytest.fixture
def commit(store: Store) -> Commit:
    """Commits a record of an id, with files and the provenance given by name."""

    def commit_id(
        work_id: str, *, files: Mapping[str, bytes] | None = None, **provenance: object
    ) -> None:
        attempt = store.begin(work_id)
        for name, content in (files or {}).items():
            (attempt.folder / name).write_bytes(content)
        record = TrialRecord(
            trial_id=work_id, attempt=attempt.id, stage="tuning", label="", config={},
            metrics={"score": 50.0}, provenance=provenance, files={},
        )  # fmt: skip
        assert attempt.commit(record)

    return commit_id


@pytest.fixture
def fail(store: Store) -> Commit:
    """Records a failure of an id."""

    def fail_id(work_id: str, kind: str, message: str = "") -> None:
        failure = Failure(
            trial_id=work_id, attempt="a", kind=kind, message=message, config={}, provenance={}
        )
        store.fail(failure)

    return fail_id

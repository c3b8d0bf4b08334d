"""Sweeps whose scores follow a formula, in real stores, so that every table has a known answer."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pandas as pd
import pytest

from ablation.grid import GridTrial, build
from ablation.study import from_mapping
from analysis.frame import Trials, load_trials
from analysis.manifest import Manifest, read_manifest
from runners.catalogue import Catalogue
from runners.config import TrialConfig, to_mapping
from runners.record import Failure, TrialRecord
from runners.store import Defect, Store

PARAMETERS = {"60k": 62_000, "200k": 207_000, "2m": 2_060_000}
CHANCE = {
    "boolq": 60.0, "cb": 40.0, "copa": 50.0, "multirc": 30.0,
    "record": 20.0, "rte": 50.0, "wic": 50.0, "wsc": 60.0,
    "mrpc": 50.0, "qqp": 50.0,
}  # fmt: skip
SPEC = "name: toy\n"

Scorer = Callable[[TrialConfig], float]


def study(**changes: Any) -> dict[str, Any]:
    """A star over three sizes, two tasks and two seeds, as plain values of a spec."""
    values = {
        "design": "star",
        "model_family": "nano",
        "axes": {
            "model_size": ["60k", "200k", "2m"],
            "prompt_length": [1, 20],
            "prompt_init": ["random_uniform", "class_label"],
            "pretraining_objective": [
                "span_corruption",
                "span_corruption_sentinel",
                "lm_adaptation",
            ],
            "lm_adaptation_steps": [0, 100, 1000],
            "task": ["boolq", "record"],
            "seed": [0, 1],
        },
        "defaults": {
            "prompt_length": 20,
            "prompt_init": "class_label",
            "pretraining_objective": "lm_adaptation",
            "lm_adaptation_steps": 1000,
        },
        "settings": {
            "shared": {"train_steps": 10, "eval_every": 5, "batch_size": 4, "learning_rate": 0.3},
            "lm_adaptation": {"batch_size": 4, "learning_rate": 0.001, "seed": 0},
        },
        "baselines": ["model_tuning"],
    }
    values["axes"] |= changes.pop("axes", {})
    return values | changes


def grid_of(values: Mapping[str, Any]) -> tuple[GridTrial, ...]:
    """The trials that the study asks for."""
    return build(from_mapping(values, Catalogue()))


def manifest_of(values: Mapping[str, Any], name: str = "toy") -> dict[str, Any]:
    """What a driver writes into the store for the study."""
    trials = [
        {
            "trial_id": trial.config.trial_id,
            "panels": sorted(trial.panels),
            "config": to_mapping(trial.config),
        }
        for trial in grid_of(values)
    ]
    kept = {key: values[key] for key in ("design", "axes", "defaults")}
    fixed = {"spec": SPEC, "spec_sha256": "5" * 64, "code": "c0de"}
    return {"name": name, **fixed, **kept, "trials": trials}


def score_of(config: TrialConfig) -> float:
    """A score with a closed gap at 2m: model tuning leads by 20, 10 and 0 points.

    Seed s adds s points; ReCoRD is 10 below BoolQ; a prompt of 1 costs half the
    gap, a random start a quarter; without adaptation the gap is lost twice.
    """
    level = {"60k": 60.0, "200k": 70.0, "2m": 80.0}[config.model_size]
    gap = {"60k": 20.0, "200k": 10.0, "2m": 0.0}[config.model_size]
    score = level + config.seed - (10.0 if config.task == "record" else 0.0)
    if config.method == "model_tuning":
        return score
    share = 1.0
    share += 0.5 * (config.prompt_length == 1) + 0.25 * (config.prompt_init == "random_uniform")
    share += 1.0 * (config.lm_adaptation_steps == 0) + 0.5 * (config.lm_adaptation_steps == 100)
    return score - share * gap


def record_of(config: TrialConfig, score: float, **changes: Any) -> TrialRecord:
    """A record as a runner writes it, before its attempt is known."""
    provenance = {
        "code": "c0de",
        "data": f"data-{config.task}",
        "base_checkpoint": f"base-{config.model_size}-{config.lm_adaptation_steps}",
        "versions": {"python": "3.11", "torch": "2.13"},
        "host": "here",
        "started": "2030-01-01T00:00:00Z",
        "seconds": 1.5,
        "pack": 8,
        "trainable_parameters": 640,
        "model_parameters": PARAMETERS[config.model_size],
    }
    record = TrialRecord(
        trial_id=config.trial_id,
        attempt="",
        stage="tuning",
        label=config.label,
        config=to_mapping(config),
        metrics={"score": score, "chance": CHANCE[config.task], "invalid": 0.25},
        provenance=provenance,
        files={},
    )
    return replace(record, **changes)


def write_history(path: Path, score: float) -> None:
    """Two evaluations, of which the second is the best point."""
    lines = [{"step": 5, "score": score / 2, "train_loss": 1.0}]
    lines += [{"step": 10, "score": score, "train_loss": 0.5}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


class InMemory:
    """The reading side of a store, for tests of what is computed from records."""

    def __init__(self, records: Iterable[TrialRecord]) -> None:
        self._records = list(records)

    def records(self, defects: list[Defect] | None = None) -> Iterator[TrialRecord]:
        """What was given."""
        return iter(self._records)

    def failures(self, defects: list[Defect] | None = None) -> Iterator[Failure]:
        """None."""
        return iter(())


@dataclass(frozen=True, kw_only=True)
class Toy:
    """A store with one manifest, whose trials are committed on demand."""

    store: Store
    values: Mapping[str, Any]
    name: str

    @property
    def configs(self) -> list[TrialConfig]:
        """Every planned trial."""
        return [trial.config for trial in grid_of(self.values)]

    @property
    def manifest(self) -> Manifest:
        """What the store says the sweep consists of."""
        return read_manifest(self.store.manifest(self.name))

    def trials(self) -> Trials:
        """The sweep as a frame."""
        return load_trials(self.manifest, self.store)

    def run(self, configs: Iterable[TrialConfig] | None = None) -> None:
        """Commit these trials, or all."""
        for config in self.configs if configs is None else configs:
            self.commit(config)

    def commit(self, config: TrialConfig, /, **changes: Any) -> None:
        """Commit the record of one trial, with these fields changed."""
        attempt = self.store.begin(config.trial_id)
        write_history(attempt.folder / "history.jsonl", score_of(config))
        record = record_of(config, score_of(config), attempt=attempt.id)
        assert attempt.commit(replace(record, **changes))

    def fail(self, config: TrialConfig, kind: str = "diverged") -> None:
        """Record a failed attempt."""
        failure = Failure(
            trial_id=config.trial_id,
            attempt=self.store.begin(config.trial_id).id,
            kind=kind,
            message="the loss is not finite at step 7",
            config=to_mapping(config),
            provenance={},
        )
        self.store.fail(failure)


@pytest.fixture
def toy(tmp_path: Path) -> Callable[..., Toy]:
    """Makes a store with the manifest of a study and nothing committed."""

    def make(name: str = "toy", **changes: Any) -> Toy:
        values = study(**changes)
        store = Store(str(tmp_path / "store"))
        store.write_manifest(name, manifest_of(values, name))
        return Toy(store=store, values=values, name=name)

    return make


@pytest.fixture
def small(toy: Callable[..., Toy]) -> Toy:
    """One size, both methods, two tasks, two seeds, no ablation: eight trials, none done."""
    lone = {"prompt_length": [20], "prompt_init": ["class_label"]}
    lone |= {"pretraining_objective": ["lm_adaptation"], "lm_adaptation_steps": [1000]}
    return toy(axes={"model_size": ["60k"], **lone})


@pytest.fixture(scope="session")
def finished() -> Callable[..., Toy]:
    """Makes a store in a folder with a study of which all trials are committed."""

    def make(folder: Path, **changes: Any) -> Toy:
        values = study(**changes)
        store = Store(str(folder / "store"))
        store.write_manifest("toy", manifest_of(values))
        made = Toy(store=store, values=values, name="toy")
        made.run()
        return made

    return make


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, finished: Callable[..., Toy]) -> Toy:
    """A star that is finished; not to be written to."""
    return finished(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="session")
def frame_of() -> Callable[..., pd.DataFrame]:
    """Makes the frame of a study whose trials are done where `done` says so."""

    def make(
        *,
        scorer: Scorer = score_of,
        done: Callable[[TrialConfig], bool] = lambda _: True,
        **changes: Any,
    ) -> pd.DataFrame:
        values = study(**changes)
        manifest = read_manifest(manifest_of(values))
        configs = [trial.config for trial in grid_of(values)]
        records = [record_of(config, scorer(config)) for config in configs if done(config)]
        return load_trials(manifest, cast("Store", InMemory(records))).frame

    return make


@pytest.fixture(scope="session")
def record() -> Callable[..., TrialRecord]:
    """Makes the record of a trial."""
    return record_of


@pytest.fixture(scope="session")
def plain_manifest() -> Callable[..., dict[str, Any]]:
    """Makes the plain values of a manifest, for any changes of the study."""

    def make(**changes: Any) -> dict[str, Any]:
        return manifest_of(study(**changes))

    return make


@pytest.fixture(scope="session")
def histories_of() -> Callable[..., pd.DataFrame]:
    """Makes every done trial's history, as `load_histories` gives it, from a curve of points."""
    names = ["trial_id", "method", "prompt_length", "model_size", "task", "seed", "train_steps"]

    def make(
        frame: pd.DataFrame, curve: Callable[[Mapping[Any, Any]], Iterable[tuple[int, float]]]
    ) -> pd.DataFrame:
        return pd.DataFrame(
            {**{name: trial[name] for name in (*names, "seconds")}, "step": step, "score": score,
             "train_loss": 1.0}
            for trial in frame.to_dict("records")
            for step, score in curve(trial)
        )  # fmt: skip

    return make

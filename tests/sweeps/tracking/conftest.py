"""A sweep with results in a store, and a folder for its runs."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ablation.grid import GridTrial
from runners.config import TrialConfig, to_mapping
from runners.record import Failure, TrialRecord
from runners.store import Store
from sweeps.manifest import manifest
from sweeps.spec import SweepSpec, parse
from sweeps.tracking import offline
from sweeps.tracking.settings import Tracking
from sweeps.tracking.wandb_runs import Runs

HISTORY = [
    {"step": 50, "train_loss": 2.0, "score": 71.0},
    {"step": 100, "train_loss": 1.0, "score": 64.0},
]


@pytest.fixture(autouse=True)
def _without_the_account_of_whoever_tests(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_BASE_URL", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@dataclass(frozen=True, kw_only=True)
class Tracked:
    """A sweep, its store, and a folder for its runs."""

    spec: SweepSpec
    store: Store
    tracking: Tracking

    @property
    def trials(self) -> tuple[GridTrial, ...]:
        """All trials of the sweep."""
        return self.spec.trials

    @property
    def runs(self) -> Runs:
        """The tracker."""
        return Runs(self.tracking)

    @property
    def folders(self) -> list[Path]:
        """What wandb left."""
        return sorted(Path(self.tracking.folder).glob("wandb/offline-run-*"))

    def beside(self, name: str, changes: Mapping[str, str]) -> "Tracked":
        """Another sweep of the same store, which was planned, with changes to the spec's text."""
        text = self.spec.text.replace(f"name: {self.spec.name}", f"name: {name}")
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        spec = parse(text, path=f"{name}.yaml")
        self.store.write_manifest(name, manifest(spec, code="c0de"))
        return replace(self, spec=spec)

    def read(self) -> dict[str, offline.OfflineRun]:
        """The runs that were written, by id, each once."""
        self.runs.settle()
        found = [offline.read(folder) for folder in self.folders]
        assert len({run.id for run in found}) == len(found)
        return {run.id: run for run in found}

    def commit(self, config: TrialConfig, score: float = 71.0) -> TrialRecord:
        """A result as a worker leaves it."""
        attempt = self.store.begin(config.trial_id)
        lines = "".join(json.dumps(row) + "\n" for row in HISTORY)
        (attempt.folder / "history.jsonl").write_text(lines)
        record = TrialRecord(
            trial_id=config.trial_id, attempt=attempt.id, stage="tuning", label=config.label,
            config=to_mapping(config), metrics={"score": score, "best_step": 50, "chance": 50.0},
            provenance={"code": "c0de", "model_parameters": 62_000, "host": "secret", "pack": 8},
            files={},
        )  # fmt: skip
        assert attempt.commit(record)
        return record

    def fail(self, config: TrialConfig) -> None:
        """A trial that diverged."""
        attempt = self.store.begin(config.trial_id)
        self.store.fail(
            Failure(
                trial_id=config.trial_id, attempt=attempt.id, kind="diverged", message="at step 7",
                config=to_mapping(config), provenance={},
            )
        )  # fmt: skip


@pytest.fixture
def tracked(text: str, store: Store, tmp_path: Path) -> Iterator[Tracked]:
    """A sweep of which nothing is done, tracked offline."""
    spec = parse(text.replace("results/small", store.root), path="small.yaml")
    store.write_manifest(spec.name, manifest(spec, code="c0de"))
    tracking = Tracking(folder=str(tmp_path / "runs"), mode="offline")
    found = Tracked(spec=spec, store=store, tracking=tracking)
    yield found
    # A run that is left open keeps its id from the runs of the next test.
    found.runs.settle()


@pytest.fixture
def unasked() -> Callable[[int, int], None]:
    """Shows nothing."""
    return lambda count, of: None


@pytest.fixture
def history() -> list[dict[str, float]]:
    """The history that every trial here has."""
    return HISTORY

"""Trials of one model from a queue to the store: resume, train, checkpoint, commit."""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from runners.catalogue import Catalogue
from runners.config import TrialConfig, to_mapping
from runners.model.backbone import Backbone
from runners.record import Failure, TrialRecord
from runners.store import Store
from runners.training.pack import run_pack, start
from runners.training.provenance import code_fingerprint, surroundings
from runners.training.trial import TrialRun, other_origins

CHECKPOINT_SECONDS = 120.0
"""Running trials are saved this often, so a kill loses two minutes at most."""
STATE = "run.safetensors"
"""The name of a running trial's checkpoint in the store."""


@dataclass(kw_only=True)
class Session:
    """Runs trials of one frozen model and keeps the store current."""

    backbone: Backbone
    store: Store
    catalogue: Catalogue
    slots: int
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    taken: int = 0
    """Trials that were taken from the queue."""
    committed: int = 0
    """Trials that came through, here or elsewhere meanwhile."""
    failed: int = 0
    """Trials that diverged."""
    resumed: dict[TrialConfig, int] = field(default_factory=dict)
    """Trials that went on from a checkpoint, and the steps that it had behind it."""
    restarted: dict[TrialConfig, list[str]] = field(default_factory=dict)
    """Trials that began anew although they had a checkpoint, and which of its origins moved."""
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    _saved: float = field(default_factory=time.monotonic)

    def train(self, configs: Iterable[TrialConfig]) -> Iterator[Sequence[TrialRun]]:
        """Train what the store does not have; yields the live trials after each step of all."""
        for live in run_pack(self.backbone, self._runs(configs), slots=self.slots, observer=self):
            if time.monotonic() - self._saved >= self.checkpoint_seconds:
                self.checkpoint(live)
            yield live

    def _runs(self, configs: Iterable[TrialConfig]) -> Iterator[TrialRun]:
        for config in configs:
            self.taken += 1
            if self.store.get(config.trial_id) is None:
                yield self._restored(start(config, self.backbone, self.catalogue))
            else:
                self.store.clear_state(config.trial_id)
                self.committed += 1

    def _restored(self, run: TrialRun) -> TrialRun:
        """The run as its checkpoint left it, where that comes from the same origins."""
        checkpoint = self.store.load_state(run.config.trial_id, STATE)
        if checkpoint is None:
            return run
        moved = other_origins(checkpoint, self._origins(run))
        if moved:
            self.restarted[run.config] = moved
            return run
        again = run.resume(checkpoint)
        self.resumed[run.config] = again.step
        return again

    def _origins(self, run: TrialRun) -> dict[str, str]:
        """Fingerprints of what decides a trial's numbers beside its config."""
        return {
            "code": code_fingerprint(),
            "data": run.data.fingerprint,
            "base_checkpoint": self.backbone.fingerprint,
        }

    def finished(self, run: TrialRun) -> None:
        """Commit a trial's best point and drop its checkpoint."""
        assert run.best is not None
        attempt = self.store.begin(run.config.trial_id)
        _write_lines(attempt.folder / "history.jsonl", run.history)
        _write_lines(attempt.folder / "predictions.jsonl", _predictions(run))
        if "prompt" in run.best.parameters:
            save_file(
                {"prompt": run.best.parameters["prompt"]}, attempt.folder / "prompt.safetensors"
            )
        metrics = {
            **run.best.metrics, "majority": run.data.majority, "chance": run.data.chance,
            "best_step": run.best.step,
            "train_loss": run.history[-1]["train_loss"],
        }  # fmt: skip
        record = TrialRecord(
            trial_id=run.config.trial_id,
            attempt=attempt.id,
            stage="tuning",
            label=run.config.label,
            config=to_mapping(run.config),
            metrics=metrics,
            provenance=self._provenance(run),
            files={},
        )
        attempt.commit(record)
        self.store.clear_state(run.config.trial_id)
        self.committed += 1

    def diverged(self, run: TrialRun, reason: str) -> None:
        """Record a trial whose numbers are not finite."""
        attempt = self.store.begin(run.config.trial_id)
        failure = Failure(
            trial_id=run.config.trial_id,
            attempt=attempt.id,
            kind="diverged",
            message=reason,
            config=to_mapping(run.config),
            provenance=self._provenance(run),
        )
        self.store.fail(failure)
        attempt.abandon()
        self.store.clear_state(run.config.trial_id)
        self.failed += 1

    def checkpoint(self, live: Sequence[TrialRun]) -> None:
        """Save every live trial, to go on from this step."""
        for run in live:
            self.store.save_state(run.config.trial_id, STATE, run.to_bytes(self._origins(run)))
        self._saved = time.monotonic()

    def _provenance(self, run: TrialRun) -> dict[str, Any]:
        return {
            **surroundings(),
            **self._origins(run),
            "started": self.started,
            "seconds": round(run.seconds, 3),
            "pack": self.slots,
            "data_revision": run.data.revision,
            "cut_rows": dict(run.data.cut),
            "restarted_for_other": self.restarted.get(run.config, []),
            "trainable_parameters": sum(p.numel() for p in run.parameters.values()),
            "model_parameters": self.backbone.parameter_count,
            "checkpoint": self.backbone.source,
        }


def _predictions(run: TrialRun) -> Iterator[dict[str, Any]]:
    assert run.best is not None
    for example, prediction in zip(run.data.dev_examples, run.best.predictions, strict=True):
        yield {
            "key": example.key,
            "input": example.input,
            "target": example.target,
            "prediction": prediction,
        }


def _write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")

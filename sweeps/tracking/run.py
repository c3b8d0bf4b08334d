"""What a trial is as a run of a tracker: identity, config, history and summary.

A run is made from a record or a failure alone, so that one written by a worker
and one mirrored afterwards are the same.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ablation.run_tags import Feeds, tags_of
from runners.config import TrialConfig
from runners.record import Failure, TrialRecord

HISTORY = "history.jsonl"
STEP = "step"
"""The key of a history row that says how many updates there were; the rest are metrics."""
PROVENANCE = (
    "code", "data", "base_checkpoint", "device", "pack", "started", "seconds",
    "model_parameters", "trainable_parameters",
)  # fmt: skip
"""What a run says of its origin. Names of hosts and folders stay in the store."""
NAME_LETTERS = 128
"""The longest name of a run that W&B takes."""

Row = tuple[int, dict[str, float]]
"""A step and the metrics after it."""


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A sweep by its name, which is the group of the runs that it writes, and its spec's hash."""

    name: str
    spec_sha256: str


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run; `attempt` is which go at the trial it shows, and is in `config` too.

    `summary` and `exit_code` are None while the trial is under way.
    """

    id: str
    name: str
    group: str
    job_type: str
    tags: tuple[str, ...]
    config: Mapping[str, Any]
    history: tuple[Row, ...] = ()
    summary: Mapping[str, float] | None = None
    exit_code: int | None = None

    @property
    def attempt(self) -> str | None:
        """The attempt that is shown; None while the trial is under way."""
        found: str | None = self.config.get("attempt")
        return found


def run_of_record(record: TrialRecord, sweep: Sweep, feeds: Feeds, history: Sequence[Row]) -> Run:
    """A committed result as a finished run in the group of `sweep`; `feeds` are all it is of."""
    origin = {name: record.provenance[name] for name in PROVENANCE if name in record.provenance}
    return Run(
        id=record.trial_id,
        name=record.label[:NAME_LETTERS],
        group=sweep.name,
        job_type=record.stage,
        tags=tags_of(feeds),
        config={**_config(record.config, record.trial_id, sweep, feeds), **origin,
                "attempt": record.attempt},
        history=tuple(history),
        summary=dict(record.metrics),
        exit_code=0,
    )  # fmt: skip


def run_of_failure(failure: Failure, label: str, sweep: Sweep, feeds: Feeds) -> Run:
    """A failed trial as a run that failed, with the reason in its config."""
    told = {"attempt": failure.attempt, "failure": failure.kind, "message": failure.message}
    return Run(
        id=failure.trial_id,
        name=label[:NAME_LETTERS],
        group=sweep.name,
        job_type="tuning",
        tags=tags_of(feeds),
        config={**_config(failure.config, failure.trial_id, sweep, feeds), **told},
        summary={},
        exit_code=1,
    )


def run_under_way(
    config: TrialConfig, values: Mapping[str, Any], sweep: Sweep, feeds: Feeds
) -> Run:
    """A trial that trains as a run that goes on; `values` is its config as plain values."""
    return Run(
        id=config.trial_id,
        name=config.label[:NAME_LETTERS],
        group=sweep.name,
        job_type="tuning",
        tags=tags_of(feeds),
        config=_config(values, config.trial_id, sweep, feeds),
    )


def row_of(values: Mapping[str, float]) -> Row:
    """A line of a trial's history as step and metrics."""
    return int(values[STEP]), {name: v for name, v in values.items() if name != STEP}


def rows_of(history: bytes) -> tuple[Row, ...]:
    """The rows of a `history.jsonl`."""
    return tuple(row_of(json.loads(line)) for line in history.splitlines())


def _config(values: Mapping[str, Any], trial_id: str, sweep: Sweep, feeds: Feeds) -> dict[str, Any]:
    """The config under the keys that it has everywhere, and what leads back to the store."""
    return {
        **values, "trial_id": trial_id, "sweep": sweep.name, "spec_sha256": sweep.spec_sha256,
        "sweeps": sorted(feeds),
    }  # fmt: skip

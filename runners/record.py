"""What a trial leaves behind: `TrialRecord` when it is done, `Failure` when it is not.

A leaf of the project: no torch, no ray, no pandas.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

FAILURES = ("out_of_memory", "diverged", "code", "lost_worker", "hung")
"""The classes of failure, as recorded in `Failure.kind`."""
ASIDE = frozenset(
    {"score", "majority", "chance", "invalid", "best_step", "train_loss", "start_score"}
)
"""Names among `TrialRecord.metrics` that are no metric of the task."""


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """A committed result of any stage; its JSON form is `record.json`.

    `stage` is 'tuning' for a trial and 'lm_adaptation' for a milestone
    checkpoint. `metrics` are finite numbers; `score` among them is the trial's
    headline, 0 to 100. `provenance` says where the numbers come from (code,
    data and base-checkpoint fingerprints, versions, times in seconds, pack);
    an imported record has `imported_from` and `measured` false in their place.
    `files` maps each file of the attempt to its SHA-256.
    """

    trial_id: str
    attempt: str
    stage: str
    label: str
    config: Mapping[str, Any]
    metrics: Mapping[str, float]
    provenance: Mapping[str, Any]
    files: Mapping[str, str]

    @property
    def measured(self) -> bool:
        """Whether the metrics were measured here; those of an import are what a user stated."""
        return bool(self.provenance.get("measured", True))

    def to_json(self) -> str:
        """One line of JSON with sorted keys; raises ValueError on NaN or infinity."""
        return json.dumps(asdict(self), sort_keys=True, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "TrialRecord":
        """The record of `to_json`; ValueError on missing or foreign keys or NaN."""
        return cls(**_exact(text, cls))


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One failed attempt: its class (one of `FAILURES`) and what was said."""

    trial_id: str
    attempt: str
    kind: str
    message: str
    config: Mapping[str, Any]
    provenance: Mapping[str, Any]

    def to_json(self) -> str:
        """One line of JSON with sorted keys."""
        return json.dumps(asdict(self), sort_keys=True, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "Failure":
        """The failure of `to_json`; raises ValueError naming missing or foreign keys."""
        return cls(**_exact(text, cls))


def _exact(text: str, cls: type) -> dict[str, Any]:
    values = json.loads(text, parse_constant=_refuse)
    wanted = set(cls.__dataclass_fields__)  # type: ignore[attr-defined]
    if not isinstance(values, dict):
        raise ValueError(f"{cls.__name__}: {type(values).__name__} is not a JSON object")
    missing, foreign = sorted(wanted - set(values)), sorted(set(values) - wanted)
    if missing or foreign:
        raise ValueError(f"{cls.__name__}: missing keys {missing}, foreign keys {foreign}")
    return values


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a finite number")

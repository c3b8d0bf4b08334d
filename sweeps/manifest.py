"""A sweep as its store keeps it: the list of trials that analysis holds the store against."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ablation.axes import AXES
from runners.config import to_mapping
from sweeps.spec import SweepSpec


def manifest(spec: SweepSpec, *, code: str) -> dict[str, Any]:
    """The sweep as plain values; `code` is the fingerprint of the code that runs it."""
    return {
        "name": spec.name,
        "design": spec.study.design,
        "spec": spec.text,
        "spec_sha256": spec.sha256,
        # What the spec names by relative paths lies beside it, such as families.
        "spec_path": str(Path(spec.path).resolve()),
        "code": code,
        "axes": {axis.name: list(spec.study.axes.of(axis)) for axis in AXES},
        "defaults": asdict(spec.study.defaults),
        "trials": [
            {
                "trial_id": trial.config.trial_id,
                "panels": sorted(trial.panels),
                "config": to_mapping(trial.config),
            }
            for trial in spec.trials
        ],
    }

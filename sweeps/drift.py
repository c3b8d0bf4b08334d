"""Results that were not made from the same things: code, data or base checkpoint moved.

A record keeps the fingerprint of each. Drift is said, never acted on: results
that stand are neither recomputed nor mixed in silence.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from runners.config import TrialConfig
from runners.record import TrialRecord


@dataclass(frozen=True, kw_only=True)
class Drift:
    """One thing of which done trials saw more than one version, or not the present one.

    `versions` are fingerprints with their number of trials, most trials first;
    `present` is the version of today, where that is known.
    """

    subject: str
    versions: tuple[tuple[str, int], ...]
    present: str | None

    def __str__(self) -> str:
        seen = ", ".join(f"{count} done with {version}" for version, count in self.versions)
        now = f", now {self.present}" if self.present else ""
        return f"{self.subject} changed: {seen}{now}"


def find_drift(done: Iterable[tuple[TrialConfig, TrialRecord]], *, code: str) -> tuple[Drift, ...]:
    """Every drift among done trials; `code` is the present fingerprint of the code."""
    seen: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for config, record in done:
        for kind, subject in _subjects(config).items():
            version = record.provenance.get(kind)
            if version is not None:
                seen[kind, subject][str(version)] += 1
    drifts = []
    for (kind, subject), versions in seen.items():
        present = code if kind == "code" else None
        if len(versions) > 1 or (present is not None and present not in versions):
            drift = Drift(subject=subject, versions=tuple(versions.most_common()), present=present)
            drifts.append(drift)
    return tuple(drifts)


def _subjects(config: TrialConfig) -> dict[str, str]:
    """What a trial shares with others, by the key of its provenance."""
    train, dev = config.train_examples or "all", config.dev_examples or "all"
    steps = config.lm_adaptation_steps
    adapted = f" after {steps} steps of LM adaptation" if steps else ""
    return {
        "code": "code of the runners",
        "data": f"data of {config.task} from {config.data_source} ({train} train, {dev} dev)",
        "base_checkpoint": f"checkpoint {config.model_family} {config.model_size}{adapted}",
    }

"""Results that were not made from the same things: code, data or base checkpoint moved.

A record keeps the fingerprint of each. Drift is said, never acted on: results
that stand are neither recomputed nor mixed in silence.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from runners.catalogue import MICROWORLD
from runners.config import TrialConfig
from runners.record import TrialRecord

Subject = tuple[str, str]
"""A kind of thing, which is a key of a record's provenance (`a.b` is in `a`), and which of it."""
CODE: Subject = ("code", "code of the runners")


@dataclass(frozen=True, kw_only=True)
class Drift:
    """One thing of which results saw more than one version, or not the present one.

    `versions` are fingerprints with their number of results, most first;
    `present` is the version of today, where that is known.
    """

    kind: str
    subject: str
    versions: tuple[tuple[str, int], ...]
    present: str | None

    def __str__(self) -> str:
        seen = ", ".join(f"{count} done with {version}" for version, count in self.versions)
        now = f", now {self.present}" if self.present else ""
        return f"{self.subject} changed: {seen}{now}"


def find_drift(
    done: Iterable[tuple[Iterable[Subject], TrialRecord]], *, present: Mapping[Subject, str]
) -> tuple[Drift, ...]:
    """Every drift among results, each with its subjects; `present` are the versions of today."""
    seen: dict[Subject, Counter[str]] = defaultdict(Counter)
    for subjects, record in done:
        for kind, name in subjects:
            version = _version(record, kind)
            if version is not None:
                seen[kind, name][str(version)] += 1
    return tuple(
        Drift(
            kind=subject[0],
            subject=subject[1],
            versions=tuple(versions.most_common()),
            present=present.get(subject),
        )
        for subject, versions in seen.items()
        if set(versions) | {present.get(subject, next(iter(versions)))} != {next(iter(versions))}
    )


def moved(
    subjects: Iterable[Subject], record: TrialRecord, *, present: Mapping[Subject, str]
) -> tuple[str, ...]:
    """The kinds of thing that a result was made from and that are known to be others today."""
    return tuple(
        subject[0]
        for subject in subjects
        if subject in present
        and (version := _version(record, subject[0])) is not None
        and version != present[subject]
    )


def _version(record: TrialRecord, kind: str) -> object:
    """The fingerprint under a key of the provenance; `a.b` is `b` of the mapping under `a`."""
    found: object = record.provenance
    for key in kind.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def subjects_of(config: TrialConfig) -> tuple[Subject, ...]:
    """What a trial shares with others."""
    train, dev = config.train_examples or "all", config.dev_examples or "all"
    how = " behind its prefix" if config.task_prefix else ""
    if config.shots is not None:
        how += f" behind {config.shots} shots of seed {config.seed}"
    data = f"data of {config.task} from {config.data_source}{how} ({train} train, {dev} dev)"
    where = "the embedded world" if config.data_source == MICROWORLD else "their source"
    other = "" if config.transfer_content is None else f" with own tasks {config.transfer_content}"
    transfers = tuple(
        (f"transfer_data.{task}", f"data of {task} from {where}{other}{how} ({dev} dev), judged on")
        for task in config.transfers
    )
    return (
        CODE,
        ("data", data),
        *transfers,
        checkpoint(config.model_family, config.model_size, config.lm_adaptation_steps),
    )


def checkpoint(family: str, size: str, steps: int) -> Subject:
    """A model as it is after so many steps of LM adaptation."""
    adapted = f" after {steps} steps of LM adaptation" if steps else ""
    return "base_checkpoint", f"checkpoint {family} {size}{adapted}"

"""Store and manifest to one tidy frame: a row for each planned trial, whatever became of it.

Columns: `trial_id`, `status`, `panels`, every `TrialConfig` field, every metric,
every provenance key (`versions.torch` and so on), `failure` and `message`. A
metric or provenance value that a trial has not is missing (NaN or NA), never 0.
Metrics of a transfer task are columns `<task>/<metric>`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pandas as pd

from analysis.manifest import Manifest, PlannedTrial
from analysis.trial_files import COUNT, TEXT, Key, is_count, is_number
from runners.config import RULES
from runners.record import Failure, TrialRecord
from runners.store import Defect, Store

STATUSES = ("done", "failed", "missing", "broken")
"""Committed and usable; failed and not done since; never committed; committed but unusable."""

CHANCE_TOLERANCE = 1e-6
"""Points by which two records of one task may differ in their chance level."""

_DTYPES = {int: "Int64", float: "float64", bool: "boolean", str: "str"}

_NEEDED = {
    "score": "float64",
    "chance": "float64",
    "invalid": "float64",
    "model_parameters": "Int64",
    "code": "str",
    "data": "str",
    "base_checkpoint": "str",
    "failure": "str",
    "message": "str",
}
_OWN = frozenset({"trial_id", "status", "panels", "attempt", "failure", "message"})
"""Columns that say what became of a trial, which no record may write over."""
_NUMBER = Key(rule="a number", fits=is_number)
_READ = {
    "model_parameters": Key(rule="a count of 1 or more", fits=lambda v: is_count(v) and v > 0),
    "trainable_parameters": COUNT, "pack": COUNT, "seconds": _NUMBER, "neighbours.": _NUMBER,
    "code": TEXT, "data": TEXT, "base_checkpoint": TEXT, "device": TEXT, "started": TEXT,
    "versions.": TEXT, "transfer_data.": TEXT,
}  # fmt: skip
"""What provenance has to be where something reads it; names before a full stop mean all inside."""
_TRANSFER_DATA = "transfer_data."
_FINGERPRINTED = {
    "data": ("data_source", "task", "train_examples", "dev_examples", "asked"),
    "base_checkpoint": (
        "model_family",
        "model_size",
        "pretraining_objective",
        "lm_adaptation_steps",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Trials:
    """The frame of a sweep, and in words whatever its reader should know about its records."""

    frame: pd.DataFrame
    notes: tuple[str, ...]


def load_trials(manifest: Manifest, store: Store) -> Trials:
    """Every planned trial with what the store knows of it, in the order of the manifest.

    A record that cannot be read or used is a row of status `broken` and a note
    that says why; records of other sweeps in the same store are left out.
    """
    planned = {trial.trial_id for trial in manifest.trials}
    defects: list[Defect] = []
    records = {r.trial_id: r for r in store.records(defects) if r.trial_id in planned}
    failures = {f.trial_id: f for f in store.failures(defects) if f.trial_id in planned}
    unreadable = _unreadable(defects)
    rows = [
        _row(trial, records.get(id_), failures.get(id_), unreadable.get(id_))
        for trial in manifest.trials
        for id_ in [trial.trial_id]
    ]
    rows = _of_one_shape(rows)
    broken = [row for row in rows if row["status"] == "broken"]
    notes = [f"trial {row['trial_id']} is left out: {row['message']}" for row in broken]
    told = {row["message"] for row in broken}
    notes += [str(defect) for defect in defects if str(defect) not in told]
    frame = _typed(pd.DataFrame(rows))
    return Trials(frame=frame, notes=(*notes, *_stated(records.values()), *_drifts(frame)))


def _unreadable(defects: Iterable[Defect]) -> dict[str, str]:
    """What is wrong with a committed record, for each trial whose record cannot be read."""
    paths = [(PurePosixPath(defect.path).parts, defect) for defect in defects]
    return {
        name: str(defect) for parts, defect in paths if parts[0] == "trials" for name in parts[1:]
    }


def in_panel(frame: pd.DataFrame, panel: str) -> pd.DataFrame:
    """The rows of the trials that feed `panel`."""
    return frame[[panel in panels for panels in frame["panels"]]]


def _row(
    trial: PlannedTrial,
    record: TrialRecord | None,
    failure: Failure | None,
    unreadable: str | None,
) -> dict[str, Any]:
    row = {"trial_id": trial.trial_id, "status": "missing", "panels": trial.panels, **trial.config}
    defect = _defect(trial, record) if record else unreadable
    if defect:
        return row | {"status": "broken", "message": defect}
    if record:
        found = {**record.metrics, **_flat(record.provenance)}
        return row | {"status": "done", "attempt": record.attempt, **found}
    if failure:
        return row | {"status": "failed", "failure": failure.kind, "message": failure.message}
    return row


def _defect(trial: PlannedTrial, record: TrialRecord) -> str | None:
    """Why a committed record cannot be used, or None where it can."""
    if record.stage != "tuning":
        return f"its stage is {record.stage!r}, not 'tuning'"
    foreign = sorted(set(record.config) - set(RULES))
    if foreign:
        return f"its config has foreign keys {', '.join(foreign)}"
    other = sorted(name for name, value in record.config.items() if trial.config[name] != value)
    if other:
        return f"its config differs from the manifest in {', '.join(other)}"
    stated = set(record.metrics) | set(record.provenance)
    for names, kind in ((RULES, "config keys"), (_OWN, "names of columns")):
        if taken := sorted(stated & set(names)):
            return f"its metrics or provenance reuse the {kind} {', '.join(taken)}"
    return _value_defect(record)


def _value_defect(record: TrialRecord) -> str | None:
    for name, value in record.metrics.items():
        if not is_number(value):
            return f"its metric {name} is {value!r}, not a number"
    score = record.metrics.get("score")
    if score is None or not 0 <= score <= 100:
        return f"its score is {score!r}, not a number from 0 to 100"
    stated = {"model_parameters": None, **_flat(record.provenance)}
    for name, value in stated.items():
        head, inside, _ = name.partition(".")
        key = _READ.get(head + inside)
        if key is not None and not key.fits(value):
            return f"its {name} {'are' if name.endswith('s') else 'is'} {value!r}, not {key.rule}"
    return None


def _of_one_shape(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows, of which those that state another size of a model than most do are broken.

    Where as many state one as another, those that come first in the sweep are right.
    """
    counts: dict[tuple[str, str], Counter[int]] = {}
    for row in rows:
        if row["status"] == "done":
            counts.setdefault(_shape(row), Counter())[row["model_parameters"]] += 1
    most = {shape: found.most_common(1)[0] for shape, found in counts.items()}
    return [
        row
        if row["status"] != "done" or row["model_parameters"] == most[_shape(row)][0]
        else _broken(row, *most[_shape(row)])
        for row in rows
    ]


def _shape(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["model_family"], row["model_size"]


def _broken(row: Mapping[str, Any], parameters: int, trials: int) -> dict[str, Any]:
    kept = {name: value for name, value in row.items() if name in RULES or name in _OWN}
    return kept | {
        "status": "broken",
        "message": f"its model_parameters are {row['model_parameters']}, where {trials} trials of "
        f"{row['model_size']} state {parameters}; keep other shapes in a store of their own",
    }


def _flat(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """One level of keys: `{'versions': {'torch': v}}` as `{'versions.torch': v}`."""
    flat: dict[str, Any] = {}
    for key, value in provenance.items():
        if isinstance(value, Mapping):
            flat |= {f"{key}.{inner}": inside for inner, inside in value.items()}
        else:
            flat[key] = value
    return flat


def _stated(records: Iterable[TrialRecord]) -> list[str]:
    """A note on records whose scores nobody measured here."""
    labels = [record.label for record in records if not record.measured]
    if not labels:
        return []
    named = ", ".join(labels[:3]) + (", ..." if len(labels) > 3 else "")
    count = f"{len(labels)} of the records {'is' if len(labels) == 1 else 'are'} imported"
    return [f"{count} ({named}), with scores that are stated and not measured here"]


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns by the type of their config field; the columns that later steps need exist always."""
    needed = frame.reindex(
        columns=[*frame.columns, *(name for name in _NEEDED if name not in frame)]
    )
    return needed.astype(_NEEDED | {name: _DTYPES[rule.type] for name, rule in RULES.items()})


def _drifts(frame: pd.DataFrame) -> tuple[str, ...]:
    """A note for each fingerprint of which the records show more than one."""
    notes = []
    done = frame[frame["status"] == "done"]
    versions = sorted(done["code"].dropna().unique())
    if len(versions) > 1:
        notes.append(
            f"the records come from {len(versions)} versions of the code: {', '.join(versions)}"
        )
    done = done.assign(asked=_asked(done))
    for name, keys in _FINGERPRINTED.items():
        versions_of = done.groupby(list(keys), dropna=False)[name].nunique()
        notes += [
            f"the records of {_named(key)} come from {count} versions of its {name}"
            for key, count in versions_of[versions_of > 1].items()
        ]
    return (*notes, *_transfer_drifts(done), *_disputes(done))


def _transfer_drifts(done: pd.DataFrame) -> list[str]:
    """A note for each transfer task whose data the records show in more than one version."""
    notes = []
    for column in map(str, done.filter(like=_TRANSFER_DATA)):
        task = column.removeprefix(_TRANSFER_DATA)
        # What is meant by a name and how much of it is asked goes with the trial's own task.
        versions = done.groupby([*_FINGERPRINTED["data"], "transfer_content"], dropna=False)[column]
        seen = int(versions.nunique().max())
        if seen > 1:
            notes.append(f"the records come from {seen} versions of the data of {task}, "
                         "on which they were judged too")  # fmt: skip
    return notes


def _asked(done: pd.DataFrame) -> pd.Series:
    """In words, what stands before a trial's inputs; NA where nothing does."""
    shots = "behind " + done["shots"].astype("str") + " shots of seed " + done["seed"].astype("str")
    asked = shots.astype("object").where(done["shots"].notna(), pd.NA)
    return asked.where(~done["task_prefix"].fillna(False), "behind its prefix")


def _disputes(done: pd.DataFrame) -> list[str]:
    """A note for each task whose trials state different chance levels."""
    stated = done.groupby("task", sort=False)["chance"].agg(["min", "max"])
    return [
        f"the records of {task} state chance levels from {low:g} to {high:g}, so it has none; "
        "give all trials of a task the same training and dev examples"
        for task, low, high in stated.itertuples()
        if high - low > CHANCE_TOLERANCE
    ]


def _named(key: Any) -> str:
    return " ".join(str(part) for part in key if not pd.isna(part))

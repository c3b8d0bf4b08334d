"""What a reader wants of one trial, for all trials, packed for the browser.

Trials of a task share its examples, so that a page has each input once; answers and pieces
are numbers of a list, and a task's chunk is compressed. `script.js` unpacks a chunk when
the first of its trials is looked at.
"""

import base64
import functools
import json
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from analysis.neighbours import clusters
from analysis.trial_files import (
    HISTORY,
    NEIGHBOURS,
    PREDICTIONS,
    BrokenFile,
    LineFile,
    Read,
    parsed,
    raw_lines,
    read_lines,
)
from runners.config import RULES
from runners.record import TrialRecord
from runners.store import Store

EXAMPLES = 200
"""Dev examples of a trial that stand in the page; the store has all."""
LETTERS = 400
"""The longest input that stands in the page whole."""
TOKENS = 50
"""Prompt tokens of a trial whose neighbours stand in the page; the store has all."""
_PROVENANCE = (
    "attempt", "code", "data", "base_checkpoint", "device", "pack", "started", "seconds",
    "model_parameters", "trainable_parameters", "versions.python", "versions.torch",
    "versions.transformers",
)  # fmt: skip
"""Columns of the frame that a trial's page shows as its origin."""
_ASIDE = ("cut_rows.", "transfer_cut_rows.", "transfer_examples.", "neighbours.")
"""Columns that are numbers of a trial and no metrics."""


@dataclass(frozen=True, kw_only=True)
class Near:
    """What one prompt token is near to: `pieces` nearest first, and the `cosine` of the first."""

    pieces: tuple[str, ...]
    cosine: float
    cluster: int
    """Equal for tokens of a trial that share their pieces (`analysis.neighbours.clusters`)."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What was read of one committed trial; `defect` says what could not be."""

    history: tuple[dict[str, Any], ...] = ()
    rows: tuple[tuple[str, str, str], ...] = ()
    """Input, target and answer of the first `EXAMPLES` dev examples."""
    examples: int = 0
    near: tuple[Near, ...] = ()
    """Of the first `TOKENS` prompt tokens."""
    tokens: int = 0
    defect: str | None = None


@dataclass(kw_only=True)
class Reader:
    """Reads trials from a store, each attempt once, however often its page is built."""

    store: Store
    _read: dict[tuple[str, str], Trial] = field(default_factory=dict)
    _attempts: dict[str, str] = field(default_factory=dict)
    _lines: dict[tuple[str, str, str], list[dict[str, Any]]] = field(default_factory=dict)

    def trials(self, planned: Collection[str]) -> dict[str, Trial]:
        """Every committed trial of those that are planned, by its id."""
        # What is unreadable among records has its note in the frame already.
        records = [r for r in self.store.records([]) if r.trial_id in planned]
        self._attempts = {record.trial_id: record.attempt for record in records}
        return {record.trial_id: self._trial(record) for record in records}

    def lines(self, store: Store, trial_id: str, file: LineFile) -> list[dict[str, Any]]:
        """The lines of a file of a trial, of the attempt that `trials` has met, as `read_lines`."""
        key = (trial_id, self._attempts.get(trial_id, ""))
        known = self._read.get(key)
        if file is HISTORY and known and known.history:
            return list(known.history)
        if (*key, file.name) not in self._lines:
            self._lines[*key, file.name] = read_lines(store, trial_id, file)
        return self._lines[*key, file.name]

    def _trial(self, record: TrialRecord) -> Trial:
        key = (record.trial_id, record.attempt)
        if key not in self._read:
            trial = self._load(record)
            if trial.defect:
                return trial
            self._read[key] = trial
        return self._read[key]

    def _load(self, record: TrialRecord) -> Trial:
        """What can be read of a trial; a broken file costs what stands in it alone."""
        defects: list[str] = []
        history = self._part(record, HISTORY, read_lines, defects)
        near = self._part(record, NEIGHBOURS, read_lines, defects)
        counted: list[int] = []
        answers = self._part(record, PREDICTIONS, functools.partial(_first, counted), defects)
        return Trial(
            history=tuple(history),
            rows=tuple((_short(r["input"]), r["target"], r["prediction"]) for r in answers),
            examples=sum(counted),
            near=tuple(
                Near(pieces=tuple(row["pieces"]), cosine=row["cosines"][0], cluster=cluster)
                for row, cluster in zip(near, clusters([r["pieces"] for r in near]), strict=True)
            )[:TOKENS],
            tokens=len(near),
            defect=f"a file of it cannot be read: {'; '.join(defects)}" if defects else None,
        )

    def _part(
        self, record: TrialRecord, file: LineFile, read: Read, defects: list[str]
    ) -> list[dict[str, Any]]:
        """The lines of a file that the trial has; none, and a defect, where it is broken."""
        if file.name not in record.files:
            return []
        try:
            return read(self.store, record.trial_id, file)
        except BrokenFile as error:
            defects.append(str(error).removeprefix(f"trial {record.trial_id}: "))
            return []


def _first(counted: list[int], store: Store, trial_id: str, file: LineFile) -> list[dict[str, Any]]:
    """The first `EXAMPLES` lines; how many there are is put into `counted`.

    The last line is looked at too, for that is where a file was cut off.
    """
    lines = raw_lines(store, trial_id, file)
    found = parsed(store, trial_id, file, lines[:EXAMPLES])
    if len(lines) > EXAMPLES:
        parsed(store, trial_id, file, lines[-1:], first=len(lines))
    counted.append(len(lines))
    return found


def chunks(frame: pd.DataFrame, trials: Mapping[str, Trial]) -> dict[str, str]:
    """For each task, what the page has of its trials, as base64 of deflated JSON."""
    varied = varied_fields(frame)
    metrics = [str(name) for name in frame.columns if _is_metric(frame, str(name))]
    return {
        str(task): _packed(_chunk(rows, trials, varied, metrics))
        for task, rows in frame.groupby("task", sort=False)
    }


def varied_fields(frame: pd.DataFrame) -> list[str]:
    """The fields of a config that are not the same in all trials."""
    return [name for name in RULES if frame[name].nunique(dropna=False) > 1]


def shared_fields(frame: pd.DataFrame) -> dict[str, str]:
    """The fields of a config that are the same in all trials and not empty, in words."""
    varied = set(varied_fields(frame))
    values = {name: frame[name].iloc[0] for name in RULES if name not in varied}
    return {name: str(value) for name, value in values.items() if not pd.isna(value)}


def _chunk(
    frame: pd.DataFrame, trials: Mapping[str, Trial], varied: list[str], metrics: list[str]
) -> dict[str, Any]:
    exams: dict[tuple[tuple[str, str], ...], int] = {}
    answers: dict[str, int] = {}
    pieces: dict[str, int] = {}
    told = {}
    for values in frame.to_dict("records"):
        trial = trials.get(values["trial_id"], Trial())
        exam = tuple((row[0], row[1]) for row in trial.rows)
        told[values["trial_id"]] = {
            "state": values["status"],
            "config": _known(values, varied),
            "metrics": _known(values, metrics),
            "origin": _known(values, _PROVENANCE),
            "why": _known(values, ("failure", "message")) | _defect(trial),
            "history": trial.history,
            "exam": exams.setdefault(exam, len(exams)),
            "answers": [answers.setdefault(row[2], len(answers)) for row in trial.rows],
            "examples": trial.examples,
            "near": [
                [round(token.cosine, 2), token.cluster,
                 *(pieces.setdefault(piece, len(pieces)) for piece in token.pieces)]
                for token in trial.near
            ],
            "tokens": trial.tokens,
        }  # fmt: skip
    return {
        "exams": [list(exam) for exam in exams], "answers": list(answers),
        "pieces": list(pieces), "trials": told,
    }  # fmt: skip


def _defect(trial: Trial) -> dict[str, str]:
    return {"files": trial.defect} if trial.defect else {}


def _known(values: Mapping[Any, Any], names: Any) -> dict[str, Any]:
    """What a row has of these columns, as plain values."""
    found = {name: values.get(name) for name in names}
    return {name: _plain(value) for name, value in found.items() if not pd.isna(value)}


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _is_metric(frame: pd.DataFrame, name: str) -> bool:
    """Whether a column is a number that is neither of the config nor shown as the origin."""
    known = (*RULES, *_PROVENANCE, "ranks")
    aside = name in known or name.startswith(_ASIDE)
    return not aside and bool(pd.api.types.is_numeric_dtype(frame[name]))


def _packed(values: Any) -> str:
    """Deflated with zlib, whose level is fixed so that a page is the same bytes every time."""
    text = json.dumps(values, separators=(",", ":"), sort_keys=True)
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def _short(text: str) -> str:
    return text if len(text) <= LETTERS else f"{text[: LETTERS - 1]}…"

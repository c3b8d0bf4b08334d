"""Reading what trials left behind: records, failures and discards."""

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, get_origin

from runners.record import Failure, TrialRecord
from runners.storage.defects import Defect, DefectError
from runners.storage.files import Files, gather
from runners.storage.layout import RECORD, is_id, record_path

_BAD_RECORD = "remove this file, and the trial runs again"
_BAD_NOTE = "remove this file"


@dataclass(frozen=True, kw_only=True)
class Discard:
    """A record that does not count: it came second, or was withdrawn.

    `winner` is the attempt that counts instead, or None where none does;
    `record` is the discarded record's text, as it was.
    """

    trial_id: str
    attempt: str
    reason: str
    winner: str | None
    record: str

    def to_json(self) -> str:
        """One line of JSON with sorted keys."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Discard":
        """The discard of `to_json`; raises ValueError where the text is none."""
        values = json.loads(text)
        wanted = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(values, dict) or set(values) != wanted:
            raise ValueError(f"Discard: is not an object with the keys {sorted(wanted)}")
        return cls(**values)


Kept = TypeVar("Kept", TrialRecord, Failure, Discard)
"""What a trial can leave behind."""


def committed(files: Files, shards: Sequence[str]) -> tuple[list[str], list[Defect]]:
    """Trials of these shards with a record, sorted, and the records where no trial belongs."""
    holders = gather(lambda shard: files.holding(f"trials/{shard}", RECORD), shards)
    trials, strays = [], []
    for shard, names in zip(shards, holders, strict=True):
        for name in names:
            if is_id(name) and name.startswith(shard):
                trials.append(name)
            else:
                strays.append(_stray(f"trials/{shard}/{name}/{RECORD}"))
    return sorted(trials), strays


def read_record(files: Files, trial_id: str) -> TrialRecord | Defect | None:
    """The committed record of a trial, None where there is none, or why it is unreadable."""
    path = record_path(trial_id)
    data = files.read(path)
    return None if data is None else parse(path, data, TrialRecord)


def read_lines(files: Files, trial_ids: Sequence[str]) -> tuple[dict[str, bytes], list[Defect]]:
    """The committed records among these trials as JSON lines, and what is unreadable.

    Lines, because many records as objects take five times the memory.
    """
    paths = [record_path(trial_id) for trial_id in trial_ids]
    lines, defects = {}, []
    for trial_id, path, data in zip(trial_ids, paths, gather(files.read, paths), strict=True):
        if data is None:
            continue
        found = parse(path, data, TrialRecord)
        if isinstance(found, Defect):
            defects.append(found)
        else:
            # JSON has no line breaks within strings, only between tokens.
            lines[trial_id] = data.strip().replace(b"\n", b" ")
    return lines, defects


def sound_record(files: Files, trial_id: str) -> TrialRecord | None:
    """Like `read_record`, but raises DefectError where the record is unreadable."""
    found = read_record(files, trial_id)
    if isinstance(found, Defect):
        raise DefectError(files.root, [found])
    return found


def notes(files: Files, tree: str) -> tuple[dict[str, list[str]], list[Defect]]:
    """Files of `failures` or `discarded` by trial, oldest first, and those of no trial."""
    by_trial: dict[str, list[str]] = {}
    strays = []
    for path in files.walk(tree):
        match path.split("/"):
            case [_, _, trial_id, _] if is_id(trial_id):
                by_trial.setdefault(trial_id, []).append(path)
            case _:
                strays.append(_stray(path))
    return dict(sorted(by_trial.items())), strays


def read_notes(files: Files, paths: Sequence[str], form: type[Kept]) -> Iterator[Kept | Defect]:
    """The failures or discards at these paths, or why they are none."""
    for path, data in zip(paths, gather(files.read, paths), strict=True):
        yield parse(path, data or b"", form)


def parse(path: str, data: bytes, form: type[Kept]) -> Kept | Defect:
    """The record, failure or discard at `<tree>/<shard>/<id>/...`, or why it is none."""
    remedy = _BAD_RECORD if path.startswith("trials/") else _BAD_NOTE
    try:
        found = form.from_json(data.decode())
    except ValueError as error:
        return Defect(path=path, problem=f"is not readable ({error})", remedy=remedy)
    misshapen = _misshapen(found)
    if misshapen:
        return Defect(path=path, problem=f"has a wrong type at {misshapen}", remedy=remedy)
    if path.split("/")[2] != found.trial_id:
        return Defect(path=path, problem=f"belongs to trial {found.trial_id}", remedy=remedy)
    return found


def _stray(path: str) -> Defect:
    problem = "is not where a trial belongs"
    return Defect(path=path, problem=problem, remedy="move it out of the store")


def _misshapen(found: TrialRecord | Failure | Discard) -> list[str]:
    """Fields whose JSON value is not of the field's kind."""
    kinds = _KINDS[type(found)]
    return [name for name, kind in kinds.items() if not isinstance(getattr(found, name), kind)]


def _kinds(form: type[TrialRecord | Failure | Discard]) -> dict[str, type]:
    kinds = {Mapping: dict, None: str}
    origins = {field.name: get_origin(field.type) for field in dataclasses.fields(form)}
    return {name: kinds[origin] for name, origin in origins.items() if origin in kinds}


_KINDS = {form: _kinds(form) for form in (TrialRecord, Failure, Discard)}
"""The kind of JSON value of each field that has to be of one."""

"""Where records live: begin, commit, list, verify. The store is the truth of a sweep.

A trial's attempt writes files into a folder; committing one `record.json` with
their checksums makes the trial done, and the first commit wins. A store is a
local folder (which several machines may share) or an fsspec URL of a backend
that can create a file only where none is. `runners.storage.layout` shows what
lies where.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from runners.record import FAILURES, Failure, TrialRecord
from runners.rules import nearest
from runners.storage import layout, manifests, states
from runners.storage.attempt import Attempt
from runners.storage.defects import Defect, DefectError, hand_over
from runners.storage.files import open_files
from runners.storage.index import Index
from runners.storage.leases import Leases
from runners.storage.records import (
    Discard,
    committed,
    notes,
    parse,
    read_lines,
    read_notes,
    read_record,
    sound_record,
)
from runners.storage.verify import verify

__all__ = ["Attempt", "Defect", "DefectError", "Discard", "Store"]


class Store:
    """Records, failures, checkpoints and manifests under one root.

    Opening a store writes nothing; the first write makes `layout.json`. A store
    can be pickled. Trial ids are those of `TrialConfig.trial_id`, 16 hex digits.

    Methods that read many files go on past what they cannot read. Each such
    `Defect` goes into the list given as `defects`; without one, `DefectError`
    is raised once everything sound was handed out, so that nobody takes a part
    for the whole.

    Raises ValueError where the root holds something else than a store, or a
    layout of another version. Writing raises it where commits could not be
    atomic.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self._files = open_files(os.fspath(root))
        self._index = Index(self._files)
        self._is_claimed = False
        layout.check(self._files)

    def __repr__(self) -> str:
        return f"Store({self.root!r})"

    def __reduce__(self) -> tuple[type["Store"], tuple[str]]:
        return type(self), (self.root,)

    @property
    def root(self) -> str:
        """Absolute local path, or URL."""
        return self._files.root

    @property
    def is_made(self) -> bool:
        """Whether anybody has written here yet."""
        return layout.check(self._files)

    def leases(self) -> Leases:
        """The leases of the drivers that work on this store, to be taken and renewed."""
        return Leases(self._files, self._claim)

    def begin(self, trial_id: str) -> Attempt:
        """A new attempt at a trial, with a folder to write files into."""
        self._claim()
        attempt = layout.new_name()
        folder = self._files.workspace(layout.attempt_path(trial_id, attempt))
        return Attempt(
            trial_id=trial_id, id=attempt, folder=folder, files=self._files, index=self._index
        )

    def get(self, trial_id: str) -> TrialRecord | None:
        """The committed record of a trial, or None; raises DefectError on an unreadable one."""
        return sound_record(self._files, trial_id)

    def path(self, trial_id: str, name: str) -> str:
        """Local path or URL of a file of the committed attempt.

        Raises ValueError where the trial is not committed or has no such file.
        """
        return self._files.url(self._committed_file(trial_id, name))

    def read(self, trial_id: str, name: str) -> bytes:
        """The bytes of a file of the committed attempt.

        Raises ValueError where the trial is not committed or has no such file,
        and DefectError where the file is gone.
        """
        path = self._committed_file(trial_id, name)
        data = self._files.read(path)
        if data is None:
            defect = Defect(path=path, problem="is missing", remedy="see python -m sweeps verify")
            raise DefectError(self.root, [defect])
        return data

    def records(self, defects: list[Defect] | None = None) -> Iterator[TrialRecord]:
        """All committed records, in the order of their ids."""
        lines, found = self._lines()
        for trial_id in sorted(lines):
            line = parse(layout.record_path(trial_id), lines[trial_id], TrialRecord)
            if isinstance(line, TrialRecord):
                yield line
            elif isinstance(record := read_record(self._files, trial_id), TrialRecord):
                # The line was spoilt, of which the index is the poorer and no more.
                yield record
            else:
                found.append(record or line)
        hand_over(self.root, found, defects)

    def done(self, trial_ids: Iterable[str], defects: list[Defect] | None = None) -> set[str]:
        """Which of these trials are committed; completes the index where it misses some.

        A trial with an unreadable record is not among them.
        """
        wanted = set(trial_ids)
        there = [trial_id for trial_id in self._standing(wanted) if trial_id in wanted]
        unindexed, unreadable = self._read_unindexed(there)
        if self._files.writable:
            doubted = self._index.is_doubted
            self._index.append([line for i, line in unindexed.items() if not doubted(i)])
        hand_over(self.root, unreadable, defects)
        return {i for i in there if i in unindexed or self._index.line(i) is not None}

    def fail(self, failure: Failure) -> None:
        """Record a failed attempt; raises ValueError on a kind that is not one of `FAILURES`."""
        if failure.kind not in FAILURES:
            near = nearest(failure.kind, FAILURES)
            remedy = f"did you mean {near!r}?" if near else "use one of these"
            rule = f"is not one of {', '.join(FAILURES)}"
            raise ValueError(f"failure kind {failure.kind!r}: {rule}; {remedy}")
        self._claim()
        path = layout.failure_path(failure.trial_id, failure.attempt)
        self._files.replace(path, failure.to_json().encode() + b"\n")

    def failures(self, defects: list[Defect] | None = None) -> Iterator[Failure]:
        """The latest failure of each trial without a committed record, in the order of ids."""
        by_trial, found = notes(self._files, "failures")
        standing = set(self._standing(by_trial))
        latest = [paths[-1] for trial_id, paths in by_trial.items() if trial_id not in standing]
        for failure in read_notes(self._files, latest, Failure):
            if isinstance(failure, Defect):
                found.append(failure)
            else:
                yield failure
        hand_over(self.root, found, defects)

    def discards(self, defects: list[Defect] | None = None) -> Iterator[Discard]:
        """All records that do not count, by trial and attempt."""
        by_trial, found = notes(self._files, "discarded")
        paths = [path for paths in by_trial.values() for path in paths]
        for discard in read_notes(self._files, paths, Discard):
            if isinstance(discard, Defect):
                found.append(discard)
            else:
                yield discard
        hand_over(self.root, found, defects)

    def withdraw(self, trial_id: str, reason: str) -> None:
        """Take back a trial's result, so that it runs again; the record becomes a discard.

        Raises ValueError where nothing is committed.
        """
        path = layout.record_path(trial_id)
        data = self._files.read(path)
        if data is None:
            raise ValueError(
                f"trial {trial_id}: has no record; only committed trials are withdrawn"
            )
        self._claim()
        standing = parse(path, data, TrialRecord)
        attempt = "unreadable" if isinstance(standing, Defect) else standing.attempt
        text = data.decode(errors="replace")
        discard = Discard(
            trial_id=trial_id, attempt=attempt, reason=reason, winner=None, record=text
        )
        note = layout.discard_path(trial_id, attempt)
        self._files.replace(note, discard.to_json().encode() + b"\n")
        # The line goes first: a record without one is found, a line without one is a ghost.
        lines, _ = self._lines()
        self._index.rewrite(line for i, line in lines.items() if i != trial_id)
        self._files.remove(path)

    def save_state(self, trial_id: str, name: str, state: bytes) -> None:
        """Keep a checkpoint of a running trial; a kill leaves the last one or this one."""
        self._claim()
        states.save(self._files, trial_id, name, state)

    def load_state(self, trial_id: str, name: str) -> bytes | None:
        """The checkpoint last saved, or None; raises DefectError on a torn one."""
        return states.load(self._files, trial_id, name)

    def clear_state(self, trial_id: str) -> None:
        """Remove all checkpoints of a trial."""
        self._files.remove(layout.states_path(trial_id))

    def running(self) -> set[str]:
        """Trials and runs that have a checkpoint and no record."""
        begun = set(filter(layout.is_id, self._files.folders("running")))
        return begun.difference(self._standing(begun))

    def write_manifest(self, name: str, manifest: Mapping[str, Any]) -> None:
        """Say what a sweep consists of, in JSON; replaces the manifest of that name."""
        self._claim()
        manifests.write(self._files, name, manifest)

    def manifest(self, name: str) -> dict[str, Any]:
        """A sweep's manifest; raises ValueError where there is none of that name."""
        return manifests.read(self._files, name)

    def manifests(self, defects: list[Defect] | None = None) -> dict[str, dict[str, Any]]:
        """All manifests by name; with `defects`, unreadable ones are put there."""
        found: dict[str, dict[str, Any]] = {}
        unreadable: list[Defect] = []
        for name in manifests.names(self._files):
            try:
                found[name] = self.manifest(name)
            except DefectError as error:
                unreadable += error.defects
        hand_over(self.root, unreadable, defects)
        return found

    def measured(self, key: str) -> dict[str, int] | None:
        """Numbers that were noted under a key; None where there are none."""
        data = self._files.read(layout.lengths_path(key))
        return None if data is None else json.loads(data)

    def note_measured(self, key: str, numbers: Mapping[str, int]) -> None:
        """Note numbers that are measured once, in place of any under the same key."""
        self._claim()
        self._files.replace(layout.lengths_path(key), json.dumps(dict(numbers)).encode() + b"\n")

    def verify(self) -> list[Defect]:
        """Read everything, check every checksum, and say what is wrong."""
        return verify(self._files, self._index)

    def rebuild_index(self, defects: list[Defect] | None = None) -> None:
        """Write the index anew, in one file, from the records themselves."""
        self._claim()
        trials, strays = committed(self._files, self._files.folders("trials"))
        lines, unreadable = read_lines(self._files, trials)
        self._index.rewrite(lines.values())
        hand_over(self.root, strays + unreadable, defects)

    def compact_index(self, defects: list[Defect] | None = None) -> None:
        """Write the index anew, in one file, from its lines where they can be trusted."""
        self._claim()
        lines, found = self._lines()
        self._index.rewrite(lines.values())
        hand_over(self.root, found, defects)

    def _claim(self) -> None:
        if self._is_claimed:
            return
        try:
            layout.claim(self._files)
        except OSError as error:
            rule = f"cannot be written ({error.strerror})"
            raise ValueError(f"store {self.root}: {rule}; name a folder where you may") from error
        self._is_claimed = True

    def _standing(self, trial_ids: Iterable[str]) -> list[str]:
        """Trials with a record in the shards of these trials."""
        return committed(self._files, layout.shards(trial_ids))[0]

    def _lines(self) -> tuple[dict[str, bytes], list[Defect]]:
        """All committed records as JSON by trial, and what is unreadable."""
        trials, strays = committed(self._files, self._files.folders("trials"))
        lines, unreadable = self._read_unindexed(trials)
        for trial_id in trials:
            line = self._index.line(trial_id)
            if line is not None:
                lines[trial_id] = line
        return lines, strays + unreadable

    def _read_unindexed(self, trial_ids: Iterable[str]) -> tuple[dict[str, bytes], list[Defect]]:
        """Records among these trials that the index does not tell, and what is unreadable."""
        self._index.refresh()
        return read_lines(self._files, [i for i in trial_ids if self._index.line(i) is None])

    def _committed_file(self, trial_id: str, name: str) -> str:
        record = self.get(trial_id)
        if record is None:
            where = f"in store {self.root}"
            raise ValueError(f"trial {trial_id}: is not committed {where}; run it first")
        if name not in record.files:
            near = nearest(name, record.files)
            has = ", ".join(record.files) or "none"
            remedy = f"did you mean {near!r}?" if near else f"it has: {has}"
            raise ValueError(f"trial {trial_id}: has no file {name!r}; {remedy}")
        return f"{layout.attempt_path(trial_id, record.attempt)}/{name}"

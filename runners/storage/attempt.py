"""One go at a trial, and the commit that decides which go counts."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from runners.record import TrialRecord
from runners.storage.files import Files
from runners.storage.index import Index
from runners.storage.layout import attempt_path, discard_path, record_path
from runners.storage.local import sha256
from runners.storage.patience import insist
from runners.storage.records import Discard, sound_record


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A local folder for the files of one go at a trial; `Store.begin` makes it.

    For a store elsewhere the files are uploaded by `commit`, and the folder is
    gone after it.
    """

    trial_id: str
    id: str
    folder: Path
    files: Files = field(repr=False)
    index: Index = field(repr=False)

    def write(self, name: str, writer: Callable[[Path], object]) -> None:
        """Let `writer` write a file of the folder, anew where a disk stumbles under it."""
        insist(lambda: writer(self.folder / name), f"writing {name}", self.files.root)

    def commit(self, record: TrialRecord) -> bool:
        """Make this attempt the trial's result, with all files of the folder.

        `record` comes with this attempt's `trial_id` and `id` and with empty
        `files`; their checksums are filled in. True where this attempt counts;
        False where another one was first, and then this record is kept as a
        discard. After an OSError it may be called again.

        Raises ValueError on a record of another attempt or with numbers that
        are not finite, and DefectError where an unreadable record stands.
        """
        self._check(record)
        checksums = insist(self._checksums, "reading what was written", self.files.root)
        complete = dataclasses.replace(record, files=checksums)
        text = complete.to_json()
        standing = sound_record(self.files, self.trial_id) or self._claim(complete, text)
        won = standing.attempt == self.id
        if won:
            self.index.append([standing.to_json().encode()])
        else:
            self._discard(text, standing.attempt)
        self.files.release(self.folder)
        return won

    def abandon(self) -> None:
        """Remove the files of an attempt that will not be committed."""
        self.files.release(self.folder)
        self.files.remove(attempt_path(self.trial_id, self.id))

    def _check(self, record: TrialRecord) -> None:
        if (record.trial_id, record.attempt) != (self.trial_id, self.id):
            what = f"record of trial {record.trial_id}, attempt {record.attempt}"
            rule = f"was given to trial {self.trial_id}, attempt {self.id}"
            raise ValueError(f"{what}: {rule}; commit it with its own attempt")
        if record.files:
            rule = f"names the files {', '.join(record.files)}"
            remedy = "leave files empty, commit fills them in"
            raise ValueError(f"record of trial {self.trial_id}: {rule}; {remedy}")

    def _checksums(self) -> dict[str, str]:
        paths = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {path.relative_to(self.folder).as_posix(): sha256(path) for path in paths}

    def _claim(self, complete: TrialRecord, text: str) -> TrialRecord:
        """The record that stands after this attempt tried to put its own."""
        self.files.publish(self.folder, attempt_path(self.trial_id, self.id))
        path = record_path(self.trial_id)
        if self.files.create(path, text.encode() + b"\n"):
            return complete
        # What stands may still be ours: an answer that got lost on the way
        # makes the client ask twice.
        standing = sound_record(self.files, self.trial_id)
        if standing is None:
            raise FileNotFoundError(f"{self.files.url(path)}: stood and is gone; commit again")
        return standing

    def _discard(self, text: str, winner: str) -> None:
        discard = Discard(
            trial_id=self.trial_id,
            attempt=self.id,
            reason="another attempt committed first",
            winner=winner,
            record=text,
        )
        path = discard_path(self.trial_id, self.id)
        self.files.replace(path, discard.to_json().encode() + b"\n")

"""A rebuildable cache of all records: JSON lines, one file for each writer.

`record.json` is the truth. A line is written after its commit, so a killed
process may leave a record without a line, or half a line; both are found by
listing the records. No two processes write the same file.
"""

import os
import re
import socket
import threading
from collections.abc import Iterable, Mapping, Sequence

from runners.record import TrialRecord
from runners.storage.files import Files
from runners.storage.layout import new_name

_FOLDER = "index"
_BEGINNING = b'{"attempt": "'
_WHOLE = re.compile(_BEGINNING + rb'[^"]+", "config": \{.*, "trial_id": "([0-9a-f]{16})"\}')
# On object stores a line costs a rewrite of its file, about 1.5 kB a line.
_LINES_A_FILE = 1024


class Index:
    """What the index of one store says, read as far as it grows."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._lines: dict[str, bytes] = {}
        self._doubted: set[str] = set()
        self._read_to: dict[str, int] = {}
        self._lock = threading.Lock()
        self._writer = ""
        self._owner = 0
        self._written = 0

    def append(self, lines: Sequence[bytes]) -> None:
        """Add the JSON of committed records."""
        if not lines:
            return
        with self._lock:
            if self._owner != os.getpid() or self._written >= _LINES_A_FILE:
                self._new_writer()
            self._files.append(self._writer, _joined(lines))
            self._written += len(lines)

    def refresh(self) -> None:
        """Read what was added since the last time; half a line waits for its end."""
        for name, size in self._files.sizes(_FOLDER).items():
            start = self._read_to.get(name, 0)
            # A compaction may have taken the file away, and its writer gone on.
            start = start if start <= size else 0
            if size > start:
                data = self._files.read(f"{_FOLDER}/{name}", start) or b""
                whole = data[: data.rfind(b"\n") + 1]
                self._read_to[name] = start + len(whole)
                self._take(whole)

    def line(self, trial_id: str) -> bytes | None:
        """The JSON of a record, or None where only `record.json` can tell."""
        return None if trial_id in self._doubted else self._lines.get(trial_id)

    def lines(self) -> Mapping[str, bytes]:
        """All lines by trial; of a trial that has several, the first one met."""
        return self._lines

    def is_doubted(self, trial_id: str) -> bool:
        """Whether there are several lines, and they differ."""
        return trial_id in self._doubted

    def rewrite(self, lines: Iterable[bytes]) -> None:
        """Replace all files by one with the JSON of these records.

        A line that another process adds meanwhile may get lost; its record is
        found by listing, as after a kill.
        """
        old = list(self._files.sizes(_FOLDER))
        with self._lock:
            self._files.replace(f"{_FOLDER}/{new_name()}-all.jsonl", _joined(lines))
            for name in old:
                self._files.remove(f"{_FOLDER}/{name}")
            self._owner = 0
        self._lines, self._doubted, self._read_to = {}, set(), {}
        self.refresh()

    def _take(self, data: bytes) -> None:
        for line in data.split(b"\n"):
            trial_id = _trial_of(line)
            if trial_id is None:
                # Torn by a kill or a full disk; the record itself is listed.
                continue
            if self._lines.setdefault(trial_id, line) != line:
                self._doubted.add(trial_id)

    def _new_writer(self) -> None:
        self._owner = os.getpid()
        self._writer = f"{_FOLDER}/{new_name()}-{socket.gethostname()}.jsonl"
        self._written = 0


def _trial_of(line: bytes) -> str | None:
    """Whose record a line has, or None where it has none.

    Lines are read to be parsed by whoever wants the record, so that one of the form in
    which records are written is taken by its beginning and its end. A torn line has not
    both, and one that is glued to it begins in its middle.
    """
    found = _WHOLE.fullmatch(line)
    if found and line.count(_BEGINNING) == 1:
        return found[1].decode()
    try:
        return TrialRecord.from_json(line.decode()).trial_id
    except ValueError:
        return None


def _joined(lines: Iterable[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)

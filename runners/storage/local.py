"""A store in a folder: this machine's disk, or one that several machines share."""

import errno
import hashlib
import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

from runners.storage.patience import patient

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


class LocalFiles:
    """The operations of `runners.storage.files.Files` on a folder.

    Whatever `create`, `replace` and `publish` wrote outlives a power cut.
    """

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(os.path.expanduser(root))
        if self._is_file():
            raise ValueError(f"store {root}: is a file; name a folder, existing or not")

    @patient
    def _is_file(self) -> bool:
        try:
            return not stat.S_ISDIR(os.stat(self.root).st_mode)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            return False

    @property
    @patient
    def writable(self) -> bool:
        nearest = Path(self.root)
        while not nearest.exists():
            nearest = nearest.parent
        return os.access(nearest, os.W_OK)

    @patient
    def read(self, path: str, start: int = 0) -> bytes | None:
        try:
            with open(self.url(path), "rb") as file:
                file.seek(start)
                return file.read()
        except FileNotFoundError:
            return None

    @patient
    def digest(self, path: str) -> str | None:
        try:
            return sha256(Path(self.url(path)))
        except FileNotFoundError:
            return None

    @patient
    def create(self, path: str, data: bytes) -> bool:
        """As `Files.create`."""
        draft = self._draft(path, data)
        try:
            # Unlike a rename, a link fails where something stands.
            os.link(draft, self.url(path))
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno in _NO_LINKS:
                rule = "its filesystem has no hard links, so a commit could not be atomic"
                raise ValueError(f"store {self.root}: {rule}; use another folder") from error
            raise
        finally:
            os.unlink(draft)
        _sync(os.path.dirname(draft))
        return True

    @patient
    def replace(self, path: str, data: bytes) -> None:
        draft = self._draft(path, data)
        try:
            os.replace(draft, self.url(path))
        except OSError:
            Path(draft).unlink(missing_ok=True)
            raise
        _sync(os.path.dirname(draft))

    @patient
    def append(self, path: str, data: bytes) -> None:
        """As `Files.append`; a write that fails leaves nothing of its data."""
        target = self.url(path)
        _make_folder(os.path.dirname(target))
        with open(target, "ab", buffering=0) as file:
            start, left = file.tell(), memoryview(data)
            try:
                while left:
                    left = left[file.write(left) :]
            except OSError:
                # Half a line would spoil the one that comes after it.
                file.truncate(start)
                raise

    @patient
    def remove(self, path: str) -> None:
        """As `Files.remove`."""
        target = self.url(path)
        if not _is_folder(target):
            Path(target).unlink(missing_ok=True)
            return
        # Out of sight first: nobody sees half a folder, and a writer that
        # still adds files to it cannot make the removal fail.
        doomed = os.path.join(os.path.dirname(target), _draft_name(os.path.basename(target)))
        try:
            os.rename(target, doomed)
        except FileNotFoundError:
            return
        shutil.rmtree(doomed)

    @patient
    def folders(self, folder: str) -> list[str]:
        return sorted(entry.name for entry in self._entries(folder) if entry.is_dir())

    @patient
    def sizes(self, folder: str) -> dict[str, int]:
        entries = [entry for entry in self._entries(folder) if entry.is_file()]
        return {entry.name: entry.stat().st_size for entry in entries}

    def walk(self, folder: str) -> Iterator[str]:
        for entry in sorted(self._entries(folder), key=lambda entry: entry.name):
            path = f"{folder}/{entry.name}"
            if entry.is_dir():
                yield from self.walk(path)
            else:
                yield path

    @patient
    def holding(self, folder: str, name: str) -> set[str]:
        found = self._entries(folder)
        return {entry.name for entry in found if _stands(f"{entry.path}/{name}")}

    @patient
    def workspace(self, path: str) -> Path:
        folder = self.url(path)
        _make_folder(folder)
        return Path(folder)

    @patient
    def publish(self, workspace: Path, path: str) -> None:
        assert str(workspace) == self.url(path)
        for folder, _, names in os.walk(workspace):
            for name in names:
                _sync(os.path.join(folder, name))
            _sync(folder)

    def release(self, workspace: Path) -> None:
        """Nothing to do: the files were written where they belong."""

    def url(self, path: str) -> str:
        return os.path.join(self.root, path)

    @patient
    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self.url(folder)) as entries:
                return [entry for entry in entries if not _is_draft(entry.name)]
        except FileNotFoundError:
            return []

    def _draft(self, path: str, data: bytes) -> str:
        """A durable file with `data` beside `path`."""
        folder, name = os.path.split(self.url(path))
        _make_folder(folder)
        draft = os.path.join(folder, _draft_name(name))
        try:
            with open(draft, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            Path(draft).unlink(missing_ok=True)
            raise
        return draft


def sha256(path: Path) -> str:
    """SHA-256 of a local file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _draft_name(name: str) -> str:
    return f".{name}.{uuid.uuid4().hex}.draft"


def _is_draft(name: str) -> bool:
    return name.startswith(".") and name.endswith(".draft")


def _stands(path: str) -> bool:
    """Like `os.path.exists`, which takes a disk that stumbles for a file that is not there."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _is_folder(path: str) -> bool:
    """Like `os.path.isdir`, which takes a folder on such a disk for none."""
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _make_folder(folder: str) -> None:
    """Like `os.makedirs`, and the new names outlive a power cut."""
    if _is_folder(folder):
        return
    parent = os.path.dirname(folder)
    _make_folder(parent)
    Path(folder).mkdir(exist_ok=True)
    _sync(parent)


def _sync(path: str) -> None:
    """Wait until a file, or the names in a folder, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

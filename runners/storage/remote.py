"""A store under an fsspec URL: an object store, or memory for tests."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from fsspec.core import url_to_fs

from runners.rules import nearest
from runners.storage.patience import patient

# Backends whose `pipe_file(mode="create")` is decided by the server: S3 by
# If-None-Match, Google by ifGenerationMatch=0, Azure by overwrite=False (read in
# the sources of s3fs 2026.9, gcsfs 2026.10, adlfs 2026.8). Memory is for tests
# within one thread. fsspec's own fallback looks first and writes then, so no
# other backend can be trusted on its word.
_CREATES = {"memory", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"}


class RemoteFiles:
    """The operations of `runners.storage.files.Files` on an fsspec backend."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")
        try:
            # Without its cache of listings, other writers' files are seen at once.
            self._fs, self._base = url_to_fs(self.root, use_listings_cache=False)
        except ImportError as error:
            raise ValueError(f"store {root}: {error}") from error
        except ValueError as error:
            scheme = root.partition("://")[0]
            near = nearest(scheme, sorted(_CREATES))
            remedy = f"did you mean {near}://?" if near else "give a folder"
            legal = ", ".join(sorted(_CREATES))
            raise ValueError(f"store {root}: {scheme!r} is not one of {legal}; {remedy}") from error
        self._base = self._base.rstrip("/")
        self._written: dict[str, bytes] = {}

    @property
    def writable(self) -> bool:
        protocols = self._fs.protocol
        names = {protocols} if isinstance(protocols, str) else set(protocols)
        return bool(names & _CREATES)

    @patient
    def read(self, path: str, start: int = 0) -> bytes | None:
        try:
            return bytes(self._fs.cat_file(self._at(path), start=start or None))
        except FileNotFoundError:
            return None

    @patient
    def digest(self, path: str) -> str | None:
        try:
            with self._fs.open(self._at(path), "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            return None

    @patient
    def create(self, path: str, data: bytes) -> bool:
        """As `Files.create`."""
        if not self.writable:
            rule = "its backend cannot be trusted to create a file only where none is"
            remedy = f"use a local folder or one of {', '.join(sorted(_CREATES))}"
            raise ValueError(f"store {self.root}: {rule}, so two drivers could both win; {remedy}")
        try:
            self._fs.pipe_file(self._at(path), data, mode="create")
        except FileExistsError:
            return False
        return True

    @patient
    def replace(self, path: str, data: bytes) -> None:
        self._fs.pipe_file(self._at(path), data)

    def append(self, path: str, data: bytes) -> None:
        # Objects cannot grow: all that this process wrote is written again.
        whole = self._written.get(path, b"") + data
        self.replace(path, whole)
        self._written[path] = whole

    @patient
    def remove(self, path: str) -> None:
        try:
            self._fs.rm(self._at(path), recursive=True)
        except FileNotFoundError:
            return

    @patient
    def folders(self, folder: str) -> list[str]:
        return sorted(name for name, kind, _ in self._entries(folder) if kind == "directory")

    @patient
    def sizes(self, folder: str) -> dict[str, int]:
        return {name: size for name, kind, size in self._entries(folder) if kind == "file"}

    def walk(self, folder: str) -> Iterator[str]:
        for found in self._found(folder):
            yield str(found).removeprefix(self._base + "/")

    def holding(self, folder: str, name: str) -> set[str]:
        tail = f"/{name}"
        inside = (path.removeprefix(f"{folder}/") for path in self.walk(folder))
        found = {path.removesuffix(tail) for path in inside if path.endswith(tail)}
        return {child for child in found if "/" not in child}

    @patient
    def workspace(self, path: str) -> Path:
        return Path(tempfile.mkdtemp(prefix=f"promptscale-{path.rpartition('/')[2]}-"))

    @patient
    def publish(self, workspace: Path, path: str) -> None:
        for file in sorted(workspace.rglob("*")):
            if file.is_file():
                target = f"{path}/{file.relative_to(workspace).as_posix()}"
                self._fs.put_file(str(file), self._at(target))

    def release(self, workspace: Path) -> None:
        if workspace.exists():
            shutil.rmtree(workspace)

    @patient
    def _found(self, folder: str) -> list[str]:
        return sorted(self._fs.find(self._at(folder)))

    def url(self, path: str) -> str:
        return f"{self.root}/{path}"

    def _at(self, path: str) -> str:
        return f"{self._base}/{path}".rstrip("/")

    def _entries(self, folder: str) -> list[tuple[str, str, int]]:
        """Name, kind and bytes of everything in a folder."""
        try:
            found = self._fs.ls(self._at(folder), detail=True)
        except FileNotFoundError:
            return []
        return [(_name(entry["name"]), entry["type"], entry["size"]) for entry in found]


def _name(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]

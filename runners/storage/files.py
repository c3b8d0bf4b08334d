"""What a store asks of the place it lives in: a folder or an object store.

Paths are relative to the root, with `/` between their parts.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

from runners.storage.local import LocalFiles

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
# Network folders and object stores answer in milliseconds and serve many at once.
_REQUESTS = 16
# A request that waits for its turn takes memory.
_BATCH = 1024


class Files(Protocol):
    """The operations of a place; every one may raise OSError, after a minute where it may pass."""

    root: str
    """Absolute local path, or URL."""

    @property
    def writable(self) -> bool:
        """Whether records may be written here."""

    def read(self, path: str, start: int = 0) -> bytes | None:
        """The bytes of a file from `start` on, or None where there is no file."""

    def digest(self, path: str) -> str | None:
        """SHA-256 of a file in hex, or None where there is no file."""

    def create(self, path: str, data: bytes) -> bool:
        """All of `data` at once where nothing stands; False where something does.

        Raises ValueError where the place cannot promise that.
        """

    def replace(self, path: str, data: bytes) -> None:
        """All of `data` at once, instead of whatever stands."""

    def append(self, path: str, data: bytes) -> None:
        """`data` at the end of a file that only this process writes."""

    def remove(self, path: str) -> None:
        """Take away a file, or a folder and all in it; nothing there is no error."""

    def folders(self, folder: str) -> list[str]:
        """Names of the folders in `folder`, sorted."""

    def sizes(self, folder: str) -> dict[str, int]:
        """Names and bytes of the files in `folder`."""

    def walk(self, folder: str) -> Iterator[str]:
        """Paths of all files below `folder`, sorted; unfinished writes are left out."""

    def holding(self, folder: str, name: str) -> set[str]:
        """Names of the folders in `folder` that hold a file `name`."""

    def workspace(self, path: str) -> Path:
        """A new local folder for the files that `publish` will put under `path`."""

    def publish(self, workspace: Path, path: str) -> None:
        """Make the files of a workspace durable under `path`."""

    def release(self, workspace: Path) -> None:
        """Called once a workspace is published or given up."""

    def url(self, path: str) -> str:
        """Where a file is for somebody who does not know the store."""


def open_files(root: str) -> Files:
    """The files under a local path, a `file://` URL or any other fsspec URL."""
    if root.startswith("file://"):
        return LocalFiles(root.removeprefix("file://"))
    if "://" in root:
        # fsspec takes longer to import than everything else here together.
        from runners.storage.remote import RemoteFiles

        return RemoteFiles(root)
    return LocalFiles(root)


def gather(work: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
    """`work` of every item, in their order, with many requests under way at once."""
    results: list[_Result] = []
    with ThreadPoolExecutor(_REQUESTS) as pool:
        for start in range(0, len(items), _BATCH):
            results += pool.map(work, items[start : start + _BATCH])
    return results

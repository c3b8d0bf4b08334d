"""What counts as a store, and where commits can be trusted."""

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from runners.store import Store

if TYPE_CHECKING:
    from tests.runners.storage.conftest import Bench

TRIAL = "ab0123456789cdef"
FOREIGN = {
    "newer": (b'{"layout": "promptscale-store", "version": 2}', "has layout version 2, and this"),
    "another": (b'{"layout": "sweeps", "version": 1}', "is not of a promptscale-store"),
    "no version": (b'{"layout": "promptscale-store"}', "is not of a promptscale-store"),
    "list": (b"[]", "is not of a promptscale-store"),
    "half": (b'{"layout"', "is not of a promptscale-store"),
}


@pytest.mark.parametrize(("marker", "message"), FOREIGN.values(), ids=FOREIGN)
def test_foreign_layouts_are_refused(bench: "Bench", marker: bytes, message: str) -> None:
    """Records written into a layout of which this code knows nothing."""
    bench.write("layout.json", marker)
    with pytest.raises(ValueError, match=message):
        Store(bench.store.root)
    with pytest.raises(ValueError, match=message):
        bench.store.begin(TRIAL)


@pytest.mark.parametrize("folder", ["trials", "index", "running"])
def test_folders_of_others_are_refused(bench: "Bench", folder: str) -> None:
    """A store made amid the results of another program."""
    bench.write(f"{folder}/x", b"")
    with pytest.raises(ValueError, match=rf"holds {folder} but no layout\.json"):
        Store(bench.store.root)


def test_other_files_beside_a_store_are_welcome(bench: "Bench") -> None:
    """A sweep that cannot begin because its log file came first."""
    bench.write("figures/scale.csv", b"")
    bench.write("sweep.log", b"")
    bench.commit(TRIAL)
    assert bench.fresh().done([TRIAL]) == {TRIAL}


def test_root_that_is_a_file(tmp_path: Path) -> None:
    """A spec given where its store belongs."""
    (tmp_path / "spec.yaml").write_text("")
    with pytest.raises(ValueError, match="is a file; name a folder"):
        Store(tmp_path / "spec.yaml")


def test_backend_that_only_looks_before_it_writes() -> None:
    """Two drivers that both believe their commit is the first."""
    store = Store("simplecache::memory://box")
    assert store.done([TRIAL]) == set()
    with pytest.raises(ValueError, match=r"cannot be trusted to create .*; use a local folder or"):
        store.begin(TRIAL)


class Careless(MemoryFileSystem):  # type: ignore[misc]
    """A server that ignores the condition of a conditional write."""

    protocol = "careless"

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite") -> None:
        """Write over whatever stands."""
        assert mode
        super().pipe_file(path, value)


def test_server_that_ignores_the_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    """An S3 look-alike that accepts every commit."""
    fsspec.register_implementation("careless", Careless, clobber=True)
    monkeypatch.setattr("runners.storage.remote._CREATES", {"careless"})
    store = Store(f"careless://{uuid.uuid4().hex}")
    with pytest.raises(ValueError, match="writes over a file that it was told to create"):
        store.begin(TRIAL)


@pytest.mark.parametrize(
    ("root", "said"),
    [
        ("s4://bucket", r"store s4://bucket: 's4' is not one of .*; did you mean s3://\?"),
        ("ftq://host/x", r"store ftq://host/x: 'ftq' is not one of .*; give a folder"),
        ("s3://bucket/x", "store s3://bucket/x: Install s3fs to access S3"),
        ("/proc/nowhere/x", r"store /proc/nowhere/x: cannot be written \(.*\); name a folder"),
    ],
)
def test_a_place_that_cannot_be_a_store_is_told(root: str, said: str) -> None:
    """Catches the traceback of a backend that is misspelt, not installed or read-only."""
    with pytest.raises(ValueError, match=f"^{said}"):
        Store(root).begin(TRIAL)


def test_filesystem_without_links(local: "Bench", monkeypatch: pytest.MonkeyPatch) -> None:
    """A USB stick or a mounted bucket, where a commit would not be atomic."""

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(ValueError, match="has no hard links, so a commit could not be atomic"):
        local.store.begin(TRIAL)
    assert local.files("") == []

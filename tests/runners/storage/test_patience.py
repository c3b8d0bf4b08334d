"""Places that fail for a while, operation by operation."""

import errno
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from runners.storage import patience
from runners.storage.files import open_files
from runners.storage.local import LocalFiles
from runners.storage.patience import AwayError, is_passing
from runners.store import Store
from tests.runners.storage.conftest import Bench

TRIAL = "ab0123456789cdef"
STALE = OSError(errno.ESTALE, "Stale file handle")


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, none of which takes time."""
    made: list[float] = []
    monkeypatch.setattr("time.sleep", made.append)
    return made


def failing(function: Callable[..., Any], errors: list[OSError]) -> Callable[..., Any]:
    """A function that raises these first, one at each call."""

    def fails(*args: Any, **kwargs: Any) -> Any:
        if errors:
            raise errors.pop()
        return function(*args, **kwargs)

    return fails


class Stumbling(MemoryFileSystem):  # type: ignore[misc]
    """A server whose answer to every other write is lost on the way."""

    protocol = "stumbling"
    writes = 0

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite") -> None:
        """Write, and answer or not."""
        super().pipe_file(path, value, mode=mode)
        type(self).writes += 1
        if type(self).writes % 2:
            raise TimeoutError


@pytest.fixture
def stumbling(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A store on such a server."""
    fsspec.register_implementation("stumbling", Stumbling, clobber=True)
    monkeypatch.setattr("runners.storage.remote._CREATES", {"stumbling"})
    url = f"stumbling://{uuid.uuid4().hex}"
    yield Bench(Store(url))
    fsspec.filesystem("stumbling").rm(url, recursive=True)


def test_a_commit_whose_answer_is_lost_is_ours(stumbling: Bench) -> None:
    """A trial that is run and paid for, and then discarded in favour of itself."""
    stumbling.commit(TRIAL)
    assert Stumbling.writes > 3
    assert list(stumbling.fresh().discards()) == []
    assert stumbling.store.verify() == []


def test_a_lease_whose_answer_is_lost_is_ours(stumbling: Bench) -> None:
    """A driver that is refused its store for it is held by itself."""
    leases = stumbling.store.leases()
    assert leases.take(1, b"mine")
    assert leases.latest() == (1, b"mine")
    assert not stumbling.fresh().leases().take(1, b"theirs")


@pytest.mark.parametrize("function", ["open", "scandir", "link", "replace", "fsync"])
def test_whatever_fails_for_a_while(
    local: Bench, monkeypatch: pytest.MonkeyPatch, pauses: list[float], function: str
) -> None:
    """A sweep that ends because a network folder was remounted."""
    errors: list[OSError] = [STALE, STALE]
    if function == "open":
        monkeypatch.setattr("builtins.open", failing(open, errors))
    else:
        monkeypatch.setattr(os, function, failing(getattr(os, function), errors))
    local.commit(TRIAL)
    local.store.save_state(TRIAL, "state", b"x")
    assert local.fresh().done([TRIAL]) == {TRIAL}
    assert errors == []
    assert pauses in ([0.1, 0.3], [0.1, 0.1])
    assert local.store.verify() == []
    assert list(Path(local.store.root).rglob("*.draft")) == []


@pytest.fixture
def unseen(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Lets the first look at a path that ends in so fail."""

    def fail(ending: str) -> None:
        errors, stat = [STALE], os.stat

        def stumbles(path: Any, *args: Any, **kwargs: Any) -> os.stat_result:
            if str(path).endswith(ending) and errors:
                raise errors.pop()
            return stat(path, *args, **kwargs)

        monkeypatch.setattr(os, "stat", stumbles)

    return fail


def test_a_record_that_cannot_be_seen_is_not_one_that_is_not_there(
    local: Bench, unseen: Callable[[str], None], pauses: list[float]
) -> None:
    """Trials that run again because a disk stumbled while their records were looked for."""
    local.commit(TRIAL)
    unseen("record.json")
    assert local.fresh().done([TRIAL]) == {TRIAL}
    assert pauses == [0.1]


def test_a_folder_that_cannot_be_seen_is_a_folder(
    local: Bench, unseen: Callable[[str], None], pauses: list[float]
) -> None:
    """A finished trial that takes its pack with it, for its checkpoint is unlinked as a file."""
    local.store.save_state(TRIAL, "state", b"x")
    unseen(f"running/{TRIAL}")
    local.store.clear_state(TRIAL)
    assert pauses == [0.1]
    assert local.store.load_state(TRIAL, "state") is None


def test_a_place_that_is_away(
    local: Bench, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    """A process that hangs for ever, or one that says `Input/output error` and no more."""
    local.commit(TRIAL)
    monkeypatch.setattr("builtins.open", failing(open, [STALE] * 8))
    told = r"read failed 8 times within 64 s: OSError: .*Stale file handle"
    with pytest.raises(AwayError, match=told) as caught:
        local.store.get(TRIAL)
    assert caught.value.filename == local.store.root
    assert pauses == list(patience.PAUSES)


def test_a_place_is_waited_for_once(
    stumbling: Bench, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    """Operations that are made of others, and wait ten minutes for a place that is away."""

    def away(*_: Any, **__: Any) -> None:
        raise TimeoutError

    stumbling.commit(TRIAL)
    files: Any = open_files(stumbling.store.root)
    with monkeypatch.context() as broken:
        broken.setattr(files._fs, "find", away)
        broken.setattr(files._fs, "pipe_file", away)
        for name, asked in (("append", b"x"), ("holding", "record.json")):
            pauses.clear()
            with pytest.raises(AwayError):
                getattr(files, name)("trials/ab", asked)
            assert pauses == list(patience.PAUSES)
    assert not is_passing(AwayError(errno.EIO, "read failed 8 times", "/store"))


def test_what_does_not_pass_is_told_at_once(
    local: Bench, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    """A minute of waiting for a right that nobody will give."""
    denied = PermissionError(errno.EACCES, "Permission denied")
    local.commit(TRIAL)
    monkeypatch.setattr("builtins.open", failing(open, [denied]))
    with pytest.raises(PermissionError):
        local.store.get(TRIAL)
    assert pauses == []
    assert not is_passing(denied) and not is_passing(OSError(errno.ENOSPC, "full"))


def test_a_line_that_is_torn_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a line of the index, which spoils the whole one that is written after it."""
    files = open_files(str(tmp_path))
    files.append("index/a.jsonl", b"one\n")
    whole = open

    def tearing(path: str, *args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr("builtins.open", whole)
        file = whole(path, *args, **kwargs)

        class Torn:
            tell, truncate = file.tell, file.truncate

            def __enter__(self) -> "Torn":
                return self

            def __exit__(self, *_: object) -> None:
                file.close()

            def write(self, data: memoryview) -> int:
                file.write(data[:2])
                raise STALE

        return Torn()

    monkeypatch.setattr("builtins.open", tearing)
    files.append("index/a.jsonl", b"two\n")
    assert LocalFiles(str(tmp_path)).read("index/a.jsonl") == b"one\ntwo\n"

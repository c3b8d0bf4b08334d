"""The index is a cache: it may be late, torn, doubled or gone, and every answer stays right."""

import dataclasses
import json
import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from runners.record import TrialRecord
from runners.storage.files import open_files
from runners.storage.index import Index
from runners.storage.local import LocalFiles
from runners.store import Store

if TYPE_CHECKING:
    from tests.runners.storage.conftest import Bench

FIRST, SECOND, THIRD = "000123456789cdef", "ab0123456789cdef", "cd0123456789cdef"


def ids_of(lines: bytes) -> list[str]:
    """Trials of these lines."""
    return [json.loads(line)["trial_id"] for line in lines.splitlines()]


def test_a_line_is_the_whole_record(bench: "Bench") -> None:
    """Lists that open every record, because the index knows ids only."""
    records = [bench.commit(FIRST), bench.commit(SECOND)]
    (name,) = bench.files("index")
    lines = bench.read(f"index/{name}").decode().splitlines()
    assert [TrialRecord.from_json(line) for line in lines] == records


class CountedFiles(LocalFiles):
    """A place that counts its requests, which is what a large store waits for."""

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.requests: Counter[str] = Counter()

    def read(self, path: str, start: int = 0) -> bytes | None:
        """Read, and count."""
        self.requests["read"] += 1
        return super().read(path, start)

    def holding(self, folder: str, name: str) -> set[str]:
        """List, and count."""
        self.requests["list"] += 1
        return super().holding(folder, name)


def test_requests_grow_with_shards_not_with_trials(
    local: "Bench", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists and plans that take minutes with 100,000 trials."""
    template = local.commit(FIRST)
    ids = [f"{shard}{number:014x}" for shard in ("00", "01", "02") for number in range(50)]
    for trial_id in ids:
        record = dataclasses.replace(template, trial_id=trial_id).to_json().encode()
        local.write(f"trials/{trial_id[:2]}/{trial_id}/record.json", record)
    local.store.rebuild_index()
    files = CountedFiles(local.store.root)
    monkeypatch.setattr("runners.store.open_files", lambda _: files)
    store = Store("counted")
    files.requests.clear()
    assert len(list(store.records())) == 151
    assert files.requests == {"list": 3, "read": 1}
    files.requests.clear()
    assert store.done(ids) == set(ids)
    assert files.requests == {"list": 3}
    files.requests.clear()
    unknown = [f"{number % 256:02x}{number:014x}" for number in range(1000, 11000)]
    assert store.done(unknown) == set()
    assert files.requests == {"list": 256}


def test_writers_have_files_of_their_own(bench: "Bench") -> None:
    """Two drivers that append to one file of a shared folder, through each other."""
    bench.commit(FIRST)
    other = type(bench)(bench.fresh())
    other.commit(SECOND)
    bench.commit(THIRD)
    written = [ids_of(bench.read(f"index/{name}")) for name in bench.files("index")]
    assert sorted(written) == [[FIRST, THIRD], [SECOND]]


def test_files_are_kept_small(bench: "Bench", monkeypatch: pytest.MonkeyPatch) -> None:
    """An object store to which every commit uploads all that were before it."""
    monkeypatch.setattr("runners.storage.index._LINES_A_FILE", 2)
    for number in range(5):
        bench.commit(f"{number:02x}0123456789cdef")
    sizes = [len(ids_of(bench.read(f"index/{name}"))) for name in bench.files("index")]
    assert sizes == [2, 2, 1]
    assert len(list(bench.fresh().records())) == 5


def test_forked_process_writes_its_own_file(
    local: "Bench", monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that inherits its parent's file."""
    local.commit(FIRST)
    with monkeypatch.context() as child:
        child.setattr(os, "getpid", lambda: -1)
        local.commit(SECOND)
    local.commit(THIRD)
    written = [ids_of(local.read(f"index/{name}")) for name in local.files("index")]
    assert sorted(written) == [[FIRST], [SECOND], [THIRD]]


@pytest.mark.parametrize("keep", [1, 40, -1])
def test_torn_line(bench: "Bench", keep: int) -> None:
    """A kill in the middle of a line that hides its record, or breaks all lists."""
    records = [bench.commit(FIRST), bench.commit(SECOND)]
    (name,) = bench.files("index")
    first, second = bench.read(f"index/{name}").splitlines(keepends=True)
    bench.write(f"index/{name}", first + second[:keep])
    assert list(bench.fresh().records()) == records
    assert bench.fresh().done([FIRST, SECOND]) == {FIRST, SECOND}
    healed = [ids_of(bench.read(f"index/{n}")) for n in bench.files("index") if n != name]
    assert healed == [[SECOND]]
    assert bench.fresh().verify() == []


def test_line_glued_to_a_torn_one(bench: "Bench") -> None:
    """A full disk that tears a line, and the next line lost with it."""
    records = [bench.commit(FIRST), bench.commit(SECOND), bench.commit(THIRD)]
    (name,) = bench.files("index")
    first, second, third = bench.read(f"index/{name}").splitlines(keepends=True)
    bench.write(f"index/{name}", first + second[:30] + third)
    assert list(bench.fresh().records()) == records
    assert bench.fresh().verify() == []


def test_a_line_that_is_spoilt_in_its_middle(bench: "Bench") -> None:
    """A byte that a disk has turned, and with it a result that is gone or a list that ends."""
    records = [bench.commit(FIRST), bench.commit(SECOND)]
    (name,) = bench.files("index")
    lines = bench.read(f"index/{name}")
    bench.write(f"index/{name}", lines.replace(b'"metrics": {', b'"metrics": }', 1))
    assert list(bench.fresh().records()) == records
    (defect,) = bench.fresh().verify()
    assert defect.path.startswith("index")


def test_open_store_sees_what_others_add(bench: "Bench") -> None:
    """A driver that never hears of what its workers committed."""
    reader = bench.fresh()
    assert reader.done([FIRST]) == set()
    for number, trial_id in enumerate((FIRST, SECOND, THIRD), start=1):
        bench.commit(trial_id)
        assert len(list(reader.records())) == number
        assert reader.done([trial_id]) == {trial_id}


def test_half_a_line_is_read_once_it_is_whole(bench: "Bench") -> None:
    """A reader that meets a line being written and never comes back for it."""
    bench.commit(FIRST)
    (name,) = bench.files("index")
    line = bench.read(f"index/{name}")
    index = Index(open_files(bench.store.root))
    bench.write(f"index/{name}", line[:50])
    index.refresh()
    assert index.line(FIRST) is None
    bench.write(f"index/{name}", line)
    index.refresh()
    assert index.line(FIRST) == line.rstrip()


@pytest.mark.parametrize("verb", ["compact_index", "rebuild_index"])
def test_compaction_leaves_one_file_and_all_records(bench: "Bench", verb: str) -> None:
    """A compaction that drops lines, or after which its own writer is not heard."""
    records = [bench.commit(FIRST)]
    records.append(type(bench)(bench.fresh()).commit(SECOND))
    reader = bench.fresh()
    assert list(reader.records()) == records
    getattr(bench.store, verb)()
    (name,) = bench.files("index")
    assert ids_of(bench.read(f"index/{name}")) == [FIRST, SECOND]
    records.append(bench.commit(THIRD))
    assert list(reader.records()) == list(bench.fresh().records()) == records
    assert bench.store.verify() == []


def test_writer_goes_on_after_another_process_compacted(
    bench: "Bench", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commits that vanish into a file that was deleted under their writer."""
    records = [bench.commit(FIRST), bench.commit(SECOND)]
    reader = bench.fresh()
    assert list(reader.records()) == records
    bench.fresh().compact_index()
    records.append(bench.commit(THIRD))
    monkeypatch.setattr("runners.storage.records.parse", None)
    assert list(reader.records()) == list(bench.fresh().records()) == records


class SlowFiles(LocalFiles):
    """A place where writing takes a while and two writers of one file would be seen."""

    writers = 0

    def append(self, path: str, data: bytes) -> None:
        """Write, and let other threads run meanwhile."""
        self.writers += 1
        time.sleep(0.005)
        assert self.writers == 1
        super().append(path, data)
        self.writers -= 1


def test_threads_take_turns(tmp_path: Path) -> None:
    """Two threads of a worker that lose each other's lines."""
    index = Index(SlowFiles(str(tmp_path)))
    lines = [f"{number}".encode() for number in range(8)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda line: index.append([line]), lines))
    (file,) = (tmp_path / "index").iterdir()
    assert sorted(file.read_bytes().splitlines()) == lines


def test_readers_of_a_store_that_is_not_theirs(
    local: "Bench", monkeypatch: pytest.MonkeyPatch
) -> None:
    """A colleague who may read a store and is told that he may not write it."""
    local.commit(FIRST)
    local.remove("index")
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    assert local.fresh().done([FIRST]) == {FIRST}
    assert not Path(local.store.root, "index").exists()

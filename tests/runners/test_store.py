"""The store as its users see it, in a folder and in memory."""

import dataclasses
import hashlib
import json
import os
import pickle
import shutil
import tempfile
import uuid
from pathlib import Path

import fsspec
import pytest

from runners.record import Failure, TrialRecord
from runners.store import Attempt, Store

TRIAL = "ab0123456789cdef"
OTHER = "cd0123456789cdef"


@pytest.fixture
def store(root: str) -> Store:
    """A store with nothing in it."""
    return Store(root)


@pytest.fixture
def local(tmp_path: Path) -> Store:
    """A store with nothing in it, in a folder."""
    return Store(tmp_path / "store")


def record_of(attempt: Attempt, score: float = 50.0) -> TrialRecord:
    """What an attempt would commit."""
    return TrialRecord(
        trial_id=attempt.trial_id,
        attempt=attempt.id,
        stage="tuning",
        label="60k-p20-boolq-s0",
        config={"task": "boolq"},
        metrics={"score": score},
        provenance={"host": "here"},
        files={},
    )


def commit(store: Store, trial_id: str, score: float = 50.0) -> TrialRecord:
    """A committed record with one file."""
    attempt = store.begin(trial_id)
    (attempt.folder / "history.jsonl").write_text(f'{{"score": {score}}}\n')
    assert attempt.commit(record_of(attempt, score))
    record = store.get(trial_id)
    assert record is not None
    return record


def failure_of(trial_id: str, attempt: str, kind: str = "code", message: str = "") -> Failure:
    """What `fail` is told."""
    return Failure(
        trial_id=trial_id, attempt=attempt, kind=kind, message=message, config={}, provenance={}
    )


def remove(store: Store, path: str) -> None:
    """Delete a file or a folder behind the back of the store."""
    fs, base = fsspec.core.url_to_fs(store.root)
    fs.rm(f"{base}/{path}", recursive=True)


def test_opening_and_reading_writes_nothing(store: Store) -> None:
    """A typing error in a root that leaves an empty store behind, or reads as an error."""
    assert store.get(TRIAL) is None
    assert store.done([TRIAL]) == set()
    assert list(store.records()) == []
    assert list(store.failures()) == []
    assert list(store.discards()) == []
    assert store.load_state(TRIAL, "prompt") is None
    assert store.manifests() == {}
    assert store.verify() == []
    assert not fsspec.core.url_to_fs(store.root)[0].exists(store.root)


def test_commit_keeps_record_and_files(store: Store) -> None:
    """Files lost or changed on their way into the store, checksums of something else."""
    attempt = store.begin(TRIAL)
    (attempt.folder / "history.jsonl").write_bytes(b"{}\n")
    (attempt.folder / "model").mkdir()
    (attempt.folder / "model" / "weights").write_bytes(b"\0\1")
    given = record_of(attempt, score=61.5)
    assert attempt.commit(given)
    checksums = {
        "history.jsonl": hashlib.sha256(b"{}\n").hexdigest(),
        "model/weights": hashlib.sha256(b"\0\1").hexdigest(),
    }
    assert store.get(TRIAL) == dataclasses.replace(given, files=checksums)
    assert store.read(TRIAL, "model/weights") == b"\0\1"
    with fsspec.open(store.path(TRIAL, "history.jsonl"), "rb") as file:
        assert file.read() == b"{}\n"
    assert store.verify() == []


def test_first_commit_wins_and_the_second_is_kept_as_a_discard(store: Store) -> None:
    """A late result that replaces the committed one, or vanishes without a trace."""
    early, late = store.begin(TRIAL), store.begin(TRIAL)
    assert late.commit(record_of(late, score=1.0))
    assert not early.commit(record_of(early, score=2.0))
    standing = store.get(TRIAL)
    assert standing is not None
    assert standing.attempt == late.id
    assert [record.metrics["score"] for record in store.records()] == [1.0]
    (discard,) = store.discards()
    assert (discard.trial_id, discard.attempt, discard.winner) == (TRIAL, early.id, late.id)
    assert TrialRecord.from_json(discard.record).metrics == {"score": 2.0}


def test_commit_may_be_repeated(store: Store) -> None:
    """A commit whose answer was lost, asked again, that discards its own result."""
    attempt = store.begin(TRIAL)
    assert attempt.commit(record_of(attempt))
    assert attempt.commit(record_of(attempt))
    assert list(store.discards()) == []
    assert store.verify() == []


def test_commit_refuses_what_is_not_its_own(store: Store) -> None:
    """Records mixed up within a pack."""
    mine, theirs = store.begin(TRIAL), store.begin(OTHER)
    with pytest.raises(ValueError, match=f"record of trial {OTHER}.*commit it with its own"):
        mine.commit(record_of(theirs))
    with pytest.raises(ValueError, match=r"names the files x; leave files empty"):
        mine.commit(dataclasses.replace(record_of(mine), files={"x": "0"}))
    with pytest.raises(ValueError, match="not JSON compliant"):
        mine.commit(record_of(mine, score=float("nan")))
    assert store.done([TRIAL, OTHER]) == set()
    assert mine.commit(record_of(mine))


def test_abandoned_attempt_leaves_no_files(store: Store) -> None:
    """Failed attempts that fill the disk."""
    attempt = store.begin(TRIAL)
    (attempt.folder / "history.jsonl").write_text("{}\n")
    attempt.abandon()
    assert not attempt.folder.exists()
    assert store.done([TRIAL]) == set()


def test_local_attempts_write_where_their_files_stay(local: Store) -> None:
    """Files of a local store that are copied, or lie where nobody looks for them."""
    attempt = local.begin(TRIAL)
    assert attempt.folder == Path(local.root, "trials", "ab", TRIAL, attempt.id)


def test_remote_attempts_upload_once_and_clean_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A temporary folder that fills with every trial a worker runs; uploads for nothing."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    store = Store(f"memory://{uuid.uuid4().hex}")
    winner, loser = store.begin(TRIAL), store.begin(TRIAL)
    for attempt in (winner, loser):
        (attempt.folder / "history.jsonl").write_text("{}\n")
    assert winner.commit(record_of(winner))
    assert not loser.commit(record_of(loser))
    assert list(tmp_path.iterdir()) == []
    found = fsspec.filesystem("memory").find(f"{store.root}/trials/ab/{TRIAL}")
    assert [path.rpartition(TRIAL)[2] for path in found] == [
        f"/{winner.id}/history.jsonl",
        "/record.json",
    ]


@pytest.mark.parametrize("trial_id", ["", "trial", "../../etc/passwd0", TRIAL.upper(), TRIAL + "0"])
def test_trial_ids_are_checked(store: Store, trial_id: str) -> None:
    """A name that is no id, which writes outside its shard."""
    with pytest.raises(ValueError, match="is not 16 hex digits"):
        store.begin(trial_id)
    with pytest.raises(ValueError, match="is not 16 hex digits"):
        store.done([trial_id])
    with pytest.raises(ValueError, match="is not 16 hex digits"):
        store.save_state(trial_id, "prompt", b"")


def test_done_and_records_without_an_index(store: Store) -> None:
    """A finished trial that runs again because a cache was deleted."""
    expected = [commit(store, TRIAL), commit(store, OTHER)]
    remove(store, "index")
    fresh = Store(store.root)
    assert list(fresh.records()) == expected
    assert fresh.done([TRIAL, "ee0123456789cdef"]) == {TRIAL}
    assert fresh.verify() == []


def test_done_completes_the_index(local: Store) -> None:
    """Records that stay slow to list for ever after a kill."""
    commit(local, TRIAL)
    shutil.rmtree(Path(local.root, "index"))
    for _ in range(2):
        assert Store(local.root).done([TRIAL]) == {TRIAL}
    (file,) = Path(local.root, "index").iterdir()
    assert [json.loads(line)["trial_id"] for line in file.read_text().splitlines()] == [TRIAL]


def test_records_come_in_one_order(store: Store) -> None:
    """Figures that change with the order in which trials happened to finish."""
    ids = [f"{shard}0123456789cdef" for shard in ("ff", "00", "7a", "7b")]
    for trial_id in ids:
        commit(store, trial_id)
    assert [record.trial_id for record in store.records()] == sorted(ids)


@pytest.mark.parametrize("what", ["record.json", ""])
def test_record_removed_by_hand_runs_again(store: Store, what: str) -> None:
    """An index that keeps alive what its owner deleted, or mixes it with its successor."""
    commit(store, TRIAL, score=1.0)
    remove(store, f"trials/ab/{TRIAL}/{what}".rstrip("/"))
    fresh = Store(store.root)
    assert fresh.done([TRIAL]) == set()
    assert list(fresh.records()) == []
    again = commit(fresh, TRIAL, score=2.0)
    assert list(Store(store.root).records()) == [again]
    assert Store(store.root).done([TRIAL]) == {TRIAL}
    fresh.rebuild_index()
    assert fresh.verify() == []


def test_withdrawn_trial_runs_again(store: Store) -> None:
    """A result taken back that still counts, or is lost."""
    first = commit(store, TRIAL, score=1.0)
    kept = commit(store, OTHER)
    store.withdraw(TRIAL, "its data changed")
    assert store.done([TRIAL, OTHER]) == {OTHER}
    assert list(Store(store.root).records()) == [kept]
    (discard,) = store.discards()
    assert (discard.reason, discard.winner) == ("its data changed", None)
    assert TrialRecord.from_json(discard.record) == first
    again = commit(store, TRIAL, score=2.0)
    assert list(Store(store.root).records()) == [again, kept]
    assert store.verify() == []
    with pytest.raises(ValueError, match="has no record"):
        store.withdraw("ee0123456789cdef", "never ran")


def test_failures_are_the_latest_of_unfinished_trials(store: Store) -> None:
    """A trial that failed once and then succeeded, still counted as failed."""
    store.fail(failure_of(TRIAL, "zz", "out_of_memory", "first"))
    store.fail(failure_of(OTHER, "aa", "code", "before"))
    store.fail(failure_of(TRIAL, "aa", "diverged", "second"))
    assert [(f.trial_id, f.message) for f in store.failures()] == [
        (TRIAL, "second"),
        (OTHER, "before"),
    ]
    commit(store, OTHER)
    assert [f.message for f in store.failures()] == ["second"]


def test_failure_kinds_are_checked(store: Store) -> None:
    """A misspelt class of failure that no report counts."""
    with pytest.raises(ValueError, match=r"'divergd': is not one of .*did you mean 'diverged'"):
        store.fail(failure_of(TRIAL, "a", "divergd"))


def test_states_are_kept_by_name_and_replaced(store: Store) -> None:
    """A prompt restored as optimizer state, or states of a finished trial that stay."""
    store.save_state(TRIAL, "prompt", b"old")
    store.save_state(TRIAL, "prompt", b"new")
    store.save_state(TRIAL, "optimizer", b"")
    store.save_state(OTHER, "prompt", b"other")
    fresh = Store(store.root)
    assert fresh.load_state(TRIAL, "prompt") == b"new"
    assert fresh.load_state(TRIAL, "optimizer") == b""
    assert fresh.load_state(TRIAL, "data") is None
    fresh.clear_state(TRIAL)
    fresh.clear_state(TRIAL)
    assert fresh.load_state(TRIAL, "prompt") is None
    assert fresh.load_state(OTHER, "prompt") == b"other"
    assert fresh.running() == {OTHER}
    commit(store, OTHER)
    assert fresh.running() == set()
    with pytest.raises(ValueError, match=r"state '\.\./x': is not"):
        store.save_state(TRIAL, "../x", b"")


def test_manifests(store: Store) -> None:
    """A sweep drawn from another sweep's manifest."""
    store.write_manifest("laptop", {"trials": [1]})
    store.write_manifest("laptop", {"trials": [1, 2]})
    store.write_manifest("laptop_study", {"axes": {"seed": [0]}})
    assert Store(store.root).manifests() == {
        "laptop": {"trials": [1, 2]},
        "laptop_study": {"axes": {"seed": [0]}},
    }
    with pytest.raises(ValueError, match=r"'laptp': is not in store .*did you mean 'laptop'"):
        store.manifest("laptp")


def test_paths_say_what_is_missing(store: Store) -> None:
    """An error that leaves the user to look through folders."""
    with pytest.raises(ValueError, match=f"trial {TRIAL}: is not committed in store"):
        store.path(TRIAL, "history.jsonl")
    commit(store, TRIAL)
    with pytest.raises(ValueError, match=r"no file 'history.json'; did you mean 'history.jsonl'"):
        store.read(TRIAL, "history.json")


def test_store_travels_to_other_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker in another working directory that commits into a store of its own."""
    monkeypatch.chdir(tmp_path)
    store = Store("results/laptop")
    copy = pickle.dumps(store)
    (tmp_path / "elsewhere").mkdir()
    os.chdir(tmp_path / "elsewhere")
    commit(pickle.loads(copy), TRIAL)
    assert store.done([TRIAL]) == {TRIAL}
    assert Store(f"file://{store.root}").done([TRIAL]) == {TRIAL}

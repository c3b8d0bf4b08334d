"""Broken and foreign files: they stop nothing, and nobody can overlook them."""

import json
import pickle
from typing import TYPE_CHECKING

import pytest

from runners.record import Failure
from runners.store import Defect, DefectError

if TYPE_CHECKING:
    from tests.runners.storage.conftest import Bench

EARLY, TRIAL, LATE = "000123456789cdef", "ab0123456789cdef", "cd0123456789cdef"
RECORD = f"trials/ab/{TRIAL}/record.json"
BROKEN = {
    "half": (b'{"attempt": "a', "is not readable"),
    "empty": (b"", "is not readable"),
    "no text": (b"\xff\xfe", "is not readable"),
    "foreign": (b'{"score": 3}', "is not readable .*foreign keys"),
    "list": (b"[]", "is not readable"),
}


@pytest.mark.parametrize(("data", "problem"), BROKEN.values(), ids=BROKEN)
def test_unreadable_record(bench: "Bench", data: bytes, problem: str) -> None:
    """One broken file that hides 99,999 good ones, or is left out of a mean in silence."""
    good = [bench.commit(EARLY), bench.commit(LATE)]
    bench.write(RECORD, data)
    records = bench.store.records()
    assert [next(records), next(records)] == good
    with pytest.raises(DefectError, match=f"{RECORD}: {problem}"):
        next(records)
    defects: list[Defect] = []
    assert list(bench.store.records(defects)) == good
    assert [defect.path for defect in defects] == [RECORD]
    with pytest.raises(DefectError, match="remove this file, and the trial runs again"):
        bench.store.done([TRIAL, LATE])
    assert bench.store.done([TRIAL, LATE], []) == {LATE}
    assert bench.store.done([LATE]) == {LATE}
    with pytest.raises(DefectError, match=problem):
        bench.store.get(TRIAL)
    assert [defect.path for defect in bench.store.verify()] == [RECORD]


def test_record_of_another_trial(bench: "Bench") -> None:
    """A folder copied under another id, which counts a trial twice."""
    record = bench.commit(LATE)
    copies = [RECORD, f"trials/ab/{LATE}/record.json", "trials/ab/copy/record.json"]
    for path in copies:
        bench.write(path, record.to_json().encode())
    defects: list[Defect] = []
    assert list(bench.store.records(defects)) == [record]
    assert {defect.path: defect.problem for defect in defects} == {
        copies[0]: f"belongs to trial {LATE}",
        copies[1]: "is not where a trial belongs",
        copies[2]: "is not where a trial belongs",
    }
    assert sorted(defect.path for defect in bench.store.verify()) == sorted(copies)


def test_record_with_wrong_types(bench: "Bench") -> None:
    """A record that passes here and breaks every figure later."""
    values = json.loads(bench.commit(TRIAL).to_json()) | {"metrics": None, "label": 3}
    bench.remove("index")
    bench.write(RECORD, json.dumps(values).encode())
    with pytest.raises(DefectError, match=r"wrong type at \['label', 'metrics'\]"):
        list(bench.fresh().records())


def test_record_printed_over_many_lines(bench: "Bench") -> None:
    """A record that somebody formatted, which tears the index apart."""
    record = bench.commit(TRIAL)
    bench.remove("index")
    bench.write(RECORD, json.dumps(json.loads(record.to_json()), indent=2).encode())
    assert bench.fresh().done([TRIAL]) == {TRIAL}
    assert list(bench.fresh().records()) == [record]
    assert bench.fresh().verify() == []


def test_commit_over_an_unreadable_record(bench: "Bench") -> None:
    """A result lost because the place it belongs to is taken by rubbish."""
    attempt = bench.store.begin(TRIAL)
    (attempt.folder / "history.jsonl").write_text("{}\n")
    bench.write(RECORD, b"{")
    with pytest.raises(DefectError, match="is not readable"):
        attempt.commit(bench.record_of(attempt))
    bench.remove(RECORD)
    assert attempt.commit(bench.record_of(attempt))
    assert bench.store.read(TRIAL, "history.jsonl") == b"{}\n"


def test_unreadable_record_can_be_withdrawn(bench: "Bench") -> None:
    """A broken record that no command of the store can move out of the way."""
    bench.commit(LATE)
    bench.write(RECORD, b"{\xff")
    bench.store.withdraw(TRIAL, "unreadable")
    assert bench.store.done([TRIAL, LATE]) == {LATE}
    assert [discard.reason for discard in bench.store.discards()] == ["unreadable"]


def test_unreadable_failure(bench: "Bench") -> None:
    """A failure report that stops at the first broken file, or says one failure less."""
    bench.store.fail(
        Failure(trial_id=TRIAL, attempt="a", kind="code", message="", config={}, provenance={})
    )
    broken = [f"failures/cd/{LATE}/x.json", "failures/notes.txt"]
    for path in broken:
        bench.write(path, b"{")
    defects: list[Defect] = []
    assert [failure.trial_id for failure in bench.store.failures(defects)] == [TRIAL]
    assert sorted(defect.path for defect in defects) == broken
    with pytest.raises(DefectError, match="2 defects"):
        list(bench.store.failures())
    assert sorted(defect.path for defect in bench.store.verify()) == broken


def test_unreadable_discard(bench: "Bench") -> None:
    """A discard that nobody can explain, passed over."""
    bench.write("layout.json", b'{"layout": "promptscale-store", "version": 1}')
    bench.write(f"discarded/ab/{TRIAL}/a.json", b'{"reason": "?"}')
    with pytest.raises(DefectError, match=r"1 defect\n.*Discard: is not an object with the keys"):
        list(bench.store.discards())
    assert len(bench.store.verify()) == 1


@pytest.mark.parametrize("cut", [0, 5, 20, 40, 43])
def test_torn_state(bench: "Bench", cut: int) -> None:
    """Training that goes on from half a checkpoint."""
    path = f"running/{TRIAL}/prompt"
    bench.store.save_state(TRIAL, "prompt", b"four")
    assert len(bench.read(path)) == 44
    bench.write(path, bench.read(path)[:cut])
    with pytest.raises(DefectError, match=f"{path}: is torn"):
        bench.store.load_state(TRIAL, "prompt")
    assert [defect.path for defect in bench.store.verify()] == [path]
    bench.store.clear_state(TRIAL)
    assert bench.store.load_state(TRIAL, "prompt") is None


@pytest.mark.parametrize("data", [b"{", b"[]"])
def test_unreadable_manifest(bench: "Bench", data: bytes) -> None:
    """A sweep that reads as one without trials."""
    bench.store.write_manifest("laptop", {})
    bench.write("manifests/laptop.json", data)
    with pytest.raises(DefectError, match=r"manifests/laptop.json: is not"):
        bench.store.manifest("laptop")
    bench.store.write_manifest("whole", {})
    with pytest.raises(DefectError, match=r"manifests/laptop.json: is not"):
        bench.store.manifests()
    defects: list[Defect] = []
    assert bench.store.manifests(defects) == {"whole": {}}
    assert [defect.path for defect in defects] == ["manifests/laptop.json"]
    assert len(bench.store.verify()) == 1


def test_changed_and_missing_files(bench: "Bench") -> None:
    """Predictions that are no longer those that were scored."""
    kept, changed, missing = bench.commit(EARLY), bench.commit(TRIAL), bench.commit(LATE)
    folders = {
        record.trial_id: f"trials/{record.trial_id[:2]}/{record.trial_id}/{record.attempt}"
        for record in (changed, missing)
    }
    bench.write(f"{folders[TRIAL]}/history.jsonl", b'{"score": 99}\n')
    bench.remove(f"{folders[LATE]}/history.jsonl")
    assert {defect.path: defect.problem for defect in bench.store.verify()} == {
        f"{folders[TRIAL]}/history.jsonl": "is not what was committed",
        f"{folders[LATE]}/history.jsonl": "is missing",
    }
    assert list(bench.store.records()) == [kept, changed, missing]
    with pytest.raises(DefectError, match=r"history\.jsonl: is missing"):
        bench.store.read(LATE, "history.jsonl")


def test_index_that_differs_from_the_records(bench: "Bench") -> None:
    """A figure drawn from a stale cache that no check ever questions."""
    record = bench.commit(TRIAL)
    bench.write(RECORD, record.to_json().replace("50.0", "51.0").encode())
    (defect,) = bench.fresh().verify()
    assert str(defect) == (
        f"index: 1 lines differ from their records, that of {TRIAL} among them; "
        "rebuild it (python -m sweeps verify --rebuild-index)"
    )
    bench.store.rebuild_index()
    assert bench.fresh().verify() == []
    assert [record.metrics["score"] for record in bench.store.records()] == [51.0]


def test_error_crosses_processes() -> None:
    """A worker's DefectError that arrives as an error about pickling."""
    error = DefectError("/store", [Defect(path="a", problem="is broken", remedy="mend it")])
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error) == "store /store: 1 defect\na: is broken; mend it"
    assert copy.defects == error.defects

"""What a node says of itself, and what is made of it. Real nodes: tests/slow/test_cluster.py."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from ray.exceptions import GetTimeoutError, RayTaskError, WorkerCrashedError

from runners.storage.files import Files, open_files
from sweeps import checkout, doctor_nodes
from sweeps.doctor_nodes import Asked, Told, look
from sweeps.finding import PROBE, Finding, store_finding

GOOD = Finding(subject="store", verdict="good", said="can be written")
Judge = Callable[..., list[str]]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a file to come into sight."""
    monkeypatch.setattr(doctor_nodes, "SIGHT_SECONDS", 0.0)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """A place for a store, which the driver sees."""
    return open_files(str(tmp_path / "store"))


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch, files: Files) -> Judge:
    """What is said of a node that answers so, or whose task ends in this error."""

    def judge(answer: Told | Exception, *, marks: bool = True) -> list[str]:
        def get(_: object, timeout: float) -> Told:
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr("ray.get", get)
        if marks:
            files.create("mark", PROBE)
        found = doctor_nodes._judged("node a", None, files, "mark")
        files.remove("mark")
        verdicts = {each.verdict for each in found} - {"concern"}
        assert verdicts == {"bad"} or (verdicts == {"good"} and found[-1].verdict == "good")
        return [f"{each.verdict} {each.subject}: {each.said}" for each in found]

    return judge


def test_what_is_made_of_an_answer(judged: Judge) -> None:
    """Nodes of another code or with a folder of their own, which run trials all the same."""
    here = checkout.fingerprint()
    assert judged(Told(code=here, store=GOOD)) == ["good node a: same code, and the same store"]
    assert judged(Told(code="c0", store=None)) == [
        f"bad node a: has code c0, and here is {here}; send the checkout there",
        "bad node a, store: does not see what is written here; name a shared folder or a URL",
    ]
    assert judged(Told(code=here, store=GOOD), marks=False) == [
        "bad node a, store: writes what is not seen here; name a shared folder or a URL"
    ]
    lacking = Told(code=here, store=GOOD, lacks=("data/glue does not exist",))
    assert judged(lacking) == ["bad node a: data/glue does not exist"]
    full = Finding(subject="store", verdict="bad", said="cannot be written (full)")
    assert judged(Told(code=here, store=full)) == ["bad node a, store: cannot be written (full)"]


def test_what_is_made_of_a_node_that_does_not_answer(judged: Judge) -> None:
    """A dead node or one without the code that ends the look at all others, or passes for good."""
    wrap: Callable[..., Exception] = RayTaskError
    absent = wrap("look", "trace", ModuleNotFoundError("No module named 'sweeps'"), "t", 1, "ip")
    assert judged(GetTimeoutError()) == ["bad node a: says nothing for 60 s"]
    assert judged(absent) == [
        "bad node a: cannot run this code (No module named 'sweeps'); send the checkout there"
    ]
    assert judged(WorkerCrashedError())[0].startswith("bad node a: cannot run this code (The")


def test_a_node_looks_and_leaves_a_mark(files: Files) -> None:
    """A node that calls a store its own which it made itself."""
    assert look(Asked(root=files.root, probe="probe", mark="mark")).store is None
    assert not Path(files.root).exists()
    files.create("probe", PROBE)
    told = look(Asked(root=files.root, probe="probe", mark="mark"))
    assert told == Told(code=checkout.fingerprint(), store=store_finding(files.root))
    assert sorted(files.sizes("")) == ["mark", "probe"]


def test_a_node_takes_away_what_was_not_submitted(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module that was renamed, left on the workers by the sync, so that no submit runs again."""
    root = tmp_path / "checkout"
    (root / "runners").mkdir(parents=True)
    (root / "runners" / "kept.py").touch()
    (root / "runners" / "old.py").touch()
    monkeypatch.setattr(checkout, "ROOT", root)
    asked = Asked(root=files.root, probe="probe", mark="mark")
    assert look(asked).removed == ()
    assert (root / "runners" / "old.py").exists(), "nobody sent the code that is there"
    told = look(replace(asked, submitted={"runners/kept.py": ""}, needs=(tmp_path / "glue",)))
    assert told.removed == ("runners/old.py",)
    assert told.lacks == (f"{tmp_path / 'glue'} does not exist",)
    assert [path.name for path in (root / "runners").iterdir()] == ["kept.py"]


def test_what_a_node_took_away_is_told(judged: Judge) -> None:
    """A file that is gone, and nobody knows why."""
    told = Told(code=checkout.fingerprint(), store=GOOD, removed=("runners/old.py",))
    assert judged(told) == [
        "concern node a: runners/old.py is removed: it was not submitted",
        "good node a: same code, and the same store",
    ]

"""The command line of sweeps: verbs, exit codes, and what goes to which stream."""

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from runners.store import Store
from sweeps import cli, lease, waiting
from sweeps.cli import main
from sweeps.lease import LostError
from sweeps.remote import Submission, submission
from sweeps.spec import SweepSpec


@pytest.fixture
def path(tmp_path: Path, text: str, store: Store) -> str:
    """A spec file whose store is empty."""
    file = tmp_path / "small.yaml"
    file.write_text(text.replace("results/small", store.root))
    return str(file)


def test_plan_and_status_print_tables(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A verb that prints nothing, or fails on an empty store, greets every first user."""
    assert main(["plan", path]) == 0
    plan = capsys.readouterr().out
    assert main(["status", path]) == 0
    status = capsys.readouterr().out
    assert plan.startswith("small: star design")
    assert "prompt_tuning" in status
    assert "panel" not in status


def test_plan_lists_trials_when_asked(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A flag that is read and not used."""
    main(["plan", path])
    short = capsys.readouterr().out
    main(["plan", path, "--trials", "--packs"])
    long = capsys.readouterr().out
    assert long.startswith(short.rstrip())
    assert "one row  all rows" in long
    assert long.count("missing  ") >= 20


def test_plan_for_a_cluster(path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A plan that ends well although nothing has room, or that is the plan of this machine."""
    cluster = tmp_path / "cluster.yaml"
    lines = "metadata: {{nodes: {{small: {{cpus: 4, memory_gb: {}}}}}}}"
    cluster.write_text(lines.format(16))
    assert main(["plan", path, "--cluster", str(cluster), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [node["name"] for node in told["forecast"]["nodes"]] == ["small"]
    assert told["forecast"]["nodes"][0]["slots"] == 2, "what a run would take, by its spec"
    assert main(["plan", path, "--cluster", str(cluster), "--json", "--workers", "all"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["forecast"]["nodes"][0]["slots"] == 4
    cluster.write_text(lines.format(0.1))
    assert main(["plan", path, "--cluster", str(cluster)]) == 2
    assert "with one row at a time, and small has" in capsys.readouterr().err


def test_a_reader_that_goes_away_ends_the_plan(path: str) -> None:
    """`plan SPEC | head` that ends in a traceback."""
    piped = f"{sys.executable} -m sweeps plan {path} --trials | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", piped], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.splitlines()[1] in ("0", "141")


def test_planning_loads_neither_torch_nor_ray(path: str) -> None:
    """A plan that takes seconds before it says a word."""
    code = (
        f"import sys\nfrom sweeps.cli import main\nmain(['plan', {path!r}])\n"
        "assert not {'torch', 'ray', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)


def test_planning_writes_nothing(path: str, store: Store) -> None:
    """A look at a sweep must not make its store."""
    main(["plan", path])
    main(["status", path])
    assert not Path(store.root).exists()


def test_a_bad_spec_exits_with_2(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A script must tell 'nothing was started' from 'some trials failed'."""
    Path(path).write_text("name: x\n")
    assert main(["run", path]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines()[-1].endswith("mistakes; nothing was started")
    assert f"{path}:1: design: None is missing" in told.err


def test_a_missing_spec_exits_with_2(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A traceback for a mistyped path."""
    assert main(["plan", path + "l"]) == 2
    assert f"did you mean {path}?" in capsys.readouterr().err


def test_a_store_that_is_none_exits_with_2(
    path: str, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder of something else must not be taken for an empty store."""
    Path(store.root).write_text("a file")
    assert main(["plan", path]) == 2
    assert "is a file" in capsys.readouterr().err


@pytest.mark.parametrize("code", [0, 1])
def test_run_hands_over_and_returns_the_code(
    path: str, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """A failed sweep that exits with 0 passes for a good one."""
    ran: list[SweepSpec] = []

    def run(spec: SweepSpec, **__: bool) -> int:
        ran.append(spec)
        return code

    monkeypatch.setattr(cli, "run", run)
    assert main(["run", path]) == code
    assert [spec.path for spec in ran] == [path]


def test_a_driver_that_was_given_up_says_so(
    path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A traceback for what is no fault of the code."""

    def run(_: SweepSpec, **__: bool) -> int:
        raise LostError("another driver has taken over")

    monkeypatch.setattr(cli, "run", run)
    assert main(["run", path]) == 1
    assert capsys.readouterr().err == "another driver has taken over\n"


def test_waiting_ends_with_the_truth(
    path: str,
    store: Store,
    spec: SweepSpec,
    commit: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A script that polls a sweep and takes a running or a failed one for a finished one."""
    monkeypatch.setattr(waiting, "START_SECONDS", 0.0)
    with lease.take(store, "small"):
        assert main(["status", path, "--wait", "--seconds", "0.1"]) == 3
    assert capsys.readouterr().out.endswith("small: still runs after 0.1 s of waiting\n")
    assert main(["status", path, "--wait"]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("small: 0 of 20 trials are done, 0 failed, 20 are missing")
    for trial in spec.trials:
        commit(trial.config.trial_id)
    assert main(["status", path, "--wait"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "small: all 20 trials are done"


def test_a_damaged_result_is_found_and_taken_back(
    path: str, store: Store, commit: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Remedies that errors name and no command has."""
    commit("0123456789abcdef", files={"prompt.safetensors": b"whole"})
    assert main(["verify", path]) == 0
    assert capsys.readouterr().out == f"{store.root}: no defects\n"
    Path(store.path("0123456789abcdef", "prompt.safetensors")).write_bytes(b"torn")
    assert main(["verify", path]) == 1
    told = capsys.readouterr().out
    assert "prompt.safetensors: is not what was committed; withdraw the trial" in told
    assert told.endswith("1 defect\n")
    assert main(["withdraw", path, "0123456789abcdef", "--reason", "torn"]) == 0
    assert store.get("0123456789abcdef") is None
    assert [discard.reason for discard in store.discards()] == ["torn"]
    assert main(["withdraw", path, "0123456789abcdef", "--reason", "torn"]) == 2
    assert "has no record" in capsys.readouterr().err


def test_an_index_is_written_anew(path: str, store: Store, commit: Callable[..., None]) -> None:
    """An index that lies, and no way to mend it but by hand."""
    commit("0123456789abcdef")
    for file in Path(store.root, "index").iterdir():
        file.write_text(file.read_text().replace("50.0", "60.0"))
    assert main(["verify", path]) == 1
    assert main(["verify", path, "--rebuild-index"]) == 0
    assert [record.metrics["score"] for record in Store(store.root).records()] == [50.0]


def test_a_checkpoint_is_dropped(path: str, store: Store) -> None:
    """A torn checkpoint that fails its trial at every run."""
    store.save_state("0123456789abcdef", "run.safetensors", b"state")
    assert main(["restart", path, "0123456789abcdef"]) == 0
    assert store.running() == set()


@pytest.mark.parametrize("words", [[], ["plan"], ["paln", "x.yaml"]])
def test_bad_usage_exits_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A command that does something when it was told nothing."""
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert "usage: python -m sweeps" in capsys.readouterr().err


CLUSTER = "metadata: {{nodes: {{small: {{cpus: 4, memory_gb: {}, count: 3}}}}}}"


@pytest.fixture
def submitted(monkeypatch: pytest.MonkeyPatch) -> list[Submission]:
    """What was submitted, and sent nowhere; specs may lie anywhere."""
    made: list[Submission] = []

    def submit(asked: Submission) -> int:
        made.append(asked)
        return 0

    monkeypatch.setattr(cli, "submit", submit)
    monkeypatch.setattr(cli, "submission", partial(submission, root=Path("/")))
    return made


def test_a_submit_that_has_no_room_sends_nothing(
    path: str, tmp_path: Path, submitted: list[Submission], capsys: pytest.CaptureFixture[str]
) -> None:
    """Code that is sent, and workers that wait for ever for a node with their memory or cores."""
    cluster = tmp_path / "cluster.yaml"
    cluster.write_text(CLUSTER.format(0.1))
    assert main(["submit", path, "--cluster", str(cluster)]) == 2
    said = capsys.readouterr().err
    assert "nothing was started, for lack of room" in said
    assert "with one row at a time" in said
    assert submitted == []


@pytest.mark.parametrize(("words", "told"), [([], None), (["all"], "12"), (["5"], "5")])
def test_a_submit_gives_the_workers_that_are_asked_for(
    path: str, tmp_path: Path, submitted: list[Submission], words: list[str], told: str | None
) -> None:
    """A plan for twelve workers and a run with the two of the spec."""
    cluster = tmp_path / "cluster.yaml"
    cluster.write_text(CLUSTER.format(16))
    workers = ["--workers", *words] if words else []
    assert main(["submit", path, "--cluster", str(cluster), *workers]) == 0
    assert [each.workers for each in submitted] == [told]


def test_a_cluster_that_says_nothing_of_its_nodes_is_submitted_to(
    path: str, tmp_path: Path, submitted: list[Submission], capsys: pytest.CaptureFixture[str]
) -> None:
    """A cluster file of somebody's own that is refused, or passes for looked at."""
    cluster = tmp_path / "cluster.yaml"
    cluster.write_text("cluster_name: mine")
    assert main(["submit", path, "--cluster", str(cluster), "--workers", "all"]) == 0
    assert "whether there is room is not looked at" in capsys.readouterr().out
    assert [each.workers for each in submitted] == ["all"]


def test_workers_are_a_number_or_all(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A run with one worker, for `--workers half` is read as nothing."""
    for said in ("half", "0", "-1"):
        assert main(["plan", path, f"--workers={said}"]) == 2
        assert "is neither a whole number of 1 or more nor all" in capsys.readouterr().err
    assert main(["plan", path, "--workers", "1"]) == 0

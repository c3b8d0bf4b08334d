"""`python -m sweeps submit`: what is sent, in which order, and what is refused."""

import fcntl
import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sweeps import remote
from sweeps.remote import submission, submit

Calls = list[tuple[list[str], dict[str, str] | None]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with a spec and a cluster file."""
    for path in ("runners/a.py", "specs/small one.yaml", "sweep.yaml", "other/mine.yaml"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    return tmp_path


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """The commands of Ray that were called, with the listing where one was sent."""
    made: Calls = []

    def run(words: Sequence[str], **_: Any) -> "subprocess.CompletedProcess[str]":
        command = list(words)[3:]
        sent = [word for word in command if word.endswith("listing.json")]
        made.append((command, json.loads(Path(sent[0]).read_text()) if sent else None))
        return subprocess.CompletedProcess(words, 3 if command[-1] == "--fails" else 0)

    monkeypatch.setattr(subprocess, "run", run)
    return made


def _spec(root: Path) -> str:
    return str(root / "specs" / "small one.yaml")


def test_the_code_is_sent_before_the_script_runs(root: Path, calls: Calls) -> None:
    """Would catch a run of the code that was there before, or a spec cut in two by its blank."""
    asked = submission(_spec(root), cluster=None, tmux=False, sync=True, root=root)
    assert submit(asked, root) == 0
    cluster = str(root / "sweep.yaml")
    (free, _), (code, _), (listing, sent), (script, _) = calls
    assert free[:2] == ["exec", cluster]
    assert code == ["rsync-up", cluster, "--all-nodes"]
    assert listing[:2] == ["rsync-up", cluster]
    assert sent is not None
    assert list(sent) == ["runners/a.py", "specs/small one.yaml"]
    words = ["'specs/small one.yaml'", "--listing", listing[3]]
    assert script == ["submit", cluster, "sweeps/submit.py", "--", *words]


def test_code_is_not_sent_under_a_sweep_that_runs(root: Path, tmp_path: Path) -> None:
    """Would catch workers that import one half of their code from yesterday, the other from now."""
    asked = submission(_spec(root), cluster=None, root=root)
    (_, _, command), *_ = asked.commands(root / "sweep.yaml")

    def there() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["sh", "-c", command], check=False, capture_output=True, text=True,
            env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
        )  # fmt: skip

    assert there().returncode == 0
    with (tmp_path / ".promptscale-running").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        refused = there()
        assert refused.returncode == 1
        assert "still runs" in refused.stdout
        assert "--no-sync" in refused.stdout
    assert there().returncode == 0
    unsent = submission(_spec(root), cluster=None, sync=False, root=root)
    assert [words[0] for words in unsent.commands(root / "sweep.yaml")] == ["rsync-up", "submit"]


def test_workers_are_told(root: Path, calls: Calls) -> None:
    """Would catch a number that is asked for here and not known there."""
    asked = submission(_spec(root), cluster=None, workers="12", root=root)
    assert submit(asked, root) == 0
    assert calls[-1][0][-2:] == ["--workers", "12"]


def test_nothing_is_sent_where_the_code_is_there(root: Path, calls: Calls) -> None:
    """Would catch a sync under a sweep that is running, which was to be left alone."""
    mine = str(root / "other" / "mine.yaml")
    asked = submission(_spec(root), cluster=mine, tmux=False, sync=False, root=root)
    assert submit(asked, root) == 0
    assert [command[0] for command, _ in calls] == ["rsync-up", "submit"]
    assert "--all-nodes" not in calls[0][0]
    assert calls[1][0][1] == mine


def test_a_sweep_in_a_terminal_there_says_how_to_follow_it(
    root: Path, calls: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    """Would catch a sweep that nobody finds again."""
    asked = submission(_spec(root), cluster=None, tmux=True, sync=True, root=root)
    assert submit(asked, root) == 0
    assert calls[-1][0][:3] == ["submit", "--tmux", str(root / "sweep.yaml")]
    told = capsys.readouterr().out
    assert f"ray attach --tmux {root}/sweep.yaml" in told
    assert "status '\"'\"'specs/small one.yaml'\"'\"' --wait" in told


def test_a_command_that_fails_ends_it(
    root: Path, calls: Calls, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Would catch a script started on code that never arrived, or an exit code that is lost."""
    failing = [["rsync-up", "there.yaml", "--fails"], ["submit"]]
    monkeypatch.setattr(remote.Submission, "commands", lambda *_: failing)
    asked = submission(_spec(root), cluster=None, tmux=False, sync=True, root=root)
    assert submit(asked, root) == 3
    assert len(calls) == 1
    assert "`ray up there.yaml` starts it" in capsys.readouterr().err


def test_a_spec_outside_the_checkout_is_refused(root: Path, tmp_path_factory: Any) -> None:
    """Would catch a spec that the cluster does not have."""
    outside = tmp_path_factory.mktemp("outside") / "small.yaml"
    with pytest.raises(ValueError, match=r"lies outside the checkout .* put it there"):
        submission(str(outside), cluster=None, tmux=False, sync=True, root=root)


def test_a_cluster_file_that_is_not_there_is_refused(root: Path) -> None:
    """Would catch a traceback of Ray's in place of the near miss."""
    with pytest.raises(ValueError, match=r"no such cluster file; did you mean \S*sweep\.yaml\?"):
        submission(_spec(root), cluster=str(root / "sweeps.yaml"), tmux=False, sync=True, root=root)

"""The script of `ray submit`, as Ray starts it: alone, in a home folder, with nothing installed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sweeps import checkout

SCRIPT = Path(__file__).parents[2] / "sweeps" / "submit.py"
STAND_IN = """\
import os, sys
print(os.getcwd(), sys.argv[1:], os.environ["RAY_ADDRESS"])
sys.exit(3)
"""
"""Says how `python -m sweeps` was called, and fails in its own way."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home folder with a checkout in it, and the script beside it."""
    for package in ("runners", "sweeps"):
        (tmp_path / "promptscale" / package).mkdir(parents=True)
    sweeps = tmp_path / "promptscale" / "sweeps"
    (sweeps / "__init__.py").touch()
    (sweeps / "__main__.py").write_text(STAND_IN)
    shutil.copy(SCRIPT.with_name("checkout.py"), sweeps)
    shutil.copy(SCRIPT, sweeps)
    shutil.copy(SCRIPT, tmp_path)
    return tmp_path


def start(script: Path, home: Path, *words: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """What Ray does with it; without site packages, for none are promised."""
    environment = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"}
    return subprocess.run(
        [sys.executable, "-S", str(script), "specs/a b.yaml", *words], cwd=home, check=False,
        env=environment | {"HOME": str(home)} | more, capture_output=True, text=True,
    )  # fmt: skip


def test_it_runs_the_spec_in_the_checkout(home: Path) -> None:
    """A relative spec or store that is looked for in the home folder; an exit code that is lost."""
    done = start(home / "submit.py", home)
    said, called = done.stdout.splitlines()
    assert called == f"{home}/promptscale ['run', 'specs/a b.yaml'] auto"
    assert said.endswith("/promptscale holds, compared with nothing")
    assert done.returncode == 3, done.stderr


def test_another_cluster_can_be_named(home: Path) -> None:
    """A Ray job or a cluster of one's own whose address is overruled."""
    done = start(home / "promptscale" / "sweeps" / "submit.py", home, RAY_ADDRESS="10.0.0.1:6379")
    assert done.stdout.splitlines()[-1].endswith(" 10.0.0.1:6379")


def test_a_checkout_of_another_time_is_named(home: Path) -> None:
    """Results of the code of last week, which nobody is told of."""
    (home / "promptscale" / "sweeps" / "submit.py").write_text("")
    assert "this script is another there" in start(home / "submit.py", home).stdout


def test_without_a_checkout_it_says_what_to_do(home: Path) -> None:
    """A traceback where the cluster was never set up."""
    shutil.rmtree(home / "promptscale")
    done = start(home / "submit.py", home)
    assert done.returncode == 2
    assert "there is no checkout in ~/promptscale on " in done.stderr
    assert "`ray up sweep.yaml` puts it there" in done.stderr


def test_a_sweep_that_runs_holds_the_lock(home: Path) -> None:
    """Code that is sent under a running sweep, for the lock went when Python was started anew."""
    held = 'import subprocess, sys; sys.exit(subprocess.call(["flock", "-n", LOCK, "true"]))'
    lock = home / ".promptscale-running"
    main = home / "promptscale" / "sweeps" / "__main__.py"
    main.write_text(held.replace("LOCK", repr(str(lock))))
    assert start(home / "submit.py", home).returncode == 1
    done = subprocess.run(["flock", "-n", str(lock), "true"], check=False)
    assert done.returncode == 0, "it goes with the sweep"


@pytest.fixture
def listed(home: Path) -> Path:
    """The checkout's code as it is submitted, in a file."""
    root = home / "promptscale"
    (root / "specs").mkdir()
    (root / "specs" / "a b.yaml").touch()
    file = home / "listing.json"
    file.write_text(json.dumps(checkout.listing(root, "specs/a b.yaml")))
    return file


def test_code_as_it_was_submitted_runs(home: Path, listed: Path) -> None:
    """Would catch a comparison that nothing passes, or lists that pile up in the home folder."""
    done = start(home / "submit.py", home, "--listing", str(listed))
    said, called = done.stdout.splitlines()
    assert said.endswith("/promptscale is what was submitted")
    assert called.endswith(" ['run', 'specs/a b.yaml', '--prune-nodes'] auto")
    assert not listed.exists()


def test_other_code_runs_nothing(home: Path, listed: Path) -> None:
    """Would catch results of other code than was submitted, for hours and in silence."""
    (home / "promptscale" / "sweeps" / "__init__.py").write_text("x = 1")
    done = start(home / "submit.py", home, "--listing", str(listed))
    assert done.returncode == 2
    assert "nothing was started" in done.stderr
    assert "(other: sweeps/__init__.py); send it, without --no-sync" in done.stderr


def test_code_that_was_left_over_goes(home: Path, listed: Path) -> None:
    """Would catch a module that was deleted here and is imported there."""
    stray = home / "promptscale" / "runners" / "old.py"
    stray.touch()
    done = start(home / "submit.py", home, "--listing", str(listed))
    assert done.returncode == 3, "the sweep's own exit code"
    assert f"{stray} is removed" in done.stdout
    assert not stray.exists()

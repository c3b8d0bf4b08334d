"""The console command."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

import promptscale

ROOT = Path(__file__).resolve().parents[1]


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    """The command in a fresh interpreter, which prints the heavy packages it has loaded."""
    code = (
        "import atexit, sys, promptscale\n"
        "heavy = ('torch', 'ray', 'pandas', 'matplotlib')\n"
        "atexit.register(lambda: print('loaded:', *(m for m in heavy if m in sys.modules)))\n"
        f"sys.exit(promptscale.main({list(words)!r}))"
    )
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_help_names_every_verb_and_is_quick() -> None:
    """A command that imports half of the environment before it says what it can do."""
    started = time.perf_counter()
    done = _run("--help")
    seconds = time.perf_counter() - started

    assert done.returncode == 0
    assert all(verb in done.stdout for verb in promptscale.VERBS)
    assert "loaded:\n" in done.stdout
    # 0.5 s is the promise and 0.1 s what it takes; a busy machine gets the rest.
    assert seconds < 2.0


@pytest.mark.parametrize("verb", promptscale.VERBS)
def test_every_verb_is_known_to_its_package(verb: str) -> None:
    """A verb of the table that its package does not answer, or that is slow to explain itself."""
    done = _run(verb, "--help")

    assert done.returncode == 0, done.stderr
    assert f" {verb} " in done.stdout
    assert "loaded:\n" in done.stdout


def test_an_unknown_verb_is_refused_with_the_nearest() -> None:
    """A typing mistake that ends in a traceback, or that runs something else."""
    done = _run("stats")

    assert done.returncode == 2
    assert "'stats' is not a verb; did you mean 'status'?" in done.stderr

"""The console command."""

import subprocess
import sys
from pathlib import Path

import pytest

import promptscale

ROOT = Path(__file__).resolve().parents[1]


COMMANDS = (
    "lm_adaptation", "model_tuning", "pretraining", "prompt_design", "prompt_tuning", "prompts",
    "skills",
)  # fmt: skip
"""Of `python -m runners.COMMAND`."""


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    """The command in a fresh interpreter, which prints the heavy packages it has loaded."""
    return _watched(f"import promptscale\nsys.exit(promptscale.main({list(words)!r}))")


def _watched(code: str) -> subprocess.CompletedProcess[str]:
    code = (
        "import atexit, sys\n"
        "heavy = ('torch', 'ray', 'pandas', 'matplotlib')\n"
        "atexit.register(lambda: print('loaded:', *(m for m in heavy if m in sys.modules)))\n"
        f"{code}"
    )
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_help_names_every_verb_and_is_light() -> None:
    """A command that imports half of the environment before it says what it can do."""
    done = _run("--help")

    assert done.returncode == 0
    assert all(verb in done.stdout for verb in promptscale.VERBS)
    assert "loaded:\n" in done.stdout


@pytest.mark.parametrize("verb", ["plan", "status"])
def test_looking_at_a_sweep_is_light(verb: str) -> None:
    """A plan that loads torch or ray takes seconds before its first word."""
    done = _run(verb, "sweeps/specs/laptop_study.yaml")

    assert done.returncode == 0, done.stderr
    assert "laptop_study: star design" in done.stdout
    assert "loaded:\n" in done.stdout


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


@pytest.mark.parametrize("command", COMMANDS)
def test_the_runners_explain_themselves_at_once(command: str) -> None:
    """A command that takes seconds to say what its options are, or that they are wrong."""
    module = f"runners.{command}"
    done = _watched(
        f"import runpy\nsys.argv[:] = ['', '--help']\n"
        f"runpy.run_module({module!r}, run_name='__main__')"
    )
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout.lower()
    assert "loaded:\n" in done.stdout

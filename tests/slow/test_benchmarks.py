"""Parts of the benchmarks as they are tried: whether all of it runs, whatever the times are."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("part", "rows"), [("packs", 1), ("memory", 1), ("orchestration", 16)])
def test_a_part_runs_and_makes_its_rows(part: str, rows: int) -> None:
    """Catches a benchmark that no longer fits the code, seen when hours are spent on it."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", part, "--tiny", "--repeats", "2"],
        cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    table = done.stdout.partition("|---|---|---|---|---|\n")[2].splitlines()
    assert len(table) == rows
    assert all(" to " in row for row in table), "a row that was measured once"

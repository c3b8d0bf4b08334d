"""Files of wandb: long ones, cut ones, damaged ones."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sweeps.tracking import offline
from sweeps.tracking.run import Run
from sweeps.tracking.settings import Tracking
from sweeps.tracking.wandb_runs import Runs

STEPS = 400


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A run that takes several blocks of 32 KiB."""
    runs = Runs(Tracking(folder=str(tmp_path), mode="offline"))
    history = tuple(
        (step, {"score": float(step), f"note {'x' * 200}": 1.0}) for step in range(STEPS)
    )
    runs.write(
        Run(id="a" * 16, name="n", group="g", job_type="tuning", tags=(), config={"attempt": "1"},
            history=history, summary={"score": 7.0}, exit_code=0)
    )  # fmt: skip
    runs.settle()
    (folder,) = offline.folders(tmp_path, "a" * 16)
    (path,) = folder.glob("*.wandb")
    return path


def test_records_go_over_blocks(file: Path) -> None:
    """A reader that is lost at the first border of a block."""
    assert file.stat().st_size > 2 * 32 * 1024
    run = offline.read(file.parent)
    assert [row["score"] for row in run.history] == list(range(STEPS))
    assert (run.exit_code, run.summary["score"]) == (0, 7.0)


@pytest.mark.parametrize("left", [0, 3, 7, 40_000])
def test_a_cut_file_is_a_run_that_is_not_closed(file: Path, left: int) -> None:
    """A killed worker's file that stops the mirror, or counts as whole."""
    file.write_bytes(file.read_bytes()[:left])
    run = offline.read(file.parent)
    assert run.exit_code is None
    assert len(run.history) < STEPS


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda data: b"PK" + data[2:], "is no file of wandb"),
        (lambda data: data[:500] + b"zz" + data[502:], "is damaged"),
    ],
)
def test_a_file_of_something_else_is_refused(
    file: Path, change: Callable[[bytes], bytes], told: str
) -> None:
    """Bytes that are taken for results."""
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(ValueError, match=f"{file.name}: {told}"):
        offline.read(file.parent)


def test_no_folder_is_an_empty_run(tmp_path: Path) -> None:
    """A run whose folder was made and whose file was not."""
    found: Any = offline.read(tmp_path)
    assert (found.id, found.exit_code) == ("", None)

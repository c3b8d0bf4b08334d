"""A full disk, a store that is away: known, told, and no trial's fault.

They are made to happen in tests/slow/test_faults.py.
"""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runners.storage.local import LocalFiles
from runners.storage.patience import AwayError
from runners.store import Store
from sweeps import run as sweep_run
from sweeps.cli import main
from sweeps.failures import Explained, PackError
from sweeps.outage import OutageError, explained, kind_of
from sweeps.run import run
from sweeps.spec import SweepSpec, parse

FULL = OSError(errno.ENOSPC, "No space left on device", "/store/trials")
Break = Callable[..., None]


@pytest.fixture
def stored(text: str, store: Store) -> SweepSpec:
    """The small spec with its store in a folder of the test."""
    return parse(text.replace("results/small", store.root), path="small.yaml")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FULL, "disk_full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "disk_full"),
        (AwayError(errno.EIO, "read failed 8 times", "/store"), "store_away"),
        (OSError(errno.EIO, "Input/output error"), None),
        (OSError(errno.EACCES, "Permission denied"), None),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "disk_full"),
        (RuntimeError("no"), None),
    ],
)
def test_what_an_outage_looks_like(error: Exception, kind: str | None) -> None:
    """A quota that counts as a bug, or a bug that counts as a quota."""
    assert kind_of(error) == kind
    wrapped = ValueError("store: cannot be written")
    wrapped.__cause__ = error
    assert kind_of(wrapped) == kind


def test_a_worker_says_where_the_disk_is_full() -> None:
    """Twenty machines, of which one has a full disk, and nobody knows which."""
    with (
        pytest.raises(PackError, match=r"No space left on device.* on \S+$") as caught,
        Explained(),
    ):
        raise FULL
    assert caught.value.loss.kind == "disk_full"


def test_a_disk_that_stumbles_is_no_fault_of_the_code() -> None:
    """A trial that is given up for a read that would have gone well a moment later."""
    with pytest.raises(PackError) as caught, Explained():
        raise OSError(errno.EIO, "Input/output error")
    assert caught.value.loss.kind == "lost_worker"


def test_other_errors_pass(tmp_path: Path) -> None:
    """A refused store that is told to make room."""
    with pytest.raises(ValueError, match=r"^held$"), explained(str(tmp_path)):
        raise ValueError("held")
    told = r"a disk is full \(.*\); nothing .* lost; make room, and run it again"
    with pytest.raises(OutageError, match=told), explained(str(tmp_path)):
        raise FULL


def test_a_disk_that_is_full_at_once(
    stored: SweepSpec, store: Store, commit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A traceback for the commonest fault of all, or a result that is lost for it."""
    commit(stored.trials[0].config.trial_id)
    monkeypatch.setattr(sweep_run, "_fit", lambda *_, **__: pytest.fail("started"))

    def full(*_: object, **__: object) -> None:
        raise FULL

    monkeypatch.setattr(LocalFiles, "replace", full)
    with pytest.raises(OutageError, match="make room"), explained(store.root):
        run(stored)
    assert store.done([stored.trials[0].config.trial_id])


def test_the_exit_code_of_a_full_disk(
    tmp_path: Path, text: str, store: Store, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """A full disk that passes for a wrong spec, which nobody would submit again."""

    def full(*_: object, **__: object) -> None:
        raise FULL

    path = tmp_path / "small.yaml"
    path.write_text(text.replace("results/small", store.root))
    monkeypatch.setattr(sweep_run, "_fit", full)
    assert main(["run", str(path)]) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"store {store.root}: a disk is full (OSError: ")

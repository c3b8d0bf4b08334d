"""Sweeps as a user runs them: a process that tests can watch and kill."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples at every run: a red build is a change, never a draw.
settings.register_profile("reproducible", derandomize=True, deadline=None)
settings.load_profile("reproducible")

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, kw_only=True)
class SweepProcess:
    """`python -m sweeps run SPEC` in a session of its own, and everything that it started."""

    driver: subprocess.Popen[bytes]
    output: Path

    def members(self) -> dict[int, str]:
        """Title by process id of all that lives in the session."""
        listed = subprocess.run(
            ["ps", "-A", "-o", "pid=,stat=,args="], capture_output=True, text=True, check=True
        )
        rows = [line.split(None, 2) for line in listed.stdout.splitlines()]
        alive = {int(pid): title for pid, state, title in rows if not state.startswith("Z")}
        return {pid: title for pid, title in alive.items() if _session(pid) == self.driver.pid}

    def workers(self) -> list[int]:
        """Process ids of the workers that hold or held a pack."""
        return [pid for pid, title in self.members().items() if "Trainable" in title]

    def kill(self, pid: int) -> None:
        """SIGKILL one process of the session, if it still lives."""
        if _session(pid) == self.driver.pid:
            os.kill(pid, signal.SIGKILL)

    def kill_group(self) -> None:
        """SIGKILL the driver together with all of its process group."""
        os.killpg(self.driver.pid, signal.SIGKILL)

    def end(self) -> None:
        """Kill whatever is left of the session, and wait until it is gone."""
        until = time.monotonic() + 30
        while members := self.members():
            assert time.monotonic() < until, members
            for pid in members:
                self.kill(pid)
            self.driver.poll()
            time.sleep(0.1)
        self.driver.wait()

    def finish(self, seconds: float = 240) -> str:
        """Wait for the driver and return what it printed."""
        try:
            self.driver.wait(timeout=seconds)
        finally:
            self.end()
        return self.output.read_text()


@pytest.fixture
def start_sweep(tmp_path: Path) -> Iterator[Callable[[Path], SweepProcess]]:
    """Starts sweeps of spec files; nothing of them outlives the test."""
    # Sockets have short names, so Ray's folder cannot lie deep.
    scratch = tempfile.mkdtemp(prefix="ps-", dir="/tmp")
    started: list[SweepProcess] = []

    def start(spec: Path) -> SweepProcess:
        output = tmp_path / f"output-{len(started)}"
        environment = os.environ | {
            "PYTHONPATH": str(ROOT), "RAY_TMPDIR": scratch, "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
        }  # fmt: skip
        with output.open("wb") as file:
            driver = subprocess.Popen(
                [sys.executable, "-m", "sweeps", "run", str(spec)],
                stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                env=environment, cwd=tmp_path, start_new_session=True,
            )  # fmt: skip
        started.append(SweepProcess(driver=driver, output=output))
        return started[-1]

    yield start
    for process in started:
        process.end()
    shutil.rmtree(scratch)


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None

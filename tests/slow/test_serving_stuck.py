"""A replica whose model hangs in a batch while its event loop lives, under Ray Serve."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
httpx = pytest.importorskip("httpx")

# The first replica hangs in its first batch; the file tells later ones that there was one.
HANGS = """
import pathlib, sys, time
from runners.serving import deployment
from runners.serving.cluster import Arguments
from runners.serving.limits import Limits

class Hanging(deployment.ModelReplica):
    def __init__(self, setup):
        super().__init__(setup)
        batcher = self._replica._batcher
        respond = batcher._respond
        def hang(asked, emit):
            if not mark.exists():
                mark.touch()
                time.sleep(3600)
            return respond(asked, emit)
        batcher._respond = hang

mark = pathlib.Path(sys.argv[1])
deployment.ModelReplica = Hanging
found, catalogue = Arguments().found()
setup = deployment.Setup(
    models=found.models, frozen=found.frozen, catalogue=catalogue,
    limits=Limits(seconds=3, stuck_seconds=5, ready_seconds=20),
)
stop = deployment.start(setup, host="127.0.0.1", port=int(sys.argv[2]), replicas=1)
print("ready", flush=True)
sys.stdin.read()
stop()
"""


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[Any]:
    """A client of a server whose first batch never ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", HANGS, str(tmp_path / "hung"), str(port)]
    with (
        subprocess.Popen(
            command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        assert process.stdout is not None
        assert any(line == "ready\n" for line in process.stdout)
        yield client
        process.communicate(timeout=60)


def test_a_stuck_replica_is_told_from_a_busy_one_and_replaced(hanging: Any) -> None:
    """Catches a server that answers 503 for ever, and says all the time that it is well."""
    body = {"model": "boolq", "prompt": "passage: The bag is black. question: is the bag red"}
    assert hanging.get("/ready").status_code == 200
    first = hanging.post("/v1/completions", json=body)
    assert (first.status_code, first.json()["error"]["code"]) == (503, "too_late")
    end, ready = time.monotonic() + 240, set[int]()
    while (found := hanging.post("/v1/completions", json=body)).status_code != 200:
        assert found.headers["retry-after"] == "1"
        assert hanging.get("/health").status_code == 200
        ready.add(hanging.get("/ready").status_code)
        assert time.monotonic() < end
        time.sleep(0.5)
    assert found.json()["choices"][0]["text"] == "False"
    assert 503 in ready
    assert hanging.get("/ready").status_code == 200

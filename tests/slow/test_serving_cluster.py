"""A written config file, deployed by Ray Serve's own command, with autoscaling under load."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.slow
pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
httpx = pytest.importorskip("httpx")
psutil = pytest.importorskip("psutil")

TEXT = "passage: Mary got a puzzle. The bag was painted black. question: was the bag painted white"
NAME = "not-the-default-name"
# `serve run` with a Ray of its own: where one runs already, the command by itself would join it.
SERVE_RUN = """
import sys, ray
from ray.serve.scripts import cli
ray.init(address="local", num_cpus=2, include_dashboard=False)
cli(["run", sys.argv[1]])
"""


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """The prompts that ship, as `--write-config` writes them; the address, and a process id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    file = tmp_path / "serve.yaml"
    command = [sys.executable, "-m", "runners.serving", "--write-config", str(file)]
    where = ["--host", "127.0.0.1", "--port", str(port), "--replicas", "2"]
    subprocess.run([*command, *where], check=True)
    values = yaml.safe_load(file.read_text())
    application = values["applications"][0]
    application["name"] = NAME
    model = application["deployments"][1]
    # So that a few clients for some seconds are load enough.
    model["autoscaling_config"] |= {"target_ongoing_requests": 1, "upscale_delay_s": 1}
    file.write_text(yaml.safe_dump(values))
    with subprocess.Popen([sys.executable, "-c", SERVE_RUN, str(file)]) as process:
        yield f"http://127.0.0.1:{port}", process.pid
        process.send_signal(signal.SIGINT)
        process.wait(60)


def _replicas(parent: int) -> int:
    titles = []
    for each in psutil.Process(parent).children(recursive=True):
        try:
            titles += each.cmdline()[:1]
        except psutil.NoSuchProcess:
            continue
    return sum(title.startswith(f"ray::ServeReplica:{NAME}:model") for title in titles)


def _until(what: Any, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.2)


def test_the_file_deploys_answers_and_grows_with_the_load(deployed: tuple[str, int]) -> None:
    """Catches a file that Serve takes and cannot deploy, and replicas that never get company."""
    address, process = deployed
    with httpx.Client(base_url=address, timeout=120) as client:

        def is_ready() -> bool:
            try:
                return bool(client.get("/ready").status_code == 200)
            except httpx.TransportError:
                return False

        def ask(own: Any = client) -> str:
            found = own.post("/v1/completions", json={"model": "boolq", "prompt": TEXT})
            assert found.status_code == 200, found.text
            return str(found.json()["choices"][0]["text"])

        _until(is_ready)
        assert ask() == "False"
        assert _replicas(process) == 1
        done, answers = threading.Event(), []

        def load() -> None:
            with httpx.Client(base_url=address, timeout=120) as own:
                while not done.is_set():
                    answers.append(ask(own))

        threads = [threading.Thread(target=load) for _ in range(6)]
        for thread in threads:
            thread.start()
        try:
            _until(lambda: _replicas(process) == 2)
            time.sleep(5)  # So that the second answers, too.
        finally:
            done.set()
            for thread in threads:
                thread.join(150)
        assert set(answers) == {"False"}

"""Serving under Ray Serve, as a user starts it, while its replica is killed."""

import collections
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.slow
pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
httpx = pytest.importorskip("httpx")
psutil = pytest.importorskip("psutil")

TEXT = "passage: Mary got a puzzle. The bag was painted black. question: was the bag painted white"
TASKS = ("boolq", "rte", "wic", "record")
SECONDS = 25.0


def _ask(client: Any, task: str) -> Any:
    return client.post("/v1/completions", json={"model": task, "prompt": TEXT})


def _is_replica(process: Any) -> bool:
    """Whether a process is a replica; while it answers, Ray adds the method to its title."""
    try:
        title = process.cmdline()[:1]
    except psutil.NoSuchProcess:
        return False
    return bool(title) and title[0].startswith("ray::ServeReplica:promptscale:model")


def _kill_replica(parent: int) -> int:
    replicas = [p for p in psutil.Process(parent).children(recursive=True) if _is_replica(p)]
    for each in replicas:
        each.kill()
    return len(replicas)


def test_a_killed_replica_costs_no_answer_and_gives_no_wrong_one(
    start_server: Callable[..., Any],
) -> None:
    """Catches a request that is lost with its replica, or answered with another's words."""
    address, process = start_server()
    statuses: collections.Counter[int] = collections.Counter()
    wrong: list[str] = []
    with httpx.Client(base_url=address, timeout=120) as client:
        right = {t: _ask(client, t).json()["choices"][0]["text"] for t in TASKS}
    end = time.monotonic() + SECONDS

    def load(first: int) -> None:
        with httpx.Client(base_url=address, timeout=120) as own:
            for task in TASKS[first:] + TASKS * 10_000:
                if time.monotonic() > end:
                    return
                found = _ask(own, task)
                statuses[found.status_code] += 1
                if found.status_code == 200:
                    text = found.json()["choices"][0]["text"]
                    wrong.extend([task] if text != right[task] else [])
                else:
                    assert found.headers["retry-after"] == "1"

    threads = [threading.Thread(target=load, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(SECONDS / 4)
    assert _kill_replica(process.pid) == 1
    for thread in threads:
        thread.join(180)
        assert not thread.is_alive()
    assert wrong == []
    assert set(statuses) <= {200, 503}
    assert statuses[200] > 20

"""A server that is told to end while it answers."""

import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytestmark = pytest.mark.slow
pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
httpx = pytest.importorskip("httpx")

LONG = [f"passage: {'Mary has a bag. ' * 30}{n}" for n in range(64)]


def test_what_was_asked_before_the_end_is_answered(start_server: Callable[..., Any]) -> None:
    """Catches answers that are computed, and clients whose connection is cut instead."""
    address, process = start_server()
    body = {"model": "record", "prompt": LONG, "max_tokens": 128}
    with httpx.Client(base_url=address, timeout=120) as client, ThreadPoolExecutor() as clients:
        asking = [clients.submit(client.post, "/v1/completions", json=body) for _ in range(3)]
        end = time.monotonic() + 60
        while "promptscale_queries_under_way 192.0" not in client.get("/metrics").text:
            # All may have been answered between two looks.
            if all(each.done() for each in asking):
                break
            assert time.monotonic() < end
        process.send_signal(signal.SIGTERM)
        assert [each.result().status_code for each in asking] == [200] * 3
    assert process.wait(90) == 0

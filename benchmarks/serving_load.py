"""Latency of a server under Ray Serve, as a user starts it, while its cores are full.

Clients ask one question after the other, of all tasks in turn, and so many at once that
every replica has a batch under way and the next one waiting. They run on the same cores.
"""

import asyncio
import itertools
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx

from benchmarks.table import Line
from runners.catalogue import Catalogue
from runners.data.source import load_task_data
from runners.serving.frozen import load_codec
from runners.serving.sources import find_models, parse_sources

CLIENTS = 16
"""For each core."""


def measure(duration: float, repeats: int) -> Iterator[Line]:
    """The median and the 99th percentile of seconds to an answer, and questions a second."""
    cores = len(os.sched_getaffinity(0))
    questions = _questions()
    with _server(cores) as address:
        asyncio.run(_load(address, questions, cores * CLIENTS, duration / 4))
        rounds = [
            sorted(asyncio.run(_load(address, questions, cores * CLIENTS, duration)))
            for _ in range(repeats)
        ]
    who = f"{cores * CLIENTS} clients of {cores} replicas under Ray Serve"
    for name, cuts in (("p50", 50), ("p99", 99)):
        found = [1000 * statistics.quantiles(each, n=100)[cuts - 1] for each in rounds]
        yield Line(what=f"latency, {name}: {who}", unit="ms", ours=found)
    yield Line(
        what=f"answers: {who}", unit="questions/s", ours=[len(each) / duration for each in rounds],
        note="clients on the same cores",
    )  # fmt: skip


def _questions() -> list[tuple[str, str]]:
    """Model and input of dev examples, of all tasks in turn."""
    found = find_models(parse_sources(["shipped"]), Catalogue())
    codec = load_codec(found.frozen, Catalogue())
    by_task = []
    for model in found.models:
        (prompt,) = model.prompts
        examples = load_task_data(prompt.config, codec, Catalogue()).dev_examples
        by_task.append([(model.name, e.input.removeprefix(prompt.prefix)) for e in examples])
    return [each for turn in zip(*by_task, strict=False) for each in turn]


async def _load(
    address: str, questions: Sequence[tuple[str, str]], clients: int, duration: float
) -> list[float]:
    """Seconds to each answer that came within so many seconds; every one has to be an answer."""
    turn, found = itertools.cycle(questions), list[float]()
    end = time.monotonic() + duration

    async def ask(client: httpx.AsyncClient) -> None:
        while (began := time.monotonic()) < end:
            model, text = next(turn)
            reply = await client.post("/v1/completions", json={"model": model, "prompt": text})
            reply.raise_for_status()
            if (now := time.monotonic()) <= end:
                found.append(now - began)

    limits = httpx.Limits(max_connections=clients)
    async with httpx.AsyncClient(base_url=address, timeout=120, limits=limits) as client:
        await asyncio.gather(*(ask(client) for _ in range(clients)))
    return found


@contextmanager
def _server(replicas: int) -> Iterator[str]:
    """The prompts that ship on a free port; the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "runners.serving", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--replicas", str(replicas)], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(process, address)
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _wait(process: "subprocess.Popen[bytes]", address: str) -> None:
    while process.poll() is None:
        try:
            if httpx.get(f"{address}/ready", timeout=60).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise RuntimeError(f"the server ended with {process.returncode} before it was ready")

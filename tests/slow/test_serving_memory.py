"""Memory while requests of every kind are answered, in one process and without Ray.

    SOAK_REQUESTS=100000 python -m pytest -m slow tests/slow/test_serving_memory.py -s

is the whole of it, some minutes of a core; the default is a tenth, for every day.
"""

import asyncio
import collections
import contextlib
import ctypes
import dataclasses
import gc
import json
import logging
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest
import torch

from runners.catalogue import Catalogue
from runners.serving.desk import Desk
from runners.serving.frozen import load_frozen
from runners.serving.limits import Limits
from runners.serving.models import Directory
from runners.serving.replica import Replica
from runners.serving.sources import find_models, model_of, parse_sources
from runners.store import Store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]
psutil = pytest.importorskip("psutil")
app = pytest.importorskip("runners.serving.app", reason="the extra `serve` is not installed")

REQUESTS = int(os.environ.get("SOAK_REQUESTS", "10000"))
AT_ONCE = 64
ROUNDS = 50
MEGABYTES = 8
"""What resident memory may grow by after the warm-up.

Torch's buffers settle within some megabytes. Over 100,000 requests 8 are 84
bytes each, less than any object that a request could leave behind; over 10,000 the count
of objects is the sharper of the two.
"""
OBJECTS = 0.01
"""Objects of Python that a request may leave behind: none, but for caches that still fill."""

TEXT = "passage: The bag is black. question: is the bag red"
LENGTHS = (1, 2, 5, 11, 20, 50)
NAMES = ("one", "two", "votes", "comes-and-goes")
COMPLETE, CLASSIFY = "/v1/completions", "/v1/classify"


async def _call(asgi: Any, asked: "_Request") -> int:
    """One request to an ASGI application; the status, or 0 where the client hung up before it."""
    status = 0
    unsent = [{"type": "http.request", "body": asked.body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if unsent:
            return unsent.pop()
        await (asyncio.sleep(0.001) if asked.hangs_up else asyncio.Event().wait())
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]

    scope = {
        "type": "http", "method": asked.method, "path": asked.path, "state": {},
        "raw_path": asked.path.encode(), "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
        "http_version": "1.1", "scheme": "http", "server": ("here", 80), "root_path": "",
    }  # fmt: skip
    running = asyncio.create_task(asgi(scope, receive, send))
    if asked.hangs_up:
        # A server cancels what it runs for a connection that is gone.
        await asyncio.wait([running], timeout=0.002)
        running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    return status


@dataclass(frozen=True, kw_only=True)
class _Request:
    """What a client sends, whether it hangs up before it is answered, and what it may be told."""

    method: str = "POST"
    path: str = COMPLETE
    body: bytes = b""
    hangs_up: bool = False
    right: frozenset[int] = frozenset({200})


class _Clients:
    """Draws requests of every kind from a seed."""

    def __init__(self, trials: Sequence[str]) -> None:
        self._trials = trials
        self._rng = np.random.default_rng(0)
        self._kinds: dict[Callable[[], _Request], float] = {
            self._one: 50, self._mixed: 10, self._labels: 10, self._stream: 7, self._left: 8,
            self._nobody: 4, self._broken: 4, self._long: 1, self._no_route: 1, self._metrics: 1,
            self._put: 3, self._delete: 1,
        }  # fmt: skip

    def next(self) -> _Request:
        shares = np.array(list(self._kinds.values())) / sum(self._kinds.values())
        return list(self._kinds)[int(self._rng.choice(len(shares), p=shares))]()

    def _number(self, below: int) -> int:
        return int(self._rng.integers(below))

    def _text(self) -> str:
        return f"{TEXT} {' so on' * self._number(6)} {self._number(10**9)}"

    def _named(self, **values: Any) -> _Request:
        name = NAMES[self._number(len(NAMES))]
        right = frozenset({200, 404} if name == "comes-and-goes" else {200})
        return _Request(body=_body(model=name, **values), right=right)

    def _one(self) -> _Request:
        return self._named(prompt=self._text(), max_tokens=2)

    def _mixed(self) -> _Request:
        texts = [self._text() for _ in range(3)]
        return _Request(body=_body(model=list(NAMES[:3]), prompt=texts, max_tokens=2))

    def _labels(self) -> _Request:
        return dataclasses.replace(self._named(input=self._text()), path=CLASSIFY)

    def _stream(self) -> _Request:
        gone = self._number(3) == 0
        body = _body(model="one", prompt=self._text(), max_tokens=4, stream=True)
        return _Request(body=body, hangs_up=gone, right=frozenset({200, 0} if gone else {200}))

    def _left(self) -> _Request:
        asked = self._named(prompt=self._text(), max_tokens=2)
        return dataclasses.replace(asked, hangs_up=True, right=asked.right | {0})

    def _nobody(self) -> _Request:
        body = _body(model=f"no-{self._number(10**9)}", prompt=self._text())
        return _Request(body=body, right=frozenset({404}))

    def _broken(self) -> _Request:
        return _Request(body=b"{" + self._text().encode(), right=frozenset({400}))

    def _long(self) -> _Request:
        return _Request(body=_body(model="one", prompt="x" * 30_000), right=frozenset({400}))

    def _no_route(self) -> _Request:
        path = f"/no-{self._number(10**9)}"
        return _Request(method="GET", path=path, right=frozenset({404}))

    def _metrics(self) -> _Request:
        return _Request(method="GET", path="/metrics")

    def _put(self) -> _Request:
        path = f"/v1/models/{('two', 'comes-and-goes')[self._number(2)]}"
        some = self._rng.choice(self._trials, size=1 + self._number(3), replace=False)
        body = _body(trials=[str(each) for each in some])
        return _Request(method="PUT", path=path, body=body, right=frozenset({200, 201}))

    def _delete(self) -> _Request:
        path = "/v1/models/comes-and-goes"
        return _Request(method="DELETE", path=path, right=frozenset({200, 404}))


def _body(**values: Any) -> bytes:
    return json.dumps(values).encode()


class _Watch:
    """Resident megabytes and Python's objects, after each round."""

    def __init__(self) -> None:
        self.megabytes: list[float] = []
        self.objects: list[int] = []

    def look(self) -> None:
        gc.collect()
        # Pages that are free and that malloc keeps are no leak, and come and go by ten megabytes.
        ctypes.CDLL(None).malloc_trim(0)
        self.megabytes.append(psutil.Process().memory_info().rss / 2**20)
        self.objects.append(len(gc.get_objects()))

    def growth(self, values: Sequence[float]) -> float:
        """From the second fifth, when all is warm, to the last, by their medians."""
        fifth = len(values) // 5
        return median(values[-fifth:]) - median(values[fifth : 2 * fifth])


async def _soak(store: Store, trials: Sequence[str], watch: _Watch) -> dict[int, int]:
    """Ask for all, and look after each round, when all is quiet; how many got which status."""
    torch.set_num_threads(1)  # As a replica does.
    found = find_models(parse_sources([store.root]), Catalogue())
    models = [
        model_of(name, ids, store, Catalogue())
        for name, ids in (("one", trials[:1]), ("two", trials[1:2]), ("votes", trials[2:5]))
    ]
    backbone = load_frozen(found.frozen, Catalogue())
    # Room for some of the prompts alone, so that they push each other out.
    replica = Replica(backbone, wait=0.001, bank_bytes=40 * 32 * 4)
    desk = Desk(Directory(found.frozen, models), backbone.codec, replica, Limits())
    asgi = app.build_app(desk, app.Upkeep(store=store, catalogue=Catalogue()))
    # What is there already is not looked through again and again.
    gc.collect()
    gc.freeze()
    clients, statuses = _Clients(trials), collections.Counter[int]()
    for _ in range(ROUNDS):
        left = REQUESTS // ROUNDS

        async def client() -> None:
            nonlocal left
            while left > 0:
                left -= 1
                asked = clients.next()
                status = await _call(asgi, asked)
                assert status in asked.right, (asked, status)
                statuses[status] += 1

        await asyncio.gather(*(client() for _ in range(AT_ONCE)))
        # What was hung up on may still be in a batch.
        await asyncio.sleep(0.1)
        watch.look()
    assert desk.under_way == 0
    await replica.close()
    gc.unfreeze()
    return dict(statuses)


@contextlib.contextmanager
def _lines_go_nowhere() -> Iterator[None]:
    """Lines of the log are written, as by a server.

    Not a fixture: whatever logs when a test begins, pytest listens to, and keeps every line.
    """
    log = logging.getLogger("promptscale.serving")
    before = log.level, log.propagate, log.handlers
    with open(os.devnull, "w") as nowhere:
        log.setLevel(logging.INFO)
        log.propagate, log.handlers = False, [logging.StreamHandler(nowhere)]
        yield
    log.setLevel(before[0])
    _, log.propagate, log.handlers = before


def _watched(store: Store, trials: Sequence[str]) -> tuple[dict[int, int], _Watch]:
    """How many got which status, and what was seen meanwhile."""
    watch = _Watch()
    with _lines_go_nowhere():
        return asyncio.run(_soak(store, trials, watch)), watch


def test_memory_stays_flat(
    tmp_path: Path, commit_random: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches whatever a request, a put or a client that is gone leaves behind.

    In a process of its own with one arena for malloc: threads have arenas of their own else,
    of which pieces come and go by ten megabytes.
    """
    store = Store(str(tmp_path / "store"))
    trials = [commit_random(store, seed, length) for seed, length in enumerate(LENGTHS)]
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        statuses, watch = pool.submit(_watched, store, trials).result()
    megabytes, objects = watch.growth(watch.megabytes), watch.growth(watch.objects)
    print(f"{REQUESTS} requests {statuses}: {watch.megabytes[0]:.1f} MiB at first,")
    print(f"{watch.megabytes[-1]:.1f} at last; after the warm-up {megabytes:+.2f} MiB and", end=" ")
    print(
        f"{objects:+.0f} objects; every fifth round: {[round(m, 1) for m in watch.megabytes[::5]]}"
    )
    assert sum(statuses.values()) == REQUESTS
    assert megabytes < MEGABYTES
    assert objects / REQUESTS < OBJECTS

"""Prompts that are added, replaced and removed over HTTP while clients ask, under Ray Serve.

Every answer has to be wholly of a prompt that may have been served at some moment between
its request and its response, as the times of the changes tell.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from runners.store import Store

pytestmark = pytest.mark.slow
pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
httpx = pytest.importorskip("httpx")

TEXTS = ("passage: The bag is black. question: is the bag red", "Mary", "question: who has it")
LENGTHS = (1, 2, 5, 11, 20, 50)
SECONDS = 20.0
Answers = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Change:
    """What a name is served by from some moment within `begun` and `ended`; None is nothing."""

    trials: tuple[str, ...] | None
    begun: float
    ended: float


@dataclass(kw_only=True)
class _Name:
    """A served name, its changes in their order, and what clients saw of it."""

    changes: list[_Change] = field(default_factory=list)
    seen: list[tuple[float, float, Any]] = field(default_factory=list)

    def possible(self, asked: float, answered: float) -> set[tuple[str, ...] | None]:
        """What may have been served at some moment between two."""
        ends = [change.ended for change in self.changes[1:]] + [float("inf")]
        return {
            change.trials
            for change, replaced in zip(self.changes, ends, strict=True)
            if change.begun <= answered and asked <= replaced
        }


def _ask(client: Any, name: str) -> tuple[Answers | None, tuple[str, ...] | None]:
    """The answers to all texts in one request, and who voted; None where nobody has the name."""
    body = {"model": name, "prompt": list(TEXTS), "max_tokens": 8}
    found = client.post("/v1/completions", json=body)
    assert found.status_code == 200, found.text
    choices = found.json()["choices"]
    codes = {choice["error"]["code"] for choice in choices if choice["error"]}
    if codes:
        assert codes == {"model_not_found"}
        assert all(choice["error"] for choice in choices)
        return None, None
    voters = {
        tuple(a["prompt"] for a in (c["vote"] or {"answers": []})["answers"]) for c in choices
    }
    assert len(voters) == 1
    return tuple(choice["text"] for choice in choices), voters.pop() or None


def _change(client: Any, name: str, known: _Name, trials: tuple[str, ...] | None) -> None:
    begun, path = time.monotonic(), f"/v1/models/{name}"
    if trials is None:
        assert client.delete(path).status_code == 200
    else:
        found = client.put(path, json={"trials": list(trials)})
        assert found.status_code in {200, 201}, found.text
    known.changes.append(_Change(trials=trials, begun=begun, ended=time.monotonic()))


def _keep_asking(address: str, names: dict[str, _Name], end: float) -> None:
    with httpx.Client(base_url=address, timeout=60) as client:
        while time.monotonic() < end:
            for name, known in names.items():
                asked = time.monotonic()
                found = _ask(client, name)
                known.seen.append((asked, time.monotonic(), found))


def test_changes_under_load_are_seen_whole_and_at_once(
    tmp_path: Path, start_server: Callable[..., Any], commit_random: Callable[..., str]
) -> None:
    """Catches half a replacement, an old answer after the put's response, and a lost request."""
    store = Store(str(tmp_path / "store"))
    trials = [commit_random(store, seed, length) for seed, length in enumerate(LENGTHS)]
    address, _ = start_server(store.root)
    plans: dict[str, Sequence[tuple[str, ...] | None]] = {
        "replaced": [(trial,) for trial in trials],
        "comes-and-goes": [(trials[0],), None, (trials[3],), None],
        "votes": [tuple(trials[:3]), (trials[4],), tuple(trials[3:])],
        "stays": [(trials[5],)],
    }
    names = {name: _Name() for name in plans}
    with httpx.Client(base_url=address, timeout=60) as client:
        right: dict[tuple[str, ...] | None, Answers | None] = {None: None}
        for said in {each for plan in plans.values() for each in plan if each}:
            _change(client, "sure", _Name(), said)
            right[said] = _ask(client, "sure")[0]
        assert len({right[(trial,)] for trial in trials}) == len(trials)
        for name, plan in plans.items():
            _change(client, name, names[name], plan[0])
        end = time.monotonic() + SECONDS
        clients = [
            threading.Thread(target=_keep_asking, args=(address, names, end)) for _ in range(4)
        ]
        for each in clients:
            each.start()
        turn = 0
        while time.monotonic() < end:
            turn += 1
            for name, plan in plans.items():
                if len(plan) > 1:
                    _change(client, name, names[name], plan[turn % len(plan)])
        for each in clients:
            each.join(120)
            assert not each.is_alive()
    for name, known in names.items():
        assert len(known.seen) > 20
        for asked, answered, (answers, voters) in known.seen:
            possible = known.possible(asked, answered)
            assert answers in [right[said] for said in possible], (name, possible)
            assert voters is None or voters in possible
    print({name: (len(k.changes), len(k.seen)) for name, k in names.items()})

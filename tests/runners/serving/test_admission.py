"""What is let in, what is turned away, and what is refused for good."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from runners.model.codec import Codec
from runners.model.t5_backbone import T5Backbone
from runners.serving.limits import Limits

RunApp = Callable[..., Any]
TEXT = "passage: The bag is black. question: is the bag red"
COMPLETE, CLASSIFY = "/v1/completions", "/v1/classify"
_GOOD = {"model": "boolq", "prompt": TEXT}


def _post(path: str, body: Any) -> Callable[[Any], Awaitable[Any]]:
    async def scenario(client: Any) -> Any:
        return await client.post(path, json=body)

    return scenario


def test_what_is_too_much_is_turned_away_and_told_when_to_come_back(run_app: RunApp) -> None:
    """Catches a queue without an end, and a place in it that is never given back."""

    async def scenario(client: Any) -> list[Any]:
        body = {"model": "boolq", "prompt": [TEXT] * 3}
        found = await asyncio.gather(*(client.post(COMPLETE, json=body) for _ in range(6)))
        assert client.desk.under_way == 0
        assert (await client.post(COMPLETE, json=body)).status_code == 200
        return list(found)

    limits = Limits(waiting=7)
    found = run_app(scenario, limits=limits, wait=0.1)
    assert sorted(each.status_code for each in found) == [200, 200, 429, 429, 429, 429]
    busy = next(each for each in found if each.status_code == 429)
    assert busy.headers["retry-after"] == "1"


class _Watched:
    """A codec that waits before it tokenizes, and says when it has begun."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self.begun, self.let_go = threading.Event(), threading.Event()
        self.let_go.set()
        self.in_time: list[bool] = []

    def inputs(self, texts: Sequence[str]) -> list[list[int]]:
        self.begun.set()
        self.in_time.append(self.let_go.wait(10))
        return self._codec.inputs(texts)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codec, name)


def test_others_are_answered_while_a_request_is_tokenized(
    run_app: RunApp, loud: T5Backbone
) -> None:
    """Catches long inputs that stop the front for everybody, its health included."""
    codec = _Watched(loud.codec)
    codec.let_go.clear()

    async def scenario(client: Any) -> None:
        for stream in (False, True):
            codec.begun.clear()
            codec.let_go.clear()
            body = {**_GOOD, "stream": stream}
            asking = asyncio.create_task(client.post(COMPLETE, json=body))
            while not codec.begun.is_set():
                await asyncio.sleep(0.001)
            assert (await client.get("/health")).status_code == 200
            codec.let_go.set()
            assert (await asking).status_code == 200
        assert codec.in_time == [True, True]

    run_app(scenario, codec=codec)


def test_who_is_turned_away_has_cost_nothing(run_app: RunApp, loud: T5Backbone) -> None:
    """Catches an overloaded front that tokenizes all that it then sends away."""
    codec = _Watched(loud.codec)

    async def scenario(client: Any) -> None:
        body = {"model": "boolq-vote", "prompt": [TEXT] * 2}
        codec.let_go.clear()
        asking = asyncio.create_task(client.post(COMPLETE, json=body))
        while not codec.begun.is_set():
            await asyncio.sleep(0.001)
        assert client.desk.under_way == 6
        for stream in (False, True):
            for_ten = {**_GOOD, "stream": stream}
            assert (await client.post(COMPLETE, json=for_ten)).status_code == 429
        assert len(codec.in_time) == 0
        codec.let_go.set()
        assert (await asking).status_code == 200
        # An input is tokenized once for all voters that read it, equal ones of a request as well.
        assert len(codec.in_time) == 1

    run_app(scenario, codec=codec, limits=Limits(waiting=6))


@pytest.mark.parametrize(
    ("models", "waiting", "said"),
    [
        (["boolq-vote"] * 5, 12, "the 5 items ask 15 questions, one of each prompt of their mod"),
        (["boolq-vote"] * 5, 12, "and 12 may be under way; send the first 4 of them"),
        (["boolq", "boolq-vote", "rte"], 2, "and 2 may be under way; send the first 1 of them"),
        ("boolq-vote", 2, "and 2 may be under way; ask a model of fewer prompts"),
    ],
)  # fmt: skip
def test_what_can_never_be_admitted_is_not_told_to_come_back(
    run_app: RunApp, models: Any, waiting: int, said: str
) -> None:
    """Catches a client that asks again for ever, of a server that is idle."""
    prompt = [TEXT] * len(models) if isinstance(models, list) else TEXT
    body = {"model": models, "prompt": prompt}
    found = run_app(_post(COMPLETE, body), limits=Limits(waiting=waiting))
    assert (found.status_code, found.json()["error"]["code"]) == (400, "too_many_questions")
    assert said in found.json()["error"]["message"]


def test_a_label_that_no_answer_may_be_is_refused(run_app: RunApp) -> None:
    """Catches labels that make rows of a batch as long as they like."""
    for text in (TEXT, [TEXT, TEXT]):
        body = {"model": "boolq", "input": text, "labels": ["True", "lab el " * 25]}
        found = run_app(_post(CLASSIFY, body))
        assert (found.status_code, found.json()["error"]["code"]) == (400, "label_too_long")
        assert "and an answer may have 16; shorten it" in found.json()["error"]["message"]

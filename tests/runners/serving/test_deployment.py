"""Replicas behind handles of Ray Serve: what is asked again of another, and what is given up.

The handle is a stand-in that calls replicas of this process, dead ones among them.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from runners.model.t5_backbone import T5Backbone
from runners.serving.limits import Limits
from runners.serving.models import Directory
from runners.serving.protocol import Answer, Failed, Missing, NotComputed, Query, Unavailable

deployment = pytest.importorskip(
    "runners.serving.deployment", reason="the extra `serve` is not installed"
)
exceptions = pytest.importorskip("ray.exceptions")

QUERY = Query(prompt="p", input_ids=(5, 6, 1), limit=9)
VECTORS: Mapping[str, Any] = {"p": [[1.0]]}
WHOLE = Answer(ids=(7, 8, 9, 1), batch=3)


class _Replica:
    """Says tokens and then its answer; or dies after so many tokens, or before any answer."""

    def __init__(
        self, answer: Answer = WHOLE, *, dies_after: int | None = None, knows: bool = True,
        fails: bool = False,
    ) -> None:  # fmt: skip
        self._answer, self._dies_after, self._fails = answer, dies_after, fails
        self._knows = knows

    async def answer(self, queries: Sequence[Query], prompts: Mapping[str, Any]) -> Any:
        if self._dies_after is not None:
            raise exceptions.ActorDiedError()
        if not self._knows and not prompts:
            return Missing(keys=("p",))
        return [self._answer for _ in queries]

    async def tokens(self, _: Query, prompts: Mapping[str, Any]) -> AsyncIterator[Any]:
        assert prompts
        for place, token in enumerate(self._answer.ids):
            if place == self._dies_after:
                raise exceptions.ActorDiedError()
            yield token
        yield Failed(message="out of memory") if self._fails else self._answer

    async def is_ready(self) -> bool:
        if self._dies_after is not None:
            raise exceptions.ActorDiedError()
        return True


class _Handle:
    """Sends each call to the next replica, or to the same where one asks back for prompts."""

    def __init__(self, *replicas: _Replica) -> None:
        self._left, self.asked = list(replicas), 0

    def options(self, *, stream: bool) -> "_Handle":
        assert stream
        return self

    def __getattr__(self, name: str) -> Any:
        def remote(*given: Any) -> Any:
            self.asked += 1
            replica = self._left.pop(0) if len(self._left) > 1 else self._left[0]
            return getattr(replica, name)(*given)

        return SimpleNamespace(remote=remote)


def _ask(handle: _Handle) -> Any:
    return asyncio.run(deployment.Replicas(handle).ask([QUERY, QUERY], VECTORS))


def _stream(handle: _Handle, heard: list[Any]) -> None:
    async def hear() -> None:
        async for token in deployment.Replicas(handle).stream(QUERY, VECTORS):
            heard[len(heard) :] = [token]

    asyncio.run(hear())


_DEAD = _Replica(dies_after=0)


def test_serve_is_told_of_a_stuck_replica_and_of_no_other(
    monkeypatch: pytest.MonkeyPatch, loud: T5Backbone, directory: Directory
) -> None:
    """Catches a model that hangs for ever behind an event loop that answers."""
    monkeypatch.setattr(deployment, "load_frozen", lambda *_, **__: loud)
    limits = Limits(stuck_seconds=50)
    setup = deployment.Setup(models=(), frozen=directory.frozen, limits=limits)

    async def scenario() -> None:
        replica = deployment.ModelReplica(setup)
        await replica.check_health()
        batcher = replica._replica._batcher
        batcher._begun = time.monotonic() - 40
        await replica.check_health()
        batcher._begun = time.monotonic() - 60
        assert not await replica.is_ready()
        with pytest.raises(
            RuntimeError, match=r"more than 50 seconds; raise limits\.stuck_seconds"
        ):
            await replica.check_health()
        await replica._replica.close()

    asyncio.run(scenario())


def test_the_questions_of_a_dead_replica_are_asked_once_more() -> None:
    """Catches an answer that is lost with its replica, and one that is asked for ever."""
    handle = _Handle(_DEAD, _Replica())
    assert _ask(handle) == [WHOLE, WHOLE]
    assert handle.asked == 2
    handle = _Handle(_DEAD, _DEAD, _Replica())
    with pytest.raises(Unavailable, match="and so did the one that was asked after it; try again"):
        _ask(handle)
    assert handle.asked == 2


def test_a_replica_that_asks_back_is_sent_the_prompts() -> None:
    """Catches a replica that came late, or lost a prompt, and can never answer."""
    handle = _Handle(_Replica(knows=False))
    assert _ask(handle) == [WHOLE, WHOLE]
    assert handle.asked == 2


def test_clients_of_two_dead_replicas_are_told_when_to_come_back(
    run_app: Callable[..., Any],
) -> None:
    """Catches a dead model that is told as a mistake of the client, or as an answer."""

    async def scenario(client: Any) -> None:
        client.desk.backend = deployment.Replicas(_Handle(_DEAD))
        for stream in (False, True):
            body = {"model": "boolq", "prompt": "x", "stream": stream}
            found = await client.post("/v1/completions", json=body)
            assert (found.status_code, found.headers["retry-after"]) == (503, "1")
            assert found.json()["error"]["code"] == "unavailable"
        assert (await client.get("/ready")).status_code == 503

    run_app(scenario)


@pytest.mark.parametrize("dies_after", range(4))
def test_a_stream_goes_on_where_another_replica_says_the_same(dies_after: int) -> None:
    """Catches tokens that are said twice, or left out, after a replica died."""
    heard: list[Any] = []
    _stream(_Handle(_Replica(dies_after=dies_after), _Replica()), heard)
    assert heard == [*WHOLE.ids, WHOLE]


@pytest.mark.parametrize("other", [(7, 5, 9, 1), (7, 8, 5, 1), (7, 1), (1,)])
def test_a_stream_does_not_go_on_with_other_words(other: tuple[int, ...]) -> None:
    """Catches an answer whose head is of one replica and whose tail is of another."""
    heard: list[Any] = []
    handle = _Handle(_Replica(dies_after=3), _Replica(Answer(ids=other)))
    with pytest.raises(Unavailable, match="another one answers otherwise; ask again"):
        _stream(handle, heard)
    assert heard == [7, 8, 9]


def test_a_stream_of_two_dead_replicas_ends_with_an_error() -> None:
    """Catches a stream that stops as if its answer had ended."""
    heard: list[Any] = []
    with pytest.raises(Unavailable):
        _stream(_Handle(_Replica(dies_after=1), _Replica(dies_after=2)), heard)
    assert heard == [7, 8]
    with pytest.raises(NotComputed, match="out of memory"):
        _stream(_Handle(_Replica(fails=True)), heard)


def test_clients_hear_that_their_stream_was_interrupted(
    run_app: Callable[..., Any], loud: T5Backbone
) -> None:
    """Catches a client that takes half an answer for a whole one."""
    told, other = (tuple(loud.codec.targets([text])[0]) for text in ("the bag", "his cup"))
    handle = _Handle(_Replica(Answer(ids=told), dies_after=2), _Replica(Answer(ids=other)))

    async def scenario(client: Any) -> Any:
        client.desk.backend = deployment.Replicas(handle)
        body = {"model": "boolq", "prompt": "x", "stream": True}
        return await client.post("/v1/completions", json=body)

    *pieces, last, end = run_app(scenario).text.strip().split("\n\n")
    assert pieces
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "interrupted"
    assert end == "data: [DONE]"

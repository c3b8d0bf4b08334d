"""Answers that are sent while they are written, and models that say nothing."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from runners.model.codec import Codec
from runners.model.t5_backbone import T5Backbone
from runners.serving.limits import Limits

RunApp = Callable[..., Any]
TEXT = "passage: The bag is black. question: is the bag red"
COMPLETE = "/v1/completions"
_GOOD = {"model": "boolq", "prompt": TEXT}


def _events(body: str) -> list[Any]:
    """What a stream said, up to its end."""
    events = [line.removeprefix("data: ") for line in body.split("\n\n") if line]
    assert events[-1] == "[DONE]"
    return [json.loads(event) for event in events[:-1]]


def test_a_stream_says_what_the_whole_answer_is(run_app: RunApp) -> None:
    """Catches a piece that is lost, said twice, or cut within a character."""

    async def scenario(client: Any) -> tuple[str, str]:
        body = {"model": "record", "prompt": TEXT, "max_tokens": 12}
        whole = await client.post("/v1/completions", json=body)
        stream = await client.post("/v1/completions", json={**body, "stream": True})
        said = "".join(event["choices"][0]["text"] for event in _events(stream.text))
        return whole.json()["choices"][0]["text"], said

    whole, said = run_app(scenario)
    assert said == whole


def test_a_stream_ends_and_counts_as_the_whole_answer_does(run_app: RunApp) -> None:
    """Catches a streamed answer that was cut and says it was not, or that no metric has seen."""

    async def scenario(client: Any) -> None:
        reasons = set()
        for model, most in (("record", 1), ("record", 16), ("rte", 1), ("rte", 16), ("wic", 2)):
            body = {"model": model, "prompt": "Mary 3", "max_tokens": most}
            whole = (await client.post(COMPLETE, json=body)).json()["choices"][0]
            stream = _events((await client.post(COMPLETE, json={**body, "stream": True})).text)
            finish = [event["choices"][0]["finish_reason"] for event in stream]
            assert finish == [None] * (len(finish) - 1) + [whole["finish_reason"]]
            reasons.add(finish[-1])
        assert reasons == {"stop", "length"}
        refused = await client.post(COMPLETE, json={"model": "x", "prompt": TEXT, "stream": True})
        assert refused.status_code == 404
        text = (await client.get("/metrics")).text
        assert 'promptscale_items_total{outcome="answered"} 10.0' in text
        assert 'promptscale_items_total{outcome="refused"} 1.0' in text
        assert "promptscale_batch_queries_count 10.0" in text

    run_app(scenario)


class _Silent:
    """A backend that says two tokens and then nothing more, nor whether it is ready."""

    def __init__(self, codec: Codec) -> None:
        self.tokens = codec.targets(["True"])[0][:2]

    async def stream(self, *_: Any) -> AsyncIterator[int]:
        for token in self.tokens:
            yield token
        await asyncio.Event().wait()

    async def ask(self, *_: Any) -> Any:
        await asyncio.Event().wait()

    is_ready = ask


def test_a_stream_that_takes_too_long_says_so_and_harms_nobody(
    run_app: RunApp, loud: T5Backbone
) -> None:
    """Catches a stream without an end, and a time limit that cancels who is not concerned."""

    async def scenario(client: Any) -> None:
        right = (await client.post(COMPLETE, json=_GOOD)).json()["choices"]
        working, body = client.desk.backend, {**_GOOD, "stream": True}
        client.desk.backend = _Silent(loud.codec)
        found = await asyncio.gather(*(client.post(COMPLETE, json=body) for _ in range(5)))
        for each in found:
            assert each.status_code == 200
            *pieces, last = _events(each.text)
            assert pieces
            assert last["error"]["code"] == "interrupted"
        assert client.desk.under_way == 0
        client.desk.backend = working
        assert (await client.post(COMPLETE, json=_GOOD)).json()["choices"] == right
        assert (
            'promptscale_items_total{outcome="interrupted"} 5.0'
            in (await client.get("/metrics")).text
        )

    run_app(scenario, limits=Limits(seconds=0.5))


def test_a_model_that_does_not_answer_is_not_ready(run_app: RunApp, loud: T5Backbone) -> None:
    """Catches a probe that hangs for as long as a replica is dead, and then says all was well."""

    async def scenario(client: Any) -> None:
        assert (await client.get("/ready")).status_code == 200
        client.desk.backend = _Silent(loud.codec)
        found = await client.get("/ready")
        assert (found.status_code, found.headers["retry-after"]) == (503, "1")
        assert (await client.get("/health")).status_code == 200

    run_app(scenario, limits=Limits(ready_seconds=0.05))

"""The HTTP interface: what it answers, and what it says to whoever means it ill."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from runners.catalogue import Catalogue
from runners.model.t5_backbone import T5Backbone
from runners.serving.desk import Desk, Item
from runners.serving.limits import Limits
from runners.serving.models import Directory
from runners.serving.protocol import Unavailable
from runners.serving.replica import Replica
from runners.store import Store

httpx = pytest.importorskip("httpx")
app = pytest.importorskip("runners.serving.app", reason="the extra `serve` is not installed")

LIMITS = Limits(body_bytes=4096, items=8, characters=2000, answer_tokens=16, body_seconds=0.3)
JSON = "application/json"
TEXT = "passage: The bag is black. question: is the bag red"


@asynccontextmanager
async def _client(
    loud: T5Backbone, directory: Directory, *, limits: Limits = LIMITS, store: Store | None = None,
    token: str | None = None, wait: float = 0.001,
) -> AsyncIterator[Any]:  # fmt: skip
    replica = Replica(loud, wait=wait)
    own = Directory(directory.frozen, list(directory.models.values()))
    desk = Desk(own, loud.codec, replica, limits)
    made = app.build_app(desk, app.Upkeep(store=store, catalogue=Catalogue(), token=token))
    transport = httpx.ASGITransport(app=made, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        client.desk = desk
        yield client
    await replica.close()


def _run(scenario: Callable[[Any], Awaitable[Any]], *given: Any, **more: Any) -> Any:
    async def whole() -> Any:
        async with _client(*given, **more) as client:
            return await scenario(client)

    return asyncio.run(whole())


def _post(path: str, body: Any, **more: Any) -> Callable[[Any], Awaitable[Any]]:
    async def scenario(client: Any) -> Any:
        return await client.post(path, json=body, **more)

    return scenario


def test_tasks_are_answered_together_as_they_are_alone(
    loud: T5Backbone, directory: Directory
) -> None:
    """Catches an answer that goes to another item, or that its batch has changed."""
    names = ["boolq", "rte", "wic", "record", "boolq-vote", "rte"]
    texts = [f"{TEXT} {n * 'and so on '}" for n in range(6)]

    async def scenario(client: Any) -> tuple[Any, list[Any]]:
        mixed = await client.post("/v1/completions", json={"model": names, "prompt": texts})
        alone = [
            await client.post("/v1/completions", json={"model": name, "prompt": text})
            for name, text in zip(names, texts, strict=True)
        ]
        return mixed.json(), [each.json() for each in alone]

    mixed, alone = _run(scenario, loud, directory)
    for place, (choice, one) in enumerate(zip(mixed["choices"], alone, strict=True)):
        assert choice == {**one["choices"][0], "index": place}
    assert mixed["usage"]["completion_tokens"] == sum(
        one["usage"]["completion_tokens"] for one in alone
    )
    assert len({choice["text"] for choice in mixed["choices"]}) > 1


def test_an_ensemble_tells_its_votes(loud: T5Backbone, directory: Directory) -> None:
    """Catches a vote that is not that of the prompts asked one by one."""
    voters = directory.models["boolq-vote"].prompts

    async def scenario(client: Any) -> Any:
        reply = await client.post("/v1/completions", json={"model": "boolq-vote", "prompt": TEXT})
        (told,) = await client.desk.reply([Item(model="boolq-vote", text=TEXT)])
        return reply.json()["choices"][0], told

    choice, told = _run(scenario, loud, directory)
    vote = choice["vote"]
    assert [each["prompt"] for each in vote["answers"]] == [prompt.id for prompt in voters]
    assert choice["text"] == told.vote.answer
    assert sum(vote["votes"].values()) == 3
    assert vote["shares"] == {a: pytest.approx(n / 3) for a, n in vote["votes"].items()}
    assert vote["tied"] == (list(vote["votes"].values()).count(vote["votes"][choice["text"]]) > 1)


def test_labels_have_shares(loud: T5Backbone, directory: Directory) -> None:
    """Catches scores that are no distribution, or a label that is not the likeliest."""
    body = {"model": ["boolq", "boolq-vote"], "input": [TEXT, TEXT]}
    found = _run(_post("/v1/classify", body), loud, directory).json()["results"]
    assert set(found[0]["scores"]) == {"True", "False"}
    assert sum(found[0]["scores"].values()) == pytest.approx(1)
    assert found[0]["label"] == max(found[0]["scores"], key=found[0]["scores"].get)
    assert found[0]["vote"] is None
    assert sum(found[1]["vote"]["votes"].values()) == 3
    own = {"model": "record", "input": TEXT, "labels": ["Mary", "Jack", "Peter"]}
    (chosen,) = _run(_post("/v1/classify", own), loud, directory).json()["results"]
    assert chosen["label"] in {"Mary", "Jack", "Peter"}


def test_a_stream_says_what_the_whole_answer_is(loud: T5Backbone, directory: Directory) -> None:
    """Catches a piece that is lost, said twice, or cut within a character."""

    async def scenario(client: Any) -> tuple[str, str, str]:
        body = {"model": "record", "prompt": TEXT, "max_tokens": 12}
        whole = await client.post("/v1/completions", json=body)
        stream = await client.post("/v1/completions", json={**body, "stream": True})
        events = [line.removeprefix("data: ") for line in stream.text.split("\n\n") if line]
        said = "".join(json.loads(e)["choices"][0]["text"] for e in events[:-1])
        return whole.json()["choices"][0]["text"], said, events[-1]

    whole, said, last = _run(scenario, loud, directory)
    assert said == whole
    assert last == "[DONE]"


def test_one_bad_item_leaves_the_others_their_answers(
    loud: T5Backbone, directory: Directory
) -> None:
    """Catches a list that fails as a whole for one item, or an item that fails without a word."""
    body = {"model": ["boolq", "bolq", "rte"], "prompt": [TEXT, TEXT, "word " * 300]}
    found = _run(_post("/v1/completions", body), loud, directory)
    good, unknown, long = found.json()["choices"]
    assert found.status_code == 200
    assert good["error"] is None
    assert unknown["error"]["code"] == "model_not_found"
    assert "did you mean 'boolq'?" in unknown["error"]["message"]
    assert long["error"]["code"] == "input_too_long"
    assert (long["text"], long["finish_reason"]) == ("", "error")


_GOOD = {"model": "boolq", "prompt": TEXT}
COMPLETE, CLASSIFY, MODELS = "/v1/completions", "/v1/classify", "/v1/models"


def test_every_hostile_request_gets_its_error_and_the_server_lives(
    loud: T5Backbone, directory: Directory, hostile: Sequence[tuple[str, str, bytes, int]]
) -> None:
    """Catches a crash, a stack trace, an echo of what was sent, and an answer to nonsense."""

    async def scenario(client: Any) -> list[str]:
        wrong = []
        for method, path, body, status in hostile:
            headers = {"content-type": JSON} if method in {"POST", "PUT", "PATCH"} else {}
            found = await client.request(method, path, content=body, headers=headers)
            told = found.json() if found.headers["content-type"].startswith(JSON) else {}
            error = told.get("error", {})
            fine = found.status_code == status and error.get("message") and error.get("code")
            if not fine or len(found.content) > 2000 or "Traceback" in found.text:
                wrong.append(
                    f"{method} {path} {body[:60]!r}: {found.status_code} {found.text[:200]}"
                )
        good = await client.post(COMPLETE, json=_GOOD)
        assert good.status_code == 200
        assert client.desk.under_way == 0
        return wrong

    assert len(hostile) >= 80
    assert _run(scenario, loud, directory) == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-type": JSON, "content-length": "-5"}, 400),
        ({"content-type": JSON, "content-length": "many"}, 400),
        ({"content-type": JSON, "content-length": "9" * 30}, 413),
        ({"content-type": JSON, "content-length": "5000"}, 413),
    ],
)
def test_headers_are_not_believed(
    loud: T5Backbone, directory: Directory, headers: dict[str, str], status: int
) -> None:
    """Catches a form that a page of another origin can send, and lengths that lie."""

    async def scenario(client: Any) -> Any:
        return await client.post(COMPLETE, content=json.dumps(_GOOD), headers=headers)

    found = _run(scenario, loud, directory)
    assert found.status_code == status
    assert found.json()["error"]["message"]


def test_a_slow_client_is_sent_away_and_a_cut_off_one_forgotten(
    loud: T5Backbone, directory: Directory
) -> None:
    """Catches connections that are held for ever by clients that send a byte at a time."""

    async def slow() -> AsyncIterator[bytes]:
        yield b'{"model": '
        await asyncio.sleep(2)
        yield b'"boolq"}'

    async def scenario(client: Any) -> Any:
        headers = {"content-type": JSON}
        late = await client.post(COMPLETE, content=slow(), headers=headers)
        sent: list[Any] = []

        async def hang_up() -> dict[str, str]:
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http", "method": "POST", "path": COMPLETE, "raw_path": COMPLETE.encode(),
            "query_string": b"", "headers": [(b"content-type", JSON.encode())], "state": {},
        }  # fmt: skip
        await client._transport.app(scope, hang_up, send)
        assert sent == []
        return late

    found = _run(scenario, loud, directory)
    assert found.status_code == 408
    assert found.json()["error"]["code"] == "too_slow"


def test_what_is_too_much_is_turned_away_and_told_when_to_come_back(
    loud: T5Backbone, directory: Directory
) -> None:
    """Catches a queue without an end, and a place in it that is never given back."""

    async def scenario(client: Any) -> list[Any]:
        body = {"model": "boolq", "prompt": [TEXT] * 3}
        found = await asyncio.gather(*(client.post(COMPLETE, json=body) for _ in range(6)))
        assert client.desk.under_way == 0
        assert (await client.post(COMPLETE, json=body)).status_code == 200
        return list(found)

    limits = Limits(waiting=7)
    found = _run(scenario, loud, directory, limits=limits, wait=0.1)
    assert sorted(each.status_code for each in found) == [200, 200, 429, 429, 429, 429]
    busy = next(each for each in found if each.status_code == 429)
    assert busy.headers["retry-after"] == "1"


def test_where_nobody_answers_clients_are_told_so(loud: T5Backbone, directory: Directory) -> None:
    """Catches a request without a response where the replicas are gone."""

    async def scenario(client: Any) -> list[Any]:
        async def gone(*_: Any) -> Any:
            raise Unavailable("no replica answers")

        client.desk.backend.ask = client.desk.backend.is_ready = gone
        return [await client.post(COMPLETE, json=_GOOD), await client.get("/ready")]

    for found in _run(scenario, loud, directory):
        assert found.status_code == 503
        assert found.headers["retry-after"] == "1"


def test_health_metrics_models_and_the_description_of_all(
    loud: T5Backbone, directory: Directory
) -> None:
    """Catches a server that its operators and its clients cannot look into."""

    async def scenario(client: Any) -> None:
        assert (await client.get("/health")).json() == {"status": "alive"}
        assert (await client.get("/ready")).status_code == 200
        listed = (await client.get("/v1/models")).json()["data"]
        assert [each["id"] for each in listed] == sorted(directory.models)
        one = (await client.get("/v1/models/boolq-vote")).json()
        assert [each["length"] for each in one["prompts"]] == [2, 5, 11]
        await client.post(COMPLETE, json=_GOOD)
        text = (await client.get("/metrics")).text
        assert 'promptscale_requests_total{route="/v1/completions",status="200"} 1.0' in text
        assert "promptscale_models 5.0" in text
        described = (await client.get("/openapi.json")).json()
        assert set(described["paths"]) >= {COMPLETE, CLASSIFY, MODELS, "/ready", "/metrics"}
        page = await client.get("/")
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
        assert "http" not in page.text.replace("http-equiv", "")
        named = await client.get("/health", headers={"x-request-id": "mine-1"})
        assert named.headers["x-request-id"] == "mine-1"
        forged = await client.get("/health", headers={"x-request-id": "a b"})
        assert forged.headers["x-request-id"] != "a b"

    _run(scenario, loud, directory)

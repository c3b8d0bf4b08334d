"""The HTTP interface: what it answers, and what it says to whoever means it ill."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runners.model.t5_backbone import T5Backbone
from runners.serving.asking import Item
from runners.serving.guard import Guard
from runners.serving.limits import Limits
from runners.serving.metrics import Metrics
from runners.serving.models import Directory, served_model
from runners.serving.protocol import Unavailable

RunApp = Callable[..., Any]
JSON = "application/json"
TEXT = "passage: The bag is black. question: is the bag red"
COMPLETE, CLASSIFY, MODELS = "/v1/completions", "/v1/classify", "/v1/models"
_GOOD = {"model": "boolq", "prompt": TEXT}
MANUAL = Path(__file__).resolve().parents[3].joinpath("docs", "serving.md").read_text()


def _post(path: str, body: Any, **more: Any) -> Callable[[Any], Awaitable[Any]]:
    async def scenario(client: Any) -> Any:
        return await client.post(path, json=body, **more)

    return scenario


def test_tasks_are_answered_together_as_they_are_alone(run_app: RunApp) -> None:
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

    mixed, alone = run_app(scenario)
    for place, (choice, one) in enumerate(zip(mixed["choices"], alone, strict=True)):
        assert choice == {**one["choices"][0], "index": place}
    assert mixed["usage"]["completion_tokens"] == sum(
        one["usage"]["completion_tokens"] for one in alone
    )
    assert len({choice["text"] for choice in mixed["choices"]}) > 1


def test_an_ensemble_tells_its_votes(run_app: RunApp, directory: Directory) -> None:
    """Catches a vote that is not that of the prompts asked one by one."""
    voters = directory.models["boolq-vote"].prompts

    async def scenario(client: Any) -> Any:
        reply = await client.post("/v1/completions", json={"model": "boolq-vote", "prompt": TEXT})
        (told,) = await client.desk.reply([Item(model="boolq-vote", text=TEXT)])
        return reply.json()["choices"][0], told

    choice, told = run_app(scenario)
    vote = choice["vote"]
    assert [each["prompt"] for each in vote["answers"]] == [prompt.id for prompt in voters]
    assert choice["text"] == told.vote.answer
    assert sum(vote["votes"].values()) == 3
    assert vote["shares"] == {a: pytest.approx(n / 3) for a, n in vote["votes"].items()}
    assert vote["tied"] == (list(vote["votes"].values()).count(vote["votes"][choice["text"]]) > 1)


class _Saying:
    """The codec of a model whose prompts say this, one after the other."""

    def __init__(self, codec: Any, *said: str) -> None:
        self._codec, self._said = codec, iter(said)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codec, name)

    def decode(self, _: Any) -> list[str]:
        return [next(self._said)]


def test_votes_are_counted_as_the_task_reads_answers(
    run_app: RunApp, loud: T5Backbone, directory: Directory
) -> None:
    """Catches a served ensemble to which `Lund` and `lund` are two answers of ReCoRD."""
    (record,) = directory.models["record"].prompts
    voters = [
        replace(each, canonical=record.canonical) for each in directory.models["boolq-vote"].prompts
    ]

    async def scenario(client: Any) -> Any:
        client.desk.directory.put(served_model("record-vote", voters))
        return await client.post(COMPLETE, json={"model": "record-vote", "prompt": TEXT})

    reply = run_app(scenario, codec=_Saying(loud.codec, "Oslo", "Lund", "lund"))
    (choice,) = reply.json()["choices"]
    assert (choice["text"], choice["vote"]["votes"]) == ("Lund", {"Lund": 2, "Oslo": 1})
    assert not choice["vote"]["tied"]


def test_labels_have_shares(run_app: RunApp) -> None:
    """Catches scores that are no distribution, or a label that is not the likeliest."""
    body = {"model": ["boolq", "boolq-vote"], "input": [TEXT, TEXT]}
    found = run_app(_post("/v1/classify", body)).json()["results"]
    assert set(found[0]["scores"]) == {"True", "False"}
    assert sum(found[0]["scores"].values()) == pytest.approx(1)
    assert found[0]["label"] == max(found[0]["scores"], key=found[0]["scores"].get)
    assert found[0]["vote"] is None
    assert sum(found[1]["vote"]["votes"].values()) == 3
    own = {"model": "record", "input": TEXT, "labels": ["Mary", "Jack", "Peter"]}
    (chosen,) = run_app(_post("/v1/classify", own)).json()["results"]
    assert chosen["label"] in {"Mary", "Jack", "Peter"}


def test_fields_that_change_nothing_are_taken(run_app: RunApp) -> None:
    """Catches OpenAI's clients that are refused for the defaults which they send."""
    neutral: dict[str, Any] = {
        "top_p": 1, "stop": None, "best_of": 1, "n": 1, "logprobs": None, "frequency_penalty": 0,
        "presence_penalty": 0.0, "echo": False, "logit_bias": {}, "suffix": None, "stream": None,
        "stream_options": None, "seed": 5, "user": "me", "temperature": 0.0, "max_tokens": None,
    }  # fmt: skip

    async def scenario(client: Any) -> None:
        plain = (await client.post(COMPLETE, json=_GOOD)).json()["choices"]
        others = {**neutral, "top_p": 1.0, "stop": []}
        nothing: dict[str, Any] = dict.fromkeys(neutral)
        for fields in (neutral, others, nothing):
            found = await client.post(COMPLETE, json={**_GOOD, **fields})
            assert found.status_code == 200, found.text
            assert found.json()["choices"] == plain

    run_app(scenario)


def test_an_answer_has_as_many_tokens_as_its_card_and_description_say(run_app: RunApp) -> None:
    """Catches a card that promises more than the limit of the server, or an answer beyond it."""

    async def scenario(client: Any) -> None:
        card = (await client.get("/v1/models/boolq")).json()
        assert card["answer_tokens"] == 4  # Its trial had 6.
        found = (await client.post(COMPLETE, json={**_GOOD, "prompt": "Mary"})).json()
        assert found["usage"]["completion_tokens"] == 4
        assert found["choices"][0]["finish_reason"] == "length"
        described = (await client.get("/openapi.json")).json()["components"]["schemas"]
        told = described["CompletionRequest"]["properties"]["max_tokens"]["description"]
        assert "by default answer_tokens of the model" in told

    run_app(scenario, limits=Limits(answer_tokens=4))


def test_one_bad_item_leaves_the_others_their_answers(run_app: RunApp) -> None:
    """Catches a list that fails as a whole for one item, or an item that fails without a word."""
    body = {"model": ["boolq", "bolq", "rte"], "prompt": [TEXT, TEXT, "word " * 300]}
    found = run_app(_post("/v1/completions", body))
    good, unknown, long = found.json()["choices"]
    assert found.status_code == 200
    assert good["error"] is None
    assert unknown["error"]["code"] == "model_not_found"
    assert "did you mean 'boolq'?" in unknown["error"]["message"]
    assert long["error"]["code"] == "input_too_long"
    assert (long["text"], long["finish_reason"]) == ("", "error")


def test_every_hostile_request_gets_its_error_and_the_server_lives(
    run_app: RunApp, hostile: Sequence[tuple[str, str, bytes, int]]
) -> None:
    """Catches a crash, a stack trace, an echo, a code of no manual, and an answer to nonsense."""

    async def scenario(client: Any) -> list[str]:
        wrong = []
        for method, path, body, status in hostile:
            headers = {"content-type": JSON} if method in {"POST", "PUT", "PATCH"} else {}
            found = await client.request(method, path, content=body, headers=headers)
            told = found.json() if found.headers["content-type"].startswith(JSON) else {}
            error = told.get("error", {})
            fine = found.status_code == status and error.get("message")
            fine = fine and f"`{error.get('code')}`" in MANUAL
            if not fine or len(found.content) > 2000 or "Traceback" in found.text:
                wrong.append(
                    f"{method} {path} {body[:60]!r}: {found.status_code} {found.text[:200]}"
                )
        good = await client.post(COMPLETE, json=_GOOD)
        assert good.status_code == 200
        assert client.desk.under_way == 0
        return wrong

    assert len(hostile) >= 80
    assert run_app(scenario) == []


def test_a_client_that_leaves_while_it_is_answered_is_counted_as_that() -> None:
    """Catches requests with the status 0, which no graph of 499 and no manual has."""
    metrics, computing = Metrics(), asyncio.Event()

    async def app(_: Any, __: Any, ___: Any) -> None:
        computing.set()
        await asyncio.Event().wait()

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_: Any) -> None:
        pytest.fail("nobody is there to be answered")

    async def scenario() -> None:
        guard = Guard(app, limits=Limits(), metrics=metrics)
        scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
        asked = asyncio.create_task(guard(scope, receive, send))
        await computing.wait()
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked

    asyncio.run(scenario())
    assert b'promptscale_requests_total{route="other",status="499"} 1.0' in metrics.text()


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        (COMPLETE, {**_GOOD, "prompt": "word " * 300}, "prompt"),
        (COMPLETE, {**_GOOD, "stop": "."}, "stop"),
        (COMPLETE, {**_GOOD, "max_tokens": 500}, "max_tokens"),
        (COMPLETE, {**_GOOD, "model": "nobody"}, "model"),
        (CLASSIFY, {"model": "boolq", "input": "word " * 300}, "input"),
        (CLASSIFY, {"model": "record", "input": TEXT}, "labels"),
    ],
)
def test_an_error_names_the_field_that_the_client_sent(
    run_app: RunApp, path: str, body: Any, param: str
) -> None:
    """Catches a client that looks for the mistake in a field which it never sent."""
    assert run_app(_post(path, body)).json()["error"]["param"] == param


def test_whoever_asks_the_wrong_way_is_told_the_right_one(run_app: RunApp) -> None:
    """Catches a refusal without its remedy, and half of the methods that a path has."""

    async def scenario(client: Any) -> list[Any]:
        asked = (("PATCH", f"{MODELS}/boolq"), ("GET", COMPLETE), ("GET", "/nothing"))
        return [await client.request(*each, headers={"content-type": JSON}) for each in asked]

    model, complete, nothing = run_app(scenario)
    assert model.headers["allow"] == "DELETE, GET, PUT"
    assert complete.json()["error"]["message"] == "method 'GET' is not for this route; use POST"
    told = "no route '/nothing'; GET /openapi.json lists all"
    assert nothing.json()["error"]["message"] == told


def test_probes_may_ask_for_the_head_alone(run_app: RunApp) -> None:
    """Catches a load balancer that takes a server out because HEAD is no method to it."""

    async def scenario(client: Any) -> None:
        for path in ("/health", "/ready", "/"):
            assert (await client.head(path)).status_code == 200
        assert "head" not in (await client.get("/openapi.json")).json()["paths"]["/health"]

    run_app(scenario)


@pytest.mark.parametrize(("given", "own"), [("mine-1", 0), ("a b", 1), ("", 1)])
def test_an_id_that_another_sends_back_is_not_sent_twice(given: str, own: int) -> None:
    """Catches clients that read `mine-1, mine-1`, which no line of the log has."""
    sent: list[Any] = []

    async def app(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    guard = Guard(app, limits=Limits(), metrics=Metrics(), echoed=True)
    headers = [(b"x-request-id", given.encode())]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": headers}
    asyncio.run(guard(scope, receive, send))
    names = [name for name, _ in sent[0]["headers"]]
    assert names.count(b"x-request-id") == own


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
def test_headers_are_not_believed(run_app: RunApp, headers: dict[str, str], status: int) -> None:
    """Catches a form that a page of another origin can send, and lengths that lie."""

    async def scenario(client: Any) -> Any:
        return await client.post(COMPLETE, content=json.dumps(_GOOD), headers=headers)

    found = run_app(scenario)
    assert found.status_code == status
    assert found.json()["error"]["message"]


def test_a_slow_client_is_sent_away_and_a_cut_off_one_forgotten(run_app: RunApp) -> None:
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

    found = run_app(scenario)
    assert found.status_code == 408
    assert found.json()["error"]["code"] == "too_slow"


def test_where_nobody_answers_clients_are_told_so(run_app: RunApp) -> None:
    """Catches a request without a response where the replicas are gone."""

    async def scenario(client: Any) -> list[Any]:
        async def gone(*_: Any) -> Any:
            raise Unavailable("no replica answers")

        client.desk.backend.ask = client.desk.backend.is_ready = gone
        return [await client.post(COMPLETE, json=_GOOD), await client.get("/ready")]

    for found in run_app(scenario):
        assert found.status_code == 503
        assert found.headers["retry-after"] == "1"


def test_health_metrics_models_and_the_description_of_all(
    run_app: RunApp, directory: Directory
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

    run_app(scenario)

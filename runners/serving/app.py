"""The HTTP interface: models, completions and classification; `upkeep` has what changes models."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from runners.serving import schema
from runners.serving.asking import Item, Refusal
from runners.serving.desk import Busy, Desk, Reply
from runners.serving.guard import App, Guard, error_body
from runners.serving.metrics import TEXT, Metrics
from runners.serving.protocol import NotComputed, Unavailable
from runners.serving.responses import (
    as_event,
    as_json,
    card,
    check_text,
    classified,
    completed,
    on_broken,
    on_busy,
    on_http,
    on_invalid,
    on_late,
    on_refusal,
    on_unavailable,
    raise_single,
    shown,
    usage,
)
from runners.serving.upkeep import Upkeep, UpkeepRoutes, known

PAGE = Path(__file__).resolve().parent / "page.html"
"""The page to try tasks on."""
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def build_app(desk: Desk, upkeep: Upkeep, *, echoed: bool = False) -> App:
    """The application, its guard included, which has `echoed`."""
    metrics = Metrics()
    routes, changes = _Routes(desk, metrics), UpkeepRoutes(desk, upkeep)
    app = FastAPI(title="promptscale", docs_url=None, redoc_url=None, version="1")
    errors: dict[int | str, dict[str, Any]] = {"default": {"model": schema.ErrorResponse}}
    add = app.add_api_route
    add("/v1/models", routes.list_models, response_model=schema.ModelList, responses=errors)
    add("/v1/models/{name}", routes.get_model, response_model=schema.ModelCard, responses=errors)
    add(
        "/v1/models/{name}", changes.put_model, methods=["PUT"],
        response_model=schema.ModelCard, responses=errors,
    )  # fmt: skip
    add("/v1/models/{name}", changes.delete_model, methods=["DELETE"], responses=errors)
    add(
        "/v1/completions", routes.complete, methods=["POST"], responses=errors,
        response_model=schema.CompletionResponse,
    )  # fmt: skip
    add(
        "/v1/classify", routes.classify, methods=["POST"], responses=errors,
        response_model=schema.ClassificationResponse,
    )  # fmt: skip
    add("/health", routes.health)
    add("/ready", routes.ready)
    add("/metrics", routes.metrics)
    add("/", routes.page, include_in_schema=False)
    # What load balancers and monitors ask.
    for path, route in (("/health", routes.health), ("/ready", routes.ready), ("/", routes.page)):
        add(path, route, methods=["HEAD"], include_in_schema=False)
    handlers: dict[Any, Any] = {
        RequestValidationError: on_invalid, HTTPException: on_http, 404: on_http, 405: on_http,
        StarletteHTTPException: on_http,
        Refusal: on_refusal, Busy: on_busy, Unavailable: on_unavailable, TimeoutError: on_late,
        NotComputed: on_broken, Exception: on_broken,
    }  # fmt: skip
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
    return Guard(app, limits=desk.limits, metrics=metrics, echoed=echoed)


class _Routes:
    """What each route does; the lines below are what OpenAPI says of them."""

    def __init__(self, desk: Desk, metrics: Metrics) -> None:
        self._desk, self._metrics = desk, metrics

    async def list_models(self) -> Response:
        """All models that are served, by name."""
        models, limits = self._desk.directory.models, self._desk.limits
        cards = [card(models[name], limits) for name in sorted(models)]
        return as_json({"object": "list", "data": cards})

    async def get_model(self, name: str) -> Response:
        """One model: its task, labels, prompts and limits."""
        return as_json(card(known(name, self._desk.directory.models), self._desk.limits))

    async def complete(self, body: schema.CompletionRequest) -> Response:
        """Written answers to one input or several, each of a model of its own."""
        if body.temperature:
            said = f"temperature {body.temperature:g} is not 0; answers are greedy, so leave it out"
            raise Refusal("not_greedy", "temperature", said)
        most = self._desk.limits.answer_tokens
        if body.max_tokens is not None and body.max_tokens > most:
            said = f"max_tokens {shown(body.max_tokens)} is more than {most}; ask for less"
            raise Refusal("too_many_tokens", "max_tokens", said)
        items = [
            Item(model=model, text=text, max_tokens=body.max_tokens)
            for model, text in self._pairs(body.model, body.prompt, "prompt")
        ]
        if body.stream:
            return await self._streamed(items, body.prompt)
        replies = await self._replies(items)
        choices = [
            {**completed(reply), "index": place, "logprobs": None}
            for place, reply in enumerate(replies)
        ]
        raise_single(replies, is_one=isinstance(body.prompt, str))
        return as_json(
            {
                "id": f"cmpl-{uuid.uuid4().hex}", "object": "text_completion",
                "created": int(time.time()), "model": body.model, "choices": choices,
                "usage": usage(replies),
            }
        )  # fmt: skip

    async def classify(self, body: schema.ClassificationRequest) -> Response:
        """Answers chosen among labels, with the share of each by likelihood."""
        labels = self._labels(body.labels)
        items = [
            Item(model=model, text=text, labels=labels, chooses=True)
            for model, text in self._pairs(body.model, body.input, "input")
        ]
        replies = await self._replies(items)
        raise_single(replies, is_one=isinstance(body.input, str))
        results = [{**classified(reply), "index": n} for n, reply in enumerate(replies)]
        return as_json(
            {
                "id": f"cls-{uuid.uuid4().hex}", "object": "classification",
                "created": int(time.time()), "model": body.model, "results": results,
                "usage": usage(replies),
            }
        )  # fmt: skip

    async def health(self) -> Response:
        """Whether the front lives, whatever its replicas do."""
        return as_json({"status": "alive"})

    async def ready(self) -> Response:
        """Whether a replica gets on with its batches, and a model is served; else 503."""
        try:
            async with asyncio.timeout(self._desk.limits.ready_seconds):
                is_ready = await self._desk.backend.is_ready()
        except (Unavailable, TimeoutError):
            is_ready = False
        if is_ready and self._desk.directory.models:
            return as_json({"status": "ready"})
        return as_json({"status": "not ready"}, status=503, retry=True)

    async def metrics(self) -> Response:
        """Counters in the form that Prometheus scrapes."""
        self._metrics.under_way.set(self._desk.under_way)
        self._metrics.models.set(len(self._desk.directory.models))
        return Response(self._metrics.text(), media_type=TEXT)

    async def page(self) -> Response:
        """The page to try tasks on."""
        return HTMLResponse(
            PAGE.read_text(encoding="utf-8"), headers={"Content-Security-Policy": _POLICY}
        )

    async def _replies(self, items: Sequence[Item]) -> list[Reply | Refusal]:
        try:
            replies = await self._desk.reply(items)
        except Refusal:
            self._metrics.items.labels("refused").inc(len(items))
            raise
        for reply in replies:
            self._count(reply)
        return replies

    def _count(self, reply: Reply | Refusal) -> None:
        self._metrics.items.labels("refused" if isinstance(reply, Refusal) else "answered").inc()
        for voice in () if isinstance(reply, Refusal) else reply.voices:
            self._metrics.batch.observe(voice.batch)

    async def _streamed(self, items: Sequence[Item], prompt: str | list[str]) -> Response:
        if not isinstance(prompt, str):
            raise Refusal("not_streamable", "stream", "a list is not streamed; give one prompt")
        pieces = self._desk.stream(items[0])
        # The first piece comes before the headers, so that a refusal has its status.
        try:
            first = await anext(pieces)
        except Refusal as refusal:
            self._count(refusal)
            raise
        except NotComputed as error:
            failed = Refusal("not_computed", "prompt", f"the model failed: {error}")
            self._count(failed)
            raise failed from error
        name, created = f"cmpl-{uuid.uuid4().hex}", int(time.time())

        def event(piece: str | Reply) -> bytes:
            text, finish = (piece, None) if isinstance(piece, str) else ("", piece.finish)
            choice = {"index": 0, "text": text, "finish_reason": finish, "logprobs": None}
            told = {"id": name, "object": "text_completion", "created": created}
            return as_event({**told, "model": items[0].model, "choices": [choice]})

        async def events() -> AsyncIterator[bytes]:
            """The first piece and those behind it, how it ended, and `[DONE]`."""
            piece = first
            try:
                async with aclosing(pieces):
                    while isinstance(piece, str):
                        yield event(piece)
                        piece = await anext(pieces)
                self._count(piece)
                yield event(piece)
            except (NotComputed, Unavailable, TimeoutError) as error:
                self._metrics.items.labels("interrupted").inc()
                yield as_event(error_body(503, "interrupted", str(error) or "took too long"))
            yield b"data: [DONE]\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    def _pairs(
        self, model: str | list[str], text: str | list[str], key: str
    ) -> list[tuple[str, str]]:
        texts = [text] if isinstance(text, str) else text
        models = [model] * len(texts) if isinstance(model, str) else model
        if not 1 <= len(texts) <= self._desk.limits.items:
            rule = f"{key} has {len(texts)} items, and a request has 1 to {self._desk.limits.items}"
            raise Refusal("too_many_items", key, f"{rule}; send so many")
        if len(models) != len(texts):
            rule = f"{len(models)} models for {len(texts)} items of {key}"
            raise Refusal("bad_models", "model", f"{rule}; name one, or one for each")
        for word in (*models, *texts):
            check_text(word, key)
        return list(zip(models, texts, strict=True))

    def _labels(self, labels: list[str] | None) -> tuple[str, ...] | None:
        if labels is None:
            return None
        most = self._desk.limits.labels
        if not 2 <= len(labels) <= most or len(set(labels)) != len(labels):
            rule = f"has {len(labels)} labels, and there are 2 to {most}, each once"
            raise Refusal("bad_labels", "labels", f"the request {rule}; give so many")
        for label in labels:
            check_text(label, "labels")
            if not label.strip() or len(label) > 200:
                raise Refusal(
                    "bad_labels", "labels",
                    "a label is empty or has more than 200 characters; give a word or a few",
                )  # fmt: skip
        return tuple(labels)

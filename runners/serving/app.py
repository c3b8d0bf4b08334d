"""The HTTP interface: models, completions, classification, and the upkeep of what is served."""

import asyncio
import hmac
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from runners.catalogue import Catalogue
from runners.rules import ConfigError
from runners.serving import schema
from runners.serving.asking import Item, Refusal
from runners.serving.desk import Busy, Desk, Reply
from runners.serving.guard import App, Guard, error_body
from runners.serving.metrics import TEXT, Metrics
from runners.serving.models import ServedModel
from runners.serving.protocol import NotComputed, Unavailable
from runners.serving.responses import (
    as_event,
    as_json,
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
from runners.serving.sources import model_of
from runners.storage.layout import is_id
from runners.store import DefectError, Store

PAGE = Path(__file__).resolve().parent / "page.html"
"""The page to try tasks on."""
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


@dataclass(frozen=True, kw_only=True)
class Upkeep:
    """What may change the models that are served: a store, and a token that proves the right.

    Without a store nothing may; without a token everybody who reaches the server may.
    """

    store: Store | None
    catalogue: Catalogue
    token: str | None = None


def build_app(desk: Desk, upkeep: Upkeep) -> App:
    """The application, its guard included."""
    metrics = Metrics()
    routes = _Routes(desk, upkeep, metrics)
    app = FastAPI(title="promptscale", docs_url=None, redoc_url=None, version="1")
    errors: dict[int | str, dict[str, Any]] = {"default": {"model": schema.ErrorResponse}}
    add = app.add_api_route
    add("/v1/models", routes.list_models, response_model=schema.ModelList, responses=errors)
    add("/v1/models/{name}", routes.get_model, response_model=schema.ModelCard, responses=errors)
    add(
        "/v1/models/{name}", routes.put_model, methods=["PUT"],
        response_model=schema.ModelCard, responses=errors,
    )  # fmt: skip
    add("/v1/models/{name}", routes.delete_model, methods=["DELETE"], responses=errors)
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
    handlers: dict[Any, Any] = {
        RequestValidationError: on_invalid, HTTPException: on_http, 404: on_http, 405: on_http,
        StarletteHTTPException: on_http,
        Refusal: on_refusal, Busy: on_busy, Unavailable: on_unavailable, TimeoutError: on_late,
        NotComputed: on_broken, Exception: on_broken,
    }  # fmt: skip
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
    return Guard(app, limits=desk.limits, metrics=metrics)


class _Routes:
    """What each route does; the lines below are what OpenAPI says of them."""

    def __init__(self, desk: Desk, upkeep: Upkeep, metrics: Metrics) -> None:
        self._desk, self._upkeep, self._metrics = desk, upkeep, metrics

    async def list_models(self) -> Response:
        """All models that are served, by name."""
        models = self._desk.directory.models
        return as_json({"object": "list", "data": [self._card(models[n]) for n in sorted(models)]})

    async def get_model(self, name: str) -> Response:
        """One model: its task, labels, prompts and limits."""
        return as_json(self._card(self._known(name)))

    async def put_model(
        self, name: str, body: schema.PutModelRequest, request: Request
    ) -> Response:
        """Serve trials of the store under a name, from the response on; several vote."""
        store, limits = self._store(request), self._desk.limits
        models = self._desk.directory.models
        if name not in models and len(models) >= limits.models:
            raise Refusal("too_many_models", "name", f"{limits.models} are served; remove one")
        if not 1 <= len(body.trials) <= limits.voters:
            rule = f"has {len(body.trials)} trials, and a model has 1 to {limits.voters}"
            raise Refusal("bad_trials", "trials", f"the model {rule}; name so many")
        strange = [trial for trial in body.trials if not is_id(trial)]
        if strange:
            said = f"{shown(strange[0])} is not 16 hex digits; give the id of a trial"
            raise Refusal("bad_trials", "trials", said)
        try:
            model = await asyncio.to_thread(
                model_of, name, body.trials, store, self._upkeep.catalogue
            )
            replaced = self._desk.directory.put(model)
        except (ConfigError, DefectError, ValueError) as error:
            raise Refusal("bad_model", "trials", str(error)) from error
        return as_json(self._card(model), status=200 if replaced else 201)

    async def delete_model(self, name: str, request: Request) -> Response:
        """Serve a name no more; what was asked before is still answered."""
        self._store(request)
        self._known(name)
        self._desk.directory.remove(name)
        return as_json({"id": name, "object": "model", "deleted": True})

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
        """Whether a replica's model is free to answer, and a model is served; else 503."""
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

    def _store(self, request: Request) -> Store:
        """The store, for those who may change what is served."""
        if self._upkeep.store is None:
            said = "no store was given, so nothing can be added or removed; start with --store"
            raise _Forbidden(403, "no_store", said)
        if self._upkeep.token is not None:
            given = request.headers.get("authorization", "").encode()
            if not hmac.compare_digest(given, f"Bearer {self._upkeep.token}".encode()):
                raise _Forbidden(401, "no_token", "send Authorization: Bearer with the token")
        return self._upkeep.store

    def _known(self, name: str) -> ServedModel:
        models = self._desk.directory.models
        if name not in models:
            said = f"model {shown(name)} is not served; GET /v1/models lists what is"
            raise Refusal("model_not_found", "name", said)
        return models[name]

    def _card(self, model: ServedModel) -> dict[str, Any]:
        prompts = [
            {
                "id": p.id, "key": p.key, "label": p.label, "length": len(p.vectors),
                "score": p.score,
            }
            for p in model.prompts
        ]  # fmt: skip
        config = model.prompts[0].config
        return {
            "id": model.name, "object": "model", "created": model.created,
            "owned_by": "promptscale", "task": model.task,
            "labels": list(model.labels) if model.labels else None,
            "base": f"{config.model_family} {config.model_size}",
            "input_tokens": config.input_length, "answer_tokens": config.target_length,
            "prompts": prompts,
        }  # fmt: skip


class _Forbidden(HTTPException):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(status, message)
        self.code = code

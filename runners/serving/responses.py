"""Replies and refusals as the JSON of responses, and what clients are told of errors."""

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from starlette.routing import Match

from runners.serving.asking import Refusal
from runners.serving.desk import Reply
from runners.serving.guard import error_body
from runners.serving.limits import Limits
from runners.serving.models import ServedModel
from runners.tasks.voting import TIE_RULE

RETRY_SECONDS = 1
"""What a client that is turned away is told to wait."""
_NONE: Mapping[str, str] = MappingProxyType({})


def completed(reply: Reply | Refusal) -> dict[str, Any]:
    """One choice of a completion, without its place."""
    if isinstance(reply, Refusal):
        return {"text": "", "finish_reason": "error", "vote": None, "error": item_error(reply)}
    return {
        "text": reply.text, "finish_reason": reply.finish, "vote": votes(reply), "error": None,
    }  # fmt: skip


def classified(reply: Reply | Refusal) -> dict[str, Any]:
    """One result of a classification, without its place."""
    if isinstance(reply, Refusal):
        return {"label": None, "scores": None, "vote": None, "error": item_error(reply)}
    return {"label": reply.text, "scores": reply.scores, "vote": votes(reply), "error": None}


def votes(reply: Reply) -> dict[str, Any] | None:
    """What a vote came to; None where one prompt answered alone."""
    if not reply.model.is_ensemble:
        return None
    vote = reply.vote
    return {
        "votes": dict(vote.votes), "shares": vote.shares, "tied": vote.tied, "tie_rule": TIE_RULE,
        "answers": [{"prompt": v.prompt, "text": v.text} for v in reply.voices],
    }  # fmt: skip


def card(model: ServedModel, limits: Limits) -> dict[str, Any]:
    """A served model: its task, labels, prompts, and how long its inputs and answers may be."""
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
        "input_tokens": config.input_length,
        "answer_tokens": min(config.target_length, limits.answer_tokens), "prompts": prompts,
    }  # fmt: skip


def usage(replies: Sequence[Reply | Refusal]) -> dict[str, int]:
    """Tokens read and written."""
    said = [reply for reply in replies if isinstance(reply, Reply)]
    read = sum(reply.input_tokens for reply in said)
    written = sum(voice.tokens for reply in said for voice in reply.voices)
    return {
        "prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written,
    }  # fmt: skip


def item_error(refusal: Refusal) -> dict[str, str | None]:
    """A refusal as the error of an item."""
    status = status_of(refusal)
    return error_body(status, refusal.code, str(refusal), refusal.param)["error"]


def status_of(refusal: Refusal) -> int:
    """The HTTP status of a request that is refused."""
    return {"model_not_found": 404, "bad_model": 409, "not_computed": 500}.get(refusal.code, 400)


def raise_single(replies: Sequence[Reply | Refusal], *, is_one: bool) -> None:
    """An item that stands alone is the request, and its error is the request's."""
    if is_one and isinstance(replies[0], Refusal):
        raise replies[0]


def check_text(text: str, key: str) -> None:
    """Raises `Refusal` for what is no Unicode text."""
    if any("\ud800" <= character <= "\udfff" for character in text):
        said = f"{key} has half of a surrogate pair, which is no text; send Unicode"
        raise Refusal("not_unicode", key, said)


def shown(value: object) -> str:
    """Something that a client sent, short and in ASCII."""
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:80]}..."


def as_json(
    content: Any, *, status: int = 200, retry: bool = False, headers: Mapping[str, str] = _NONE
) -> Response:
    """Content as a response; with `retry`, clients are told when to come back."""
    more = {"Retry-After": str(RETRY_SECONDS)} if retry else {}
    return JSONResponse(content, status_code=status, headers={**headers, **more})


def as_event(content: Any) -> bytes:
    """Content as one event of a stream."""
    return f"data: {json.dumps(content)}\n\n".encode()


async def on_invalid(_: Request, error: Any) -> Response:
    """Every value that is not as the schema says, by its place; none is sent back."""
    said = []
    for each in error.errors():
        where = ".".join(str(part)[:40] for part in each["loc"] if part != "body")
        said.append(f"{where or 'body'}: {each['msg']}"[:200])
    found = error.errors()[0]
    param = ".".join(str(part)[:40] for part in found["loc"] if part != "body") or None
    told = ascii("; ".join(said[:20]))[1:-1]
    body = error_body(400, "bad_request", told, param and ascii(param)[1:-1])
    return as_json(body, status=400)


async def on_http(request: Request, error: Any) -> Response:
    """A route or method that is not there or that somebody may not use, or a body of no JSON."""
    status, headers = error.status_code, error.headers or {}
    said, code = str(error.detail), getattr(error, "code", "bad_request")
    if status == 404:
        said, code = f"no route {shown(request.url.path)}; GET /openapi.json lists all", "no_route"
    elif status == 405:
        allowed = ", ".join(_methods(request))
        said = f"method {shown(request.method)} is not for this route; use {allowed}"
        code, headers = "no_method", {"Allow": allowed}
    elif code == "bad_request":
        said = "the body cannot be read as JSON; send it in UTF-8, and nested less deeply"
    return as_json(error_body(status, code, said), status=status, headers=headers)


def _methods(request: Request) -> list[str]:
    """Those of all routes of a request's path."""
    fitting = [r for r in request.app.routes if r.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for route in fitting for method in route.methods})


async def on_refusal(_: Request, error: Any) -> Response:
    """A request that is refused."""
    return as_json({"error": item_error(error)}, status=status_of(error))


async def on_busy(_: Request, error: Any) -> Response:
    """Too much is under way."""
    return as_json(error_body(429, "busy", str(error)), status=429, retry=True)


async def on_unavailable(_: Request, error: Any) -> Response:
    """No replica answered."""
    return as_json(error_body(503, "unavailable", str(error)), status=503, retry=True)


async def on_late(_: Request, error: Any) -> Response:
    """An answer took too long."""
    said = "the answer took too long; ask again later"
    return as_json(error_body(503, "too_late", said), status=503, retry=True)


async def on_broken(_: Request, error: Any) -> Response:
    """A mistake of ours, of which the log has the traceback."""
    return as_json(error_body(500, "broken", "the server failed; its log says how"), status=500)

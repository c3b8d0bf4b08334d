"""What stands before every route: bounded bodies, request ids, logs, and errors in one form."""

import asyncio
import json
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from runners.serving.limits import Limits
from runners.serving.metrics import Metrics

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

LOG = logging.getLogger("promptscale.serving")
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LEFT = 499
"""The status, which nobody is sent, of a request whose client went away."""
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_TYPES = {400: "invalid_request_error", 404: "not_found_error", 409: "conflict_error"}


class Hangup(Exception):
    """The client went away before its request was whole."""


class Rejected(Exception):
    """A request that no route sees."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


def error_body(
    status: int, code: str, message: str, param: str | None = None
) -> dict[str, dict[str, str | None]]:
    """An error as OpenAI's clients read it."""
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def note(level: int, **fields: object) -> None:
    """A line of the log: one object of JSON, with the time in seconds since 1970."""
    LOG.log(level, json.dumps({"time": time.time(), **fields}))


class Guard:
    """An ASGI application around another.

    A body is read whole before a route sees it, within a bound on its bytes and
    on the time that it takes, so that a slow client holds nothing but its own
    connection. Each request is counted, and logged as one line of JSON that has
    nothing of what was asked. `echoed` is whether the server before it sends the
    request's X-Request-Id back by itself.
    """

    def __init__(self, app: App, *, limits: Limits, metrics: Metrics, echoed: bool = False) -> None:
        self._app, self._limits, self._metrics, self._echoed = app, limits, metrics, echoed

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, (name, is_given) = time.monotonic(), _request_id(scope)
        own = [(b"x-content-type-options", b"nosniff")]
        if not (is_given and self._echoed):
            own.append((b"x-request-id", name.encode()))
        scope.setdefault("state", {})["request_id"] = name
        status = 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", []), *own]}
            await send(message)

        try:
            body = await self._body(scope, receive)
            await self._app(scope, _replayed(body, receive), noted)
        except Rejected as rejected:
            await _respond(noted, rejected.status, rejected.code, str(rejected))
        except Hangup:
            status = _LEFT
        except asyncio.CancelledError:
            # Serve's word for a client that went away; a stream that had begun keeps its status.
            status = status or _LEFT
            raise
        finally:
            self._note(scope, name, status, time.monotonic() - started)

    def _note(self, scope: Message, name: str, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "other")
        self._metrics.requests.labels(route, str(status)).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        note(
            logging.INFO, request=name, method=str(scope["method"])[:16], route=route,
            status=status, seconds=round(seconds, 6),
        )  # fmt: skip

    async def _body(self, scope: Message, receive: Receive) -> bytes:
        headers = {key.lower(): value for key, value in scope["headers"]}
        most = self._limits.body_bytes
        length = headers.get(b"content-length", b"0")
        if not length.isdigit():
            raise Rejected(400, "bad_length", "Content-Length is not a number; send the true one")
        if len(length) > 18 or int(length) > most:
            raise _too_large(most)
        if scope["method"] in _WITH_BODY:
            kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
            if kind != b"application/json":
                raise Rejected(
                    415, "not_json", "Content-Type is not application/json; send JSON as that"
                )
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                return await _read(receive, most)
        except TimeoutError:
            seconds = self._limits.body_seconds
            raise Rejected(
                408, "too_slow", f"the body took longer than {seconds:g} seconds; send it faster"
            ) from None


async def _read(receive: Receive, most: int) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Hangup
        body += message.get("body", b"")
        if len(body) > most:
            raise _too_large(most)
        if not message.get("more_body", False):
            return bytes(body)


def _too_large(most: int) -> Rejected:
    return Rejected(413, "too_large", f"the body has more than {most} bytes; send less at a time")


def _replayed(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def replay() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _request_id(scope: Message) -> tuple[str, bool]:
    """The id of a request, and whether it came with it."""
    given = next((v for k, v in scope["headers"] if k.lower() == b"x-request-id"), b"")
    text: str = given.decode("latin-1")
    return (text, True) if _ID.fullmatch(text) else (uuid.uuid4().hex, False)


async def _respond(send: Send, status: int, code: str, message: str) -> None:
    body = json.dumps(error_body(status, code, message)).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

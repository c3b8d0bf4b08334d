"""Clients that mean no good, on real connections to a server under Ray Serve."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.slow
pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
httpx = pytest.importorskip("httpx")

TEXT = "passage: Mary got a puzzle. The bag was painted black. question: was the bag painted white"
HEAD = b"POST /v1/completions HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
GOOD = b'{"model": "boolq", "prompt": "question: is it"}'
WITHIN = 20.0
"""Seconds that any of them may hold a connection: a body has 10, and the rest is slack."""


class _Socket:
    """A connection that says what it is told, and hears until the other side ends it."""

    def __init__(self, address: str) -> None:
        host, port = address.removeprefix("http://").split(":")
        self._socket = socket.create_connection((host, int(port)), timeout=WITHIN)

    def say(self, *parts: bytes, pause: float = 0.0) -> bool:
        """Send parts; False where the other side has closed meanwhile."""
        try:
            for part in parts:
                self._socket.sendall(part)
                time.sleep(pause)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def hear(self) -> bytes:
        """What came until the end of a response, or of the connection."""
        heard = b""
        try:
            while part := self._socket.recv(65536):
                heard += part
                if b"\r\n\r\n" in heard:
                    break
        except ConnectionResetError:
            pass
        return heard

    def close(self) -> None:
        self._socket.close()


def _status(heard: bytes) -> int:
    return int(heard.split(b" ", 2)[1]) if heard.startswith(b"HTTP/1.1 ") else 0


def _slow(connection: _Socket) -> None:
    """A byte each half second: sent away, in the time that a body has."""
    started = time.monotonic()
    heard: list[bytes] = []
    listener = threading.Thread(target=lambda: heard.append(connection.hear()))
    listener.start()
    connection.say(HEAD + b"Content-Length: 1000\r\n\r\n")
    while listener.is_alive() and time.monotonic() - started < WITHIN:
        connection.say(b" ")
        time.sleep(0.5)
    listener.join(1)
    assert not listener.is_alive()
    assert _status(heard[0]) == 408


def _oversized(connection: _Socket) -> None:
    """A length beyond the limit, of a body that never comes."""
    connection.say(HEAD + b"Content-Length: 99999999\r\n\r\n{")
    assert _status(connection.hear()) == 413


def _endless(connection: _Socket) -> None:
    """Chunks without an end and without a length: not more is taken than the limit and buffers."""
    heard: list[bytes] = []
    listener = threading.Thread(target=lambda: heard.append(connection.hear()))
    listener.start()
    connection.say(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    chunk, sent = b"10000\r\n" + b" " * 65536 + b"\r\n", 0
    while listener.is_alive() and sent < 64 * 2**20 and connection.say(chunk):
        sent += len(chunk)
    listener.join(WITHIN)
    assert not listener.is_alive()
    assert sent < 64 * 2**20
    # Who is still sending when the connection is closed may lose the response to a reset.
    assert _status(heard[0]) in {0, 413}


def _cut_off(connection: _Socket) -> None:
    """Half a body, and gone."""
    connection.say(HEAD + b"Content-Length: 1000\r\n\r\n" + GOOD)
    connection.close()


def _deaf(connection: _Socket) -> None:
    """A whole request, and gone before its answer."""
    connection.say(HEAD + f"Content-Length: {len(GOOD)}\r\n\r\n".encode() + GOOD)
    connection.close()


def _too_short(connection: _Socket) -> None:
    """A length that is less than the body, whose rest would be the next request."""
    connection.say(HEAD + b"Content-Length: 9\r\n\r\n" + GOOD)
    assert _status(connection.hear()) == 400


def _twice_as_long(connection: _Socket) -> None:
    """Two lengths that differ, as in request smuggling."""
    connection.say(HEAD + b"Content-Length: 9\r\nContent-Length: 47\r\n\r\n" + GOOD)
    assert _status(connection.hear()) in {0, 400}


def _no_http(connection: _Socket) -> None:
    """What is no HTTP at all."""
    connection.say(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20)
    assert _status(connection.hear()) in {0, 400}


def _long_head(connection: _Socket) -> None:
    """A head of a megabyte."""
    connection.say(HEAD + b"X-A: " + b"a" * 2**20 + b"\r\n\r\n")
    assert _status(connection.hear()) in {0, 400, 431}


CLIENTS = (
    (_slow, 5), (_oversized, 5), (_endless, 2), (_cut_off, 30), (_deaf, 30), (_too_short, 5),
    (_twice_as_long, 5), (_no_http, 5), (_long_head, 2),
)  # fmt: skip


def _errors(address: str) -> Iterator[Callable[[], list[BaseException]]]:
    """Starts each client so often as is said; then what went wrong with it."""
    for act, count in CLIENTS:
        found: list[BaseException] = []

        def run(act: Any = act, found: Any = found) -> None:
            try:
                with contextlib.closing(_Socket(address)) as connection:
                    act(connection)
            except (AssertionError, OSError) as error:
                found.append(error)

        threads = [threading.Thread(target=run) for _ in range(count)]
        for thread in threads:
            thread.start()

        def join(threads: Any = threads, found: Any = found, act: Any = act) -> list[Any]:
            for thread in threads:
                thread.join(4 * WITHIN)
            return [f"{act.__name__}: {error!r}" for error in found]

        yield join


def test_whoever_means_no_good_is_sent_away_and_others_are_answered(
    start_server: Callable[..., Any],
) -> None:
    """Catches a connection held for ever, a body taken whole, and a server that stops answering."""
    address, _ = start_server()
    with httpx.Client(base_url=address, timeout=60) as client:

        def answer() -> str:
            found = client.post("/v1/completions", json={"model": "boolq", "prompt": TEXT})
            assert found.status_code == 200, found.text
            return str(found.json()["choices"][0]["text"])

        assert answer() == "False"
        silent = [_Socket(address) for _ in range(50)]
        joins = list(_errors(address))
        for _ in range(20):
            assert answer() == "False"
            time.sleep(0.5)
        assert [error for join in joins for error in join()] == []
        for each in silent:
            each.close()
        assert answer() == "False"
        assert client.get("/ready").status_code == 200
        time.sleep(1)
        assert "promptscale_queries_under_way 0.0" in client.get("/metrics").text

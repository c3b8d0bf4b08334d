"""RAY_ADDRESS, before Ray sees it."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from sweeps import address

SETTINGS = bytes.fromhex("000000040000000000")
Serve = Callable[[bytes], int]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server that gives each caller the same answer; returns its port."""
    started: list[tuple[socket.socket, threading.Thread]] = []

    def start(answer: bytes) -> int:
        server = socket.create_server(("127.0.0.1", 0))

        def once() -> None:
            connection, _ = server.accept()
            # A caller may hang up before it hears the answer.
            with connection, contextlib.suppress(ConnectionError):
                connection.recv(1000)
                connection.sendall(answer)

        thread = threading.Thread(target=once, daemon=True)
        thread.start()
        started.append((server, thread))
        return int(server.getsockname()[1])

    yield start
    for server, thread in started:
        thread.join()
        server.close()


@pytest.mark.parametrize("said", [None, "", "local"])
def test_a_machine_alone(monkeypatch: pytest.MonkeyPatch, said: str | None) -> None:
    """A sweep that takes every core of the machine, for RAY_ADDRESS=local passed for a cluster."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if said is not None:
        monkeypatch.setenv("RAY_ADDRESS", said)
    assert address.cluster() is None


def test_a_cluster_that_answers(monkeypatch: pytest.MonkeyPatch, serve: Serve) -> None:
    """A sound cluster that is refused, or the word that Ray resolves itself."""
    where = f"127.0.0.1:{serve(SETTINGS)}"
    monkeypatch.setenv("RAY_ADDRESS", where)
    assert address.cluster() == where
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    assert address.cluster() == "auto"


@pytest.mark.parametrize(
    ("said", "rule", "remedy"),
    [
        ("ray://10.0.0.1:10001", "is for Ray Client", "python -m sweeps submit SPEC"),
        ("http://10.0.0.1:8265", "is for jobs", "ray job submit --address http://HEAD:8265"),
        ("redis://10.0.0.1:6379", "is no address of a cluster", "give host:port"),
        ("10.0.0.1", "is no address of a cluster", "give host:port"),
        ("10.0.0.1:ray", "is no address of a cluster", "give host:port"),
    ],
)
def test_what_drives_no_sweep(
    monkeypatch: pytest.MonkeyPatch, said: str, rule: str, remedy: str
) -> None:
    """Minutes of waiting and a page of traceback for a word that is wrong."""
    monkeypatch.setenv("RAY_ADDRESS", said)
    with pytest.raises(ValueError, match=rule) as caught:
        address.cluster()
    assert str(caught.value).startswith(f"RAY_ADDRESS {said}: ")
    assert remedy in str(caught.value)


def test_nobody_and_somebody_else(monkeypatch: pytest.MonkeyPatch, serve: Serve) -> None:
    """Ray, which waits for 160 seconds and then ends the process; a port that is not Ray's."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{port}")
    with pytest.raises(ValueError, match=r"nobody answers there \(.*refused\); start the cluster"):
        address.cluster()
    for answer in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b""):
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{serve(answer)}")
        with pytest.raises(ValueError, match="what answers there is no Ray cluster"):
            address.cluster()


def test_a_cluster_behind_tls(monkeypatch: pytest.MonkeyPatch, serve: Serve) -> None:
    """A cluster with certificates that is taken for something else, for it answers no greeting."""
    monkeypatch.setenv("RAY_USE_TLS", "1")
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{serve(b'')}")
    assert address.cluster() is not None

"""`python -m runners.serving`: what it refuses before anything is started."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from runners.serving.__main__ import _RAY, main
from runners.serving.cluster import TOKEN_VARIABLE

OUTSIDE = "--host {host}: is reached from outside, and whoever reaches it could change what is"


@pytest.fixture
def taken() -> Iterator[str]:
    """A port on which somebody listens, who would share it, as Ray Serve does."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield str(listening.getsockname()[1])


@pytest.fixture
def free() -> str:
    """A port on which nobody listens."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return str(listening.getsockname()[1])


def test_a_second_server_does_not_share_the_port_of_the_first(
    taken: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches two servers of other prompts that each get half of the requests."""
    assert main(["--port", taken]) == 2
    said = capsys.readouterr().err
    assert f"--host 127.0.0.1 --port {taken}: cannot be listened on (Address already in" in said
    assert said.endswith("stop what listens there, or give another address or port\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--port", "0"], "--port 0: is not 1 to 65535; give a free one of these"),
        (["--port", "65536"], "--port 65536: is not 1 to 65535; give a free one of these"),
        (["--replicas", "0"], "--replicas 0: is less than 1; give 1 or more"),
        (["--replicas", "-2"], "--replicas -2: is less than 1; give 1 or more"),
    ],
)
def test_numbers_out_of_range_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    """Catches one replica where none was asked for, and a config that no cluster takes."""
    file = tmp_path / "serve.yaml"
    assert main([*words, "--write-config", str(file)]) == 2
    assert capsys.readouterr().err == f"{said}\n"
    assert not file.exists()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_wants_no_token_whatever_it_is_called(
    host: str, taken: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Catches a name of this machine that is told to be reached from outside."""
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    words = ["--port", taken, "--store", str(tmp_path / "store"), "--host"]
    assert main([*words, host]) == 2
    assert "cannot be listened on" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org"])
def test_others_who_reach_a_server_with_a_store_need_a_token(
    host: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches what is served being changed by whoever is in the same network."""
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    assert main(["--store", str(tmp_path / "store"), "--host", host]) == 2
    assert OUTSIDE.format(host=host) in capsys.readouterr().err


def test_a_gpu_that_is_not_there_is_told_before_ray_starts(
    free: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a page of Ray's words, after a minute, for an option that cannot be had."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(["--port", free, "--device", "cuda"]) == 2
    assert capsys.readouterr().err.startswith("device: 'cuda' is not here")


def test_an_interrupt_while_it_starts_is_no_traceback(
    free: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches forty lines of Ray for whoever noticed a typing mistake."""
    deployment = pytest.importorskip("runners.serving.deployment")

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(deployment, "start", interrupted)
    for name in _RAY:  # Which are set for Ray, and are not to stay for other tests.
        monkeypatch.setenv(name, "0")
    assert main(["--port", free]) == 130
    assert capsys.readouterr().err.endswith("before it was ready; nothing is served\n")

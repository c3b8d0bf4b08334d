"""Where a server that a user starts listens."""

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.slow
pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
psutil = pytest.importorskip("psutil")

REPLICA = "ray::ServeReplica:"
"""How Ray titles the processes of deployments, whose own port it opens on every interface."""


def test_only_ports_of_replicas_are_reached_from_outside(start_server: Callable[..., Any]) -> None:
    """Catches processes of Ray that whoever is in the same network can talk to."""
    _, process = start_server()
    family = {process.pid, *(p.pid for p in psutil.Process(process.pid).children(recursive=True))}
    outside = [
        " ".join(psutil.Process(each.pid).cmdline()[:1])
        for each in psutil.net_connections("tcp")
        if each.status == psutil.CONN_LISTEN and each.pid in family
        if each.laddr.ip.removeprefix("::ffff:") not in {"127.0.0.1", "::1"}
    ]
    assert [name for name in outside if not name.startswith(REPLICA)] == []

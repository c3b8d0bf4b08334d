"""Room on a cluster, with nodes that are told and not there. Real ones: tests/slow."""

from collections.abc import Callable
from typing import Any

import pytest

from sweeps import connection
from sweeps.connection import await_room, node_types

Nodes = list[dict[str, Any]]


def node(name: str, **resources: float) -> dict[str, Any]:
    """A node as Ray tells of it."""
    return {"NodeManagerHostname": name, "Resources": resources}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    """Sets what nodes are there at each look, the last from then on; returns what was asked for."""

    def build(*looks: Nodes) -> list[Any]:
        left, asked = list(looks), []
        monkeypatch.setattr(
            connection, "alive_nodes", lambda: left.pop(0) if len(left) > 1 else left[0]
        )

        def request(bundles: list[Any]) -> None:
            asked.append(bundles)

        monkeypatch.setattr(connection, "request_resources", request)
        monkeypatch.setattr(connection, "LOOK_SECONDS", 0.0)
        return asked

    return build


def test_nobody_waits_where_there_is_room(
    cluster: Callable[..., list[Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """A sweep that asks for machines which it has, and pays for them."""
    asked = cluster([node("a", CPU=1.0), node("b", CPU=4.0, GPU=1.0)])
    await_room([{"CPU": 2.0}, {"CPU": 1.0, "GPU": 0.5}])
    assert asked == []
    assert capsys.readouterr().out == ""


def test_a_node_that_joins_is_waited_for(
    cluster: Callable[..., list[Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """A cluster that starts GPUs when somebody wants one, and of which nobody ever does."""
    small = [node("a", CPU=1.0)]
    asked = cluster(small, small, [*small, node("b", CPU=4.0, GPU=1.0)])
    await_room([{"CPU": 1.0}, {"CPU": 2.0, "GPU": 1.0}])
    assert asked == [[{"CPU": 2.0, "GPU": 1.0}], []], "asked for once, and taken back"
    assert "no node of the cluster has 2 CPU and 1 GPU for a worker" in capsys.readouterr().out


def test_no_room_ever_is_an_error_before_anything_starts(
    cluster: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep that says `0 running` for ever, for its workers are larger than any node."""
    monkeypatch.setattr(connection, "ROOM_SECONDS", 0.0)
    asked = cluster([node("a", CPU=1.0), node("b", CPU=2.0)])
    with pytest.raises(ValueError, match=r"nothing was started, for no node .* has 8 CPU") as told:
        await_room([{"CPU": 8.0}])
    assert "(there are: 1 CPU; 2 CPU)" in str(told.value)
    assert asked[-1] == []


def test_two_half_nodes_are_no_node(cluster: Callable[..., list[Any]]) -> None:
    """The cores of one node and the GPU of another, taken for one."""
    cluster([node("a", CPU=8.0), node("b", GPU=1.0)])
    assert connection._without_room([{"CPU": 2.0, "GPU": 1.0}]) == [{"CPU": 2.0, "GPU": 1.0}]


def test_nodes_are_read_as_node_types(cluster: Callable[..., list[Any]]) -> None:
    """A head without cores that is counted as one with, or GPUs that are not."""
    cluster([node("head", memory=8e9), node("b", CPU=4.0, GPU=2.0, memory=32e9)])
    head, worker = node_types()
    assert (head.cpus, head.gpus, head.memory_gb) == (0, 0, 8.0)
    assert (worker.name, worker.cpus, worker.gpus, worker.memory_gb) == ("b", 4, 2, 32.0)

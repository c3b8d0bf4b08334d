"""Room on a cluster, with nodes that are told and not there. Real ones: tests/slow."""

import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from sweeps import connection
from sweeps.connection import await_room, connected, node_types
from sweeps.execution import Execution
from sweeps.nodes import NodeType
from sweeps.room import held_by

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


@pytest.mark.parametrize(
    ("workers", "threads", "ranks", "found"),
    [(2, None, 1, (2, 4)), (1, None, 4, (1, 2)), (None, None, 1, (8, 1)), (3, 2, 1, (3, 2))],
)
def test_this_machine_has_the_cores_that_workers_hold(
    monkeypatch: pytest.MonkeyPatch, workers: int | None, threads: int | None, ranks: int,
    found: tuple[int, int],
) -> None:  # fmt: skip
    """Catches workers of several threads of which Ray counts one, or that find no room in it."""
    told: dict[str, Any] = {}
    here = NodeType(name="here", cpus=8, memory_gb=8)
    monkeypatch.setattr("sweeps.connection.address.cluster", lambda: None)
    monkeypatch.setattr(connection, "this_machine", lambda: here)
    monkeypatch.setattr("sweeps.connection.ray.init", lambda **settings: told.update(settings))
    monkeypatch.setattr("sweeps.connection.ray.shutdown", lambda: None)
    monkeypatch.setattr("sweeps.connection.ray.cluster_resources", dict)
    asked = Execution(store="s", workers=workers, threads=threads)
    with connected(asked, ranks, "/s", ["60k"]) as settled:
        assert (settled.workers, settled.threads) == found
        held = held_by(settled, "60k")["CPU"]
    assert told["num_cpus"] == max(found[0], ranks) * held


def test_the_nodes_of_a_cluster_decide_how_many_threads_there_are(
    cluster: Callable[..., list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a wait for a node of as many cores as this machine has, or threads by its cores."""
    asked = cluster([node("a", CPU=12.0), node("b", CPU=6.0)])
    monkeypatch.setattr("sweeps.connection.address.cluster", lambda: "head:6379")
    monkeypatch.setattr(connection, "on_cluster", contextlib.nullcontext)
    monkeypatch.setattr(connection, "_refuse_passing", lambda store: None)
    monkeypatch.setattr(connection, "_refuse_unfit", lambda *told: None)
    open_ = Execution(store="s", workers=3, threads=None)
    with connected(open_, 1, "/s", ["60k"]) as settled:
        assert (settled.workers, settled.threads) == (3, 6)
    assert asked == []

"""How many workers a machine has room for."""

import pytest

from sweeps.execution import Execution
from sweeps.nodes import NodeType
from sweeps.room import held_by, settled, workers_on

NODE = NodeType(name="n", cpus=16, memory_gb=64, gpu="A100-80GB", gpus=2, gpu_memory_gb=80)


@pytest.mark.parametrize(
    ("settings", "room"),
    [
        ({"threads": 4}, 4),
        ({"threads": 5}, 3),
        ({"threads": 17}, 0),
        ({"gpus_per_worker": 1.0}, 2),
        ({"gpus_per_worker": 0.4}, 4),
        ({"gpus_per_worker": 1.0, "gpu_shares": {"small": 0.25}}, 8),
        ({"gpus_per_worker": 0.1, "threads": 4}, 4),
    ],
)
def test_room_is_of_cores_and_gpus(settings: dict[str, object], room: int) -> None:
    """A share of 0.4 that is put together out of two GPUs; cores that are handed out twice."""
    assert workers_on(NODE, Execution(store="s", **settings)) == room  # type: ignore[arg-type]


def test_a_node_without_gpus_has_no_room_for_those_who_want_one() -> None:
    """A sweep for GPUs that a head with many cores is counted for."""
    node = NodeType(name="head", cpus=64, memory_gb=64)
    assert workers_on(node, Execution(store="s", gpus_per_worker=1.0)) == 0
    assert workers_on(node, Execution(store="s")) == 64


def test_a_worker_holds_what_its_size_needs() -> None:
    """Small models that hold a whole GPU, or cores that ask for none of one."""
    execution = Execution(store="s", threads=2, gpus_per_worker=1.0, gpu_shares={"small": 0.25})
    assert held_by(execution, "small") == {"CPU": 2.0, "GPU": 0.25}
    assert held_by(execution, "xl") == {"CPU": 2.0, "GPU": 1.0}
    assert held_by(Execution(store="s"), "xl") == {"CPU": 1.0}


@pytest.mark.parametrize(
    ("settings", "threads"),
    [
        ({"workers": 1}, 16),
        ({"workers": 2}, 8),
        ({"workers": 3}, 5),
        ({"workers": 20}, 1),
        ({"workers": None}, 1),
        ({"workers": 1, "gpus_per_worker": 1.0}, 16),
        ({"workers": None, "gpus_per_worker": 1.0}, 8),
        ({"workers": None, "gpus_per_worker": 1.0, "gpu_shares": {"small": 0.25}}, 2),
    ],
)
def test_threads_that_are_left_open_are_all_that_each_worker_can_have(
    settings: dict[str, object], threads: int
) -> None:
    """Catches cores that idle beside one worker, and threads for which some worker has no room."""
    open_ = Execution(store="s", threads=None, **settings)  # type: ignore[arg-type]
    found = settled(open_, [NODE])
    assert found.threads == threads
    assert settled(found, []) is found
    if open_.workers is None:
        assert workers_on(NODE, found) == workers_on(NODE, settled(open_))


def test_threads_are_of_all_nodes_and_ranks() -> None:
    """Catches threads by the largest node, in which not all workers have room, or not all ranks."""
    small = NodeType(name="s", cpus=8, memory_gb=8, count=3)
    open_ = Execution(store="s", threads=None, workers=3)
    assert settled(open_, [NODE, small]).threads == 8
    assert settled(open_, [small]).threads == 8
    assert settled(open_, [small], ranks=5).threads == 4
    assert settled(open_).threads == 1
    nowhere = Execution(store="s", threads=None, gpus_per_worker=1.0)
    assert settled(nowhere, [small]).threads == 1

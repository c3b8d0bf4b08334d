"""How many workers a machine has room for."""

import pytest

from sweeps.execution import Execution
from sweeps.nodes import NodeType
from sweeps.room import held_by, workers_on


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
    node = NodeType(name="n", cpus=16, memory_gb=64, gpu="A100-80GB", gpus=2, gpu_memory_gb=80)
    assert workers_on(node, Execution(store="s", **settings)) == room  # type: ignore[arg-type]


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

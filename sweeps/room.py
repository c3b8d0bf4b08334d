"""Room for workers: how many a machine has cores and GPUs for, and what each of them holds."""

from sweeps.execution import Execution
from sweeps.nodes import NodeType


def held_by(execution: Execution, size: str) -> dict[str, float]:
    """What a worker holds of a machine for models of a size, in Ray's words."""
    held = {"CPU": float(execution.threads)}
    if gpus := execution.gpus_of(size):
        held["GPU"] = gpus
    return held


def workers_on(node: NodeType, execution: Execution) -> int:
    """Workers that one node has room for at a time, where all take the smallest share of a GPU."""
    cores = node.cpus // execution.threads
    share = min((execution.gpus_per_worker, *execution.gpu_shares.values()))
    return min(cores, node.gpus * int(1 / share)) if share else cores

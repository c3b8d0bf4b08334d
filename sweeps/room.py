"""Room for workers: how many a machine has cores and GPUs for, and what each of them holds."""

from collections.abc import Iterable
from dataclasses import replace

from sweeps.execution import Execution
from sweeps.nodes import NodeType


def settled(execution: Execution, nodes: Iterable[NodeType] = (), *, ranks: int = 1) -> Execution:
    """The same with a number of threads, which may depend on the nodes that there are.

    Left open, it is the largest with which they have room for as many workers as are wanted,
    or for the `ranks` that train together; one where there is room for no more than these.
    All workers have as many, on whatever node.
    """
    if execution.threads is not None:
        return execution
    there = list(nodes)

    def room(threads: int) -> int:
        told = replace(execution, threads=threads)
        return sum(node.count * workers_on(node, told) for node in there)

    wanted = min(room(1), max(execution.workers or room(1), ranks))
    cores = max((node.cpus for node in there), default=1)
    enough = (threads for threads in range(cores, 1, -1) if wanted and room(threads) >= wanted)
    return replace(execution, threads=next(enough, 1))


def held_by(execution: Execution, size: str) -> dict[str, float]:
    """What a worker holds of a machine for models of a size, in Ray's words."""
    held = {"CPU": float(execution.cores)}
    if gpus := execution.gpus_of(size):
        held["GPU"] = gpus
    return held


def workers_on(node: NodeType, execution: Execution) -> int:
    """Workers that one node has room for at a time, where all take the smallest share of a GPU."""
    cores = node.cpus // execution.cores
    share = min((execution.gpus_per_worker, *execution.gpu_shares.values()))
    return min(cores, node.gpus * int(1 / share)) if share else cores

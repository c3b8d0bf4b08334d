"""Ray under a sweep: this machine's own, or a cluster whose nodes are fit for it."""

import contextlib
import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import ray
from ray.autoscaler.sdk import request_resources

from sweeps import address, head
from sweeps.doctor_nodes import alive_nodes, node_findings
from sweeps.execution import Execution
from sweeps.forecast.machine import this_machine
from sweeps.needs import Need
from sweeps.nodes import NodeType
from sweeps.room import held_by, settled, workers_on

ROOM_SECONDS = 900.0
"""So long a cluster may take to start a node that has room for a worker."""
LOOK_SECONDS = 2.0
OBJECT_STORE_BYTES = 100_000_000
"""Ray's shared memory on this machine; workers exchange nothing through it."""


@contextlib.contextmanager
def connected(
    execution: Execution, ranks: int, store: str, sizes: Iterable[str], *,
    needs: tuple[Need, ...] = (), prunes: bool = False,
) -> Iterator[Execution]:  # fmt: skip
    """A block with Ray on the cluster of RAY_ADDRESS, or on the cores of this machine it needs.

    `ranks` are the most that train together, `store` the absolute place of the results,
    `sizes` those of the models and `needs` what workers read on their machine; with
    `prunes` nodes take away code that the driver has not. Yields `execution` with
    the numbers of workers and threads that there are to be. Raises ValueError where the
    cluster cannot be reached, a node of it cannot take part or none has room for a worker, and
    where this machine has not the GPUs of one.
    """
    where = address.cluster()
    if where is None:
        with _this_machine(execution, ranks) as here:
            yield here
        return
    with on_cluster(where):
        _refuse_passing(store)
        # Who leaves threads open is content with one.
        await_room([held_by(settled(execution), size) for size in sizes])
        _refuse_unfit(store, needs, prunes)
        there = node_types()
        execution = settled(execution, there, ranks=ranks)
        workers = execution.workers or sum(workers_on(node, execution) for node in there)
        yield replace(execution, workers=workers)


@contextlib.contextmanager
def on_cluster(where: str) -> Iterator[None]:
    """A block with Ray on a cluster, to be reached from one of its machines."""
    try:
        ray.init(address=where, log_to_driver=False, logging_level=logging.CRITICAL)
    except (ConnectionError, RuntimeError) as error:
        said = " ".join(str(error).split())
        raise ValueError(
            f"{address.VARIABLE} {where}: Ray does not connect ({said}); run it on a machine of "
            "a running cluster, in the environment that the cluster was started with"
        ) from error
    try:
        with head.watched(ray.get_runtime_context().gcs_address):
            yield
    finally:
        ray.shutdown()


def _refuse_passing(store: str) -> None:
    """Raise where results would lie in the copy of the code that Ray makes for a job."""
    folder = os.getcwd()
    if ray.get_runtime_context().runtime_env.get("working_dir") and store.startswith(folder):
        raise ValueError(
            f"execution.store: {os.path.relpath(store, folder)} lies in the working directory of "
            "a Ray job, which Ray deletes; give an absolute path, or a URL"
        )


def _refuse_unfit(store: str, needs: tuple[Need, ...], prunes: bool) -> None:
    found = node_findings(store, needs, prunes=prunes)
    for finding in found:
        if finding.verdict == "concern":
            print(f"{finding.subject}: {finding.said}", flush=True)
    bad = [finding for finding in found if finding.verdict == "bad"]
    if bad:
        lines = "\n".join(f"  {finding.subject}: {finding.said}" for finding in bad)
        raise ValueError(f"nothing was started, for not every node can take part:\n{lines}")


def await_room(wanted: Iterable[Mapping[str, float]]) -> None:
    """Wait for a node with room for each of these; raises ValueError where none comes.

    The cluster is asked for one, and may start it. What nodes hold at the moment does
    not count: Ray waits until it is free.
    """
    lacking = _without_room(wanted)
    if not lacking:
        return
    print(
        f"no node of the cluster has {_in_words(lacking)} for a worker; "
        f"waiting for one, {ROOM_SECONDS / 60:g} minutes at most",
        flush=True,
    )
    until = time.monotonic() + ROOM_SECONDS
    request_resources(bundles=[dict(each) for each in lacking])
    try:
        while lacking and time.monotonic() < until:
            time.sleep(LOOK_SECONDS)
            lacking = _without_room(lacking)
    finally:
        request_resources(bundles=[])
    if lacking:
        there = "; ".join(_in_words([node["Resources"]]) for node in alive_nodes())
        raise ValueError(
            f"nothing was started, for no node of the cluster has {_in_words(lacking)} for a "
            f"worker, and none came within {ROOM_SECONDS / 60:g} minutes (there are: {there}); "
            "take larger nodes, or give execution.threads or gpus_per_worker that fit"
        )


def _without_room(wanted: Iterable[Mapping[str, float]]) -> list[Mapping[str, float]]:
    """What is wanted and more than any node has."""
    nodes = [node["Resources"] for node in alive_nodes()]
    return [
        each
        for each in wanted
        if not any(all(n.get(name, 0.0) >= much for name, much in each.items()) for n in nodes)
    ]


def _in_words(several: Iterable[Mapping[str, float]]) -> str:
    """Such as `2 CPU and 1 GPU`, without what Ray counts beside them."""
    said = [
        " and ".join(f"{each[name]:g} {name}" for name in ("CPU", "GPU") if name in each)
        for each in several
    ]
    return ", or ".join(dict.fromkeys(words or "no CPU" for words in said))


def node_types() -> list[NodeType]:
    """Every node of the cluster that is alive, by what Ray knows of it."""
    return [
        NodeType(
            name=node["NodeManagerHostname"], cpus=int(node["Resources"].get("CPU", 0)),
            gpus=int(node["Resources"].get("GPU", 0)),
            memory_gb=node["Resources"].get("memory", 0) / 1e9,
        )
        for node in alive_nodes()
    ]  # fmt: skip


@contextlib.contextmanager
def _this_machine(execution: Execution, ranks: int) -> Iterator[Execution]:
    here = this_machine()
    execution = settled(execution, [here], ranks=ranks)
    workers = execution.workers or max(1, workers_on(here, execution))
    ray.init(
        address="local",
        num_cpus=max(workers, ranks) * execution.cores,
        object_store_memory=OBJECT_STORE_BYTES,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.CRITICAL,
    )
    try:
        _refuse_gpus(execution, ranks)
        yield replace(execution, workers=workers)
    finally:
        ray.shutdown()


def _refuse_gpus(execution: Execution, ranks: int) -> None:
    """Raise where workers want GPUs, or shares of them, that this machine has not."""
    found: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    wanted, gpus = execution.gpus_per_worker, found.get("GPU", 0.0)
    if wanted > gpus:
        raise ValueError(
            f"execution.gpus_per_worker: {wanted:g} cannot be had, for Ray "
            "finds no GPU on this machine; give 0, or run where there is one"
        )
    if ranks * wanted > gpus:
        raise ValueError(
            f"execution.ranks: {ranks} cannot be had with {wanted:g} GPU each, for Ray finds "
            f"{gpus:g} on this machine; give fewer, or run where there are more"
        )

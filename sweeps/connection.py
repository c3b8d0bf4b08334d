"""Ray under a sweep: this machine's own, or a cluster whose nodes are fit for it."""

import contextlib
import logging
import os
from collections.abc import Iterator

import ray

from sweeps import address, head
from sweeps.doctor_nodes import node_findings
from sweeps.execution import Execution

OBJECT_STORE_BYTES = 100_000_000
"""Ray's shared memory on this machine; workers exchange nothing through it."""


@contextlib.contextmanager
def connected(execution: Execution, ranks: int, store: str) -> Iterator[None]:
    """A block with Ray on the cluster of RAY_ADDRESS, or on the cores of this machine it needs.

    `ranks` are the most that train together, `store` the absolute place of the results.
    Raises ValueError where the cluster cannot be reached or a node of it cannot take
    part, and where this machine has not the GPUs of a worker. What a cluster has can
    grow, so its workers wait for theirs.
    """
    where = address.cluster()
    if where is None:
        with _this_machine(execution, ranks):
            yield
        return
    with on_cluster(where):
        _refuse_passing(store)
        _refuse_unfit(store)
        yield


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


def _refuse_unfit(store: str) -> None:
    found = node_findings(store)
    bad = [finding for finding in found if finding.verdict == "bad"]
    if bad:
        lines = "\n".join(f"  {finding.subject}: {finding.said}" for finding in bad)
        raise ValueError(f"nothing was started, for not every node can take part:\n{lines}")


@contextlib.contextmanager
def _this_machine(execution: Execution, ranks: int) -> Iterator[None]:
    ray.init(
        address="local",
        num_cpus=max(execution.workers, ranks) * execution.threads,
        object_store_memory=OBJECT_STORE_BYTES,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.CRITICAL,
    )
    try:
        _refuse_gpus(execution, ranks)
        yield
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

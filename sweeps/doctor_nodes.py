"""What every node of a running cluster says: its code, its view of the store, its disk."""

import logging
import os

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from runners.storage.files import open_files
from runners.storage.layout import new_name
from runners.training.provenance import code_fingerprint
from sweeps.doctor import PROBE, Finding, store_finding
from sweeps.spec import SweepSpec

PATIENCE_SECONDS = 60.0
"""A node that says nothing for so long is taken for dead."""


def node_findings(spec: SweepSpec) -> list[Finding]:
    """One finding or more of each node of the cluster of RAY_ADDRESS."""
    ray.init(log_to_driver=False, logging_level=logging.CRITICAL, ignore_reinit_error=True)
    root = spec.execution.store if "://" in spec.execution.store else os.path.abspath(
        spec.execution.store
    )  # fmt: skip
    files, probe = open_files(root), f"doctor-{new_name()}"
    files.create(probe, PROBE)
    try:
        alive = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
        asked = {
            node["NodeManagerHostname"]: _look.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ).remote(root, probe)
            for node in alive
        }
        return [each for host, told in asked.items() for each in _told(host, told)]
    finally:
        files.remove(probe)
        ray.shutdown()


def _told(host: str, told: "ray.ObjectRef[tuple[str, bool, Finding]]") -> list[Finding]:
    subject = f"node {host}"
    try:
        code, sees, store = ray.get(told, timeout=PATIENCE_SECONDS)
    except ray.exceptions.GetTimeoutError:
        said = f"says nothing for {PATIENCE_SECONDS:g} s"
        return [Finding(subject=subject, verdict="bad", said=said)]
    except ray.exceptions.RayTaskError as error:
        said = f"cannot run this code ({error.cause}); send the checkout there"
        return [Finding(subject=subject, verdict="bad", said=said)]
    found = []
    if code != code_fingerprint():
        said = f"has code {code}, and here is {code_fingerprint()}; send the checkout there"
        found.append(Finding(subject=subject, verdict="bad", said=said))
    if not sees:
        said = "does not see what is written here; name a shared folder or a URL"
        found.append(Finding(subject=f"{subject}, store", verdict="bad", said=said))
    if store.verdict != "good":
        found.append(Finding(subject=f"{subject}, store", verdict="bad", said=store.said))
    good = Finding(subject=subject, verdict="good", said="same code, and the store can be used")
    return found or [good]


@ray.remote(num_cpus=0)
def _look(root: str, probe: str) -> tuple[str, bool, Finding]:
    """On a node: its code, whether it sees the probe, and whether it can write beside it."""
    sees = open_files(root).read(probe) == PROBE
    return code_fingerprint(), sees, store_finding(root)

"""What every node of a running cluster says: its code, and its view of the store.

`doctor` asks, and so does every run on a cluster before it starts anything.
"""

import time
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from runners.storage.files import Files, open_files
from sweeps import checkout
from sweeps.finding import PROBE, Finding, probe_name, store_finding
from sweeps.needs import Need, missing_here

PATIENCE_SECONDS = 60.0
"""A node that says nothing for so long is taken for dead."""
SIGHT_SECONDS = 5.0
"""A shared folder may show late what another machine wrote, but not later than this."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a node says of itself."""

    code: str
    store: Finding | None
    """Whether it can write into the store; None where it does not see what the driver wrote."""
    removed: tuple[str, ...] = ()
    """Files that decide results and were not submitted."""
    lacks: tuple[str, ...] = ()
    """What trials read and is not there, a sentence each."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a node is asked."""

    root: str
    """The store."""
    probe: str
    """A file in it that the driver wrote."""
    mark: str
    """And one that the node is to write."""
    needs: tuple[Need, ...] = ()
    """What trials read on their machine."""
    submitted: checkout.Listing | None = None
    """The driver's code, where all else is to go; code was sent to the nodes then."""


def node_findings(
    root: str, needs: tuple[Need, ...] = (), *, prunes: bool = False
) -> list[Finding]:  # fmt: skip
    """One finding or more of each node of the cluster that Ray is connected to.

    `root` is an absolute path or a URL, where the driver can write; `needs` is what trials
    read there. With `prunes` nodes take away what a checkout has beyond the driver's: code
    was sent to them, and a sync leaves lying what is not sent any more.
    """
    listing = checkout.listing_here() if prunes else None
    files, probe = open_files(root), probe_name()
    files.create(probe, PROBE)
    try:
        nodes = alive_nodes()
        remote = ray.remote(num_cpus=0, max_retries=0)(look)
        asked = {
            node["NodeID"]: remote.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ).remote(
                Asked(
                    root=root,
                    probe=probe,
                    mark=_mark(probe, node["NodeID"]),
                    submitted=listing,
                    # A head without cores runs no trial, and needs nothing that they read.
                    needs=needs if node["Resources"].get("CPU") else (),
                )
            )
            for node in nodes
        }
        ray.wait(list(asked.values()), num_returns=len(asked), timeout=PATIENCE_SECONDS)
        alive = {node["NodeID"] for node in alive_nodes()}
        found = []
        for node in nodes:
            mark = _mark(probe, node["NodeID"])
            if node["NodeID"] in alive:
                found += _judged(_name(node), asked[node["NodeID"]], files, mark)
            else:
                said = "has gone since it was asked"
                found.append(Finding(subject=_name(node), verdict="concern", said=said))
            files.remove(mark)
        return found
    finally:
        files.remove(probe)


def alive_nodes() -> list[dict[str, Any]]:
    """What Ray says of each node of the cluster that is alive."""
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    return [node for node in nodes if node["Alive"]]


def _name(node: dict[str, Any]) -> str:
    return f"node {node['NodeManagerHostname']} ({node['NodeManagerAddress']})"


def _mark(probe: str, node: str) -> str:
    """The file that a node writes for the driver to see."""
    return f"{probe}-{node}"


def _judged(
    subject: str, told: "ray.ObjectRef[Told]", files: Files, mark: str
) -> list[Finding]:  # fmt: skip
    """What is to be said of a node."""
    try:
        answer = ray.get(told, timeout=0)
    except ray.exceptions.GetTimeoutError:
        said = f"says nothing for {PATIENCE_SECONDS:g} s"
        return [Finding(subject=subject, verdict="bad", said=said)]
    except RayError as error:
        cause = str(getattr(error, "cause", None) or error).strip().splitlines()[-1]
        said = f"cannot run this code ({cause}); send the checkout there"
        return [Finding(subject=subject, verdict="bad", said=said)]
    left = [
        Finding(subject=subject, verdict="concern", said=f"{path} is removed: it was not submitted")
        for path in answer.removed
    ]
    wrong = []
    if answer.code != checkout.fingerprint():
        said = f"has code {answer.code}, and here is {checkout.fingerprint()}"
        wrong.append((subject, f"{said}; send the checkout there"))
    wrong += [(subject, lacking) for lacking in answer.lacks]
    if answer.store is None:
        said = "does not see what is written here; name a shared folder or a URL"
        wrong.append((f"{subject}, store", said))
    elif answer.store.verdict != "good":
        wrong.append((f"{subject}, store", answer.store.said))
    elif not _seen(files, mark):
        said = "writes what is not seen here; name a shared folder or a URL"
        wrong.append((f"{subject}, store", said))
    if not wrong:
        said = "same code, and the same store"
        return [*left, Finding(subject=subject, verdict="good", said=said)]
    return left + [Finding(subject=where, verdict="bad", said=said) for where, said in wrong]


def look(asked: Asked) -> Told:
    """On a node: look at what the driver wrote, and write something for the driver."""
    files, submitted = open_files(asked.root), asked.submitted
    removed = [] if submitted is None else checkout.remove_strays(checkout.ROOT, submitted)
    # Where it is not seen, a look at the store would make a folder of that name.
    store = store_finding(asked.root) if _seen(files, asked.probe) else None
    if store is not None and store.verdict == "good":
        files.create(asked.mark, PROBE)
    return Told(
        code=checkout.fingerprint(), store=store, removed=tuple(removed),
        lacks=tuple(missing_here(asked.needs)),
    )  # fmt: skip


def _seen(files: Files, name: str) -> bool:
    """Whether a file that another machine wrote is there, or comes into sight."""
    until = time.monotonic() + SIGHT_SECONDS
    while files.read(name) != PROBE:
        if time.monotonic() >= until:
            return False
        time.sleep(0.2)
    return True

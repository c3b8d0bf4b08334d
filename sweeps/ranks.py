"""One pack for several workers: ranks that train one model together, each with its own device.

The worker that Tune knows computes nothing itself: it starts the ranks in the bundles
of its placement group, and watches over them. Where one dies, the others are ended and
the pack fails by the class of that death.
"""

import socket
from collections.abc import Iterator, Sequence
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.placement_group import get_current_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from runners.catalogue import Catalogue
from runners.config import TUNES_MODEL
from runners.training.ranks import Ranks
from sweeps.execution import Execution
from sweeps.failures import Explained, Loss, PackError, loss_of
from sweeps.outage import OUTAGES
from sweeps.packs import Pack
from sweeps.progress import Report

WATCH_SECONDS = 0.5
"""Ranks are looked after so often."""
GRACE_SECONDS = 15.0
"""Once one rank has failed, the others may say so long what they have seen of it."""
GRAVEST = ("out_of_memory", "diverged", *OUTAGES, "code", "lost_worker")
"""Classes of failure, those first of which the others come: a rank misses another that died."""


def ranks_of(pack: Pack, execution: Execution, catalogue: Catalogue) -> int:
    """How many ranks train a pack together: more than one only where the whole model trains."""
    if pack.adaptation is not None:
        family = pack.adaptation.model_family
    elif any(config.method in TUNES_MODEL for config in pack.trials):
        family = pack.trials[0].model_family
    else:
        return 1
    return execution.ranks_of(pack.size, catalogue.rung(family, pack.size).parameters)


def together(config: dict[str, Any], count: int) -> Iterator[Report]:
    """Let so many ranks do what `config` of a worker says; reports what the first one does.

    Raises `PackError` with what ended the first that failed.
    """
    execution: Execution = config["execution"]
    gpus = execution.gpus_of(config["pack"].size)
    ranks = [_placed(number, execution.cores, gpus) for number in range(count)]
    try:
        address = ray.get(ranks[0].address.remote())
        runs = [
            rank.run.remote(config, Ranks(number=number, count=count), address)
            for number, rank in enumerate(ranks)
        ]
        going = runs
        while going:
            done, going = ray.wait(going, num_returns=len(going), timeout=WATCH_SECONDS)
            if _errors(done):
                done, _ = ray.wait(runs, num_returns=count, timeout=GRACE_SECONDS)
                raise _gravest(_errors(done))
            if going:
                yield ray.get(ranks[0].report.remote())
        yield ray.get(ranks[0].report.remote())
    finally:
        for rank in ranks:
            ray.kill(rank)


class Rank:
    """A process of a group, which does the work of a pack with the others."""

    def __init__(self) -> None:
        self._report = Report(share=0.0)

    def address(self) -> str:
        """Where ranks meet whose first is this one."""
        with socket.socket() as free:
            free.bind(("", 0))
            port = free.getsockname()[1]
        return f"{_own_address()}:{port}"

    def report(self) -> Report:
        """How far it is, asked while it works."""
        return self._report

    def run(self, config: dict[str, Any], ranks: Ranks, address: str) -> None:
        """Do all of the work; raises `PackError` whatever goes wrong."""
        from runners.model.device import choose
        from runners.training.ranks import joined
        from sweeps.trainable import work

        execution: Execution = config["execution"]
        device = choose(execution.device if execution.gpus_per_worker else "cpu")
        # One rank is enough to tell a tracker.
        sweep = config.get("sweep") if ranks.is_first else None
        with Explained(), joined(ranks.number, ranks.count, address, device):
            for report in work(config["pack"], execution, config["catalogue"], sweep, ranks):
                self._report = report


def _placed(number: int, threads: int, gpus: float) -> Any:
    """A rank in its bundle; it answers while it works."""
    group = get_current_placement_group()
    assert group is not None
    strategy = PlacementGroupSchedulingStrategy(
        placement_group=group, placement_group_bundle_index=number
    )
    made = ray.remote(Rank).options(
        num_cpus=threads, num_gpus=gpus, max_concurrency=2, scheduling_strategy=strategy
    )
    return made.remote()


def _own_address() -> str:
    address: str = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
    return address


def _errors(done: Sequence["ray.ObjectRef[None]"]) -> list[Loss]:
    found = []
    for run in done:
        try:
            ray.get(run)
        except RayError as error:
            found.append(loss_of(error))
    return found


def _gravest(losses: Sequence[Loss]) -> PackError:
    loss = min(losses, key=lambda loss: GRAVEST.index(loss.kind))
    return PackError(loss.kind, loss.message)

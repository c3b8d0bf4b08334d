"""The one place where Ray meets a runner: a worker that is given packs."""

import socket
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ray import tune

from runners.catalogue import Catalogue
from runners.model.device import choose
from runners.store import Store
from runners.training.provenance import code_fingerprint
from runners.training.ranks import ALONE, Ranks
from sweeps.deadline import watched
from sweeps.execution import Execution
from sweeps.failures import Explained, PackError
from sweeps.held import Held
from sweeps.packs import Pack
from sweeps.progress import Report
from sweeps.ranks import ranks_of, together
from sweeps.tracking.follower import Follower
from sweeps.tracking.run import Sweep
from sweeps.tracking.wandb_runs import Runs

if TYPE_CHECKING:
    import torch

    from runners.training.layout import Layout
    from runners.training.memory import Room, Rooms

REPORT_SECONDS = 2.0
"""A worker reports so often; between reports it trains."""
MOUNT_SECONDS = 30.0
"""A node that has just joined may see the store so late."""
LOOK_SECONDS = 0.5
"""It looks for the store so often."""


class PackTrainable(tune.Trainable):
    """Trains one pack after another, in a process that keeps its imports and its frozen model.

    Everything that matters goes to the store as it happens. A worker that takes
    over finds there what is done, and goes on from the checkpoints of the rest.
    """

    _held: Held | None = None
    """The model of the pack before, which Tune's constructor knows nothing of."""

    def setup(self, config: dict[str, Any]) -> None:
        """Take a pack: config holds `pack`, `execution`, `catalogue` and, to track it, `sweep`.

        Nothing heavy is loaded before the first step, so that all workers are up
        while the first of them still loads torch. Otherwise Tune would give the
        pack of one that is starting to one that is free, and end the one starting.
        """
        pack, execution, catalogue = config["pack"], config["execution"], config["catalogue"]
        count = ranks_of(pack, execution, catalogue)
        self._held = self._held or Held()
        if count > 1:
            begun = together(config, count)
        else:
            begun = work(pack, execution, catalogue, config.get("sweep"), held=self._held)
        self._work = watched(begun, execution.deadline_seconds)
        self._report = Report(share=0.0)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next pack in the same process."""
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Work for a while and report; raises `PackError` whatever goes wrong."""
        until = time.monotonic() + REPORT_SECONDS
        with Explained():
            for report in self._work:
                self._report = report
                if time.monotonic() >= until:
                    return {**asdict(report), "done": False}
        return {**asdict(self._report), "done": True}


def work(
    pack: Pack, execution: Execution, catalogue: Catalogue, sweep: Sweep | None = None,
    ranks: Ranks = ALONE, held: Held | None = None,
) -> Iterator[Report]:  # fmt: skip
    """Do all that a pack asks for, alone or as one of `ranks`; reports often, and at the end.

    The model of the pack before may be `held`, and that of this one is afterwards.
    """
    # Before the code is imported, so that a record never names code which came later.
    code_fingerprint()
    import torch

    torch.set_num_threads(execution.cores)
    # A worker that was given no GPU leaves those of others alone.
    device = choose(execution.device if execution.gpus_per_worker else "cpu")
    store = Store(execution.store)
    _refuse_unseen(store)
    held = held or Held()
    if pack.adaptation is not None:
        # It trains weights of its own, which want the room.
        held.let_go()
        yield from _adapt(pack, store, catalogue, execution, device, ranks)
        return
    if sweep is None or not execution.tracking.live:
        yield from _train(pack, store, catalogue, execution, device, ranks, held, None)
        return
    follower = Follower(runs=Runs(execution.tracking), store=store, sweep=sweep)
    report = Report(share=0.0)
    for report in _train(pack, store, catalogue, execution, device, ranks, held, follower):
        yield report
    follower.end(pack.trials)
    yield replace(report, untracked=follower.trouble)


def _refuse_unseen(store: Store) -> None:
    """Raise on a node that joined after the driver had looked, with a folder of its own.

    It waits for the folder first: to be mounted, and lest it takes one pack after another
    from those that could train them. The pack goes to another worker.
    """
    until = time.monotonic() + MOUNT_SECONDS
    while not store.is_made:
        if time.monotonic() >= until:
            raise PackError(
                "lost_worker",
                f"store {store.root}: {socket.gethostname()} does not see what the driver wrote "
                "there; mount the shared folder on it",
            )
        time.sleep(LOOK_SECONDS)


def _adapt(
    pack: Pack, store: Store, catalogue: Catalogue, execution: Execution, device: "torch.device",
    ranks: Ranks,
) -> Iterator[Report]:  # fmt: skip
    from runners.training.adaptation import adapt

    assert pack.adaptation is not None
    resumed: float | None = None
    steps = adapt(
        pack.adaptation, pack.milestones, store, catalogue,
        checkpoint_seconds=execution.checkpoint_seconds, device=device,
        room=_room(execution, ranks),
        layout=_layout(execution, ranks),
    )  # fmt: skip
    for step, last in steps:
        resumed = (step - 1) / last if resumed is None else resumed
        yield Report(share=step / last, resumed=resumed)


def _train(
    pack: Pack, store: Store, catalogue: Catalogue, execution: Execution, device: "torch.device",
    ranks: Ranks, held: Held, follower: Follower | None,
) -> Iterator[Report]:  # fmt: skip
    from runners.model.loading import load_backbone
    from runners.model.shared import machine_pool
    from runners.training.session import Session

    done = ranks.agreed(store.done(config.trial_id for config in pack.trials))
    todo = [config for config in pack.trials if config.trial_id not in done]
    costs = dict(zip(pack.trials, pack.costs, strict=True))
    behind = sum(costs[config] for config in pack.trials if config.trial_id in done)
    resumed = 1.0 if not todo else behind / pack.cost
    yield Report(share=resumed, resumed=resumed, committed=len(done))
    if not todo:
        return
    pool = machine_pool() if execution.workers != 1 else None
    read = load_backbone(todo[0], store, catalogue, pool=pool)
    session = Session(
        backbone=held.laid_out(read, _layout(execution, ranks), device),
        store=store,
        catalogue=catalogue,
        slots=pack.slots,
        checkpoint_seconds=execution.checkpoint_seconds,
        ranks=ranks,
        rooms=held.rooms(todo[0].method, partial(_rooms, execution, ranks)),
    )
    for live in session.train(todo):
        if follower is not None:
            follower.follow((member.config, member.history) for r in live for member in r.members)
        ahead = sum(
            costs[member.config] * (1 - run.step / run.config.steps)
            for run in live
            for member in run.members
        )
        queued = sum(costs[config] for config in todo[session.taken :])
        taken_up = sum(
            costs[config] * session.resumed[config] / config.steps for config in session.resumed
        )
        yield Report(
            share=1 - (ahead + queued) / pack.cost,
            resumed=resumed + taken_up / pack.cost,
            committed=len(done) + session.committed,
            running=len(live),
            failed=session.failed,
        )


def _layout(execution: Execution, ranks: Ranks) -> "Layout":
    from runners.training.layout import Layout

    return Layout(
        recomputes=execution.activation_checkpointing,
        compiles=execution.compile,
        static_shapes=execution.static_shapes,
        ranks=ranks,
    )


def _rooms(execution: Execution, ranks: Ranks) -> "Rooms":
    from runners.training.memory import Room, Rooms

    return Rooms(training=_room(execution, ranks), evaluation=Room(is_fixed=ranks.count > 1))


def _room(execution: Execution, ranks: Ranks) -> "Room":
    """What may go through the model at once; ranks share what goes through all of them."""
    from runners.training.memory import Room

    most = execution.micro_batch_positions
    return Room(
        most=most and most * ranks.count,
        is_fixed=ranks.count > 1,
        is_static=execution.static_shapes,
    )

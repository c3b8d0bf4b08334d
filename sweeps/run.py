"""Runs what a sweep lacks, and tells how it stands at the end."""

import os
from collections import Counter

from runners.store import Store
from runners.training.provenance import code_fingerprint
from sweeps import summary
from sweeps.manifest import manifest
from sweeps.packs import Pack, packs_of
from sweeps.plan import Plan, survey
from sweeps.progress import Board, Counts, Progress
from sweeps.spec import SweepSpec

RAY_SETTINGS = {
    # The store is the truth; Tune's tables, logs and snapshots would only repeat it.
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # The driver hears of a lost worker, and gives its pack to another.
    "RAY_DEDUP_LOGS_SKIP_REGEX": "A worker died or was killed",
    # Tune falls over when Ray ends a worker to free memory; when the system does, Tune goes on.
    "RAY_memory_monitor_refresh_ms": "0",
}
"""What Ray reads from the environment while it is imported and started."""


def run(spec: SweepSpec) -> int:
    """Run everything that the store of `spec` lacks; returns 0 where all is done, else 1.

    Ray runs on this machine, or on the cluster that RAY_ADDRESS names. Raises
    ValueError where a checkpoint is not there, or new results would stand beside
    results of other checkpoints.
    """
    store = Store(spec.execution.store)
    plan = survey(spec)
    packs = packs_of(plan, workers=spec.execution.workers, slots=spec.execution.pack_size)
    if packs and plan.absent:
        raise ValueError("\n".join(plan.absent))
    if packs and plan.foreign:
        raise ValueError(_mixed(plan))
    store.write_manifest(spec.name, manifest(spec, code=code_fingerprint()))
    if packs:
        print(summary.overview(plan), flush=True)
        board = Board()
        untracked = _fit(packs, plan, store, board)
        plan = survey(spec)
        board.close(_counts(plan))
        for reason in sorted(untracked):
            print(f"not all trials were tracked ({reason}); after the run, "
                  f"python -m sweeps track {spec.path} writes what is missing")  # fmt: skip
    print(f"{summary.standing(plan)}\n\n{verdict(spec.name, _counts(plan))}", flush=True)
    return 0 if _counts(plan).done == len(plan.trials) else 1


def _mixed(plan: Plan) -> str:
    lines = "\n".join(f"  {drift}" for drift in plan.foreign)
    return (
        f"{plan.spec.name}: nothing was started, for results would be mixed with those of other "
        f"models in {plan.root}:\n{lines}\n"
        "Name another store (execution.store), or restore the checkpoints."
    )


def _fit(packs: list[Pack], plan: Plan, store: Store, board: Board) -> set[str]:
    """Run the packs; returns why the tracker lacks trials, where it does."""
    counts = _counts(plan)
    cost = sum(pack.cost for pack in packs)
    progress = Progress(trials=counts.total, done=counts.done, cost=cost)
    board.show(progress.counts(), progress.names(), progress.seconds_left())
    os.environ.update(RAY_SETTINGS)
    # Ray reads its settings while it is imported, and a sweep that lacks nothing needs no Ray.
    from sweeps.driver import fit

    fit(packs, plan.spec, store, progress, board)
    return progress.untracked


def verdict(name: str, counts: Counts) -> str:
    """The last word on a run."""
    if counts.done == counts.total:
        return f"{name}: all {counts.total:,} trials are done"
    return (
        f"{name}: {counts.done:,} of {counts.total:,} trials are done, {counts.failed:,} failed, "
        f"{counts.missing:,} are missing; run it again to try what is not done"
    )


def _counts(plan: Plan) -> Counts:
    """Trials as the store knows them; nothing runs."""
    states = Counter(work.state.status for work in plan.trials)
    return Counts(total=len(plan.trials), done=states["done"], running=0, failed=states["failed"])

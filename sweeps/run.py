"""Runs what a sweep lacks, and tells how it stands at the end."""

import os
from collections import Counter
from collections.abc import Iterable

from runners.store import Store
from runners.training.provenance import code_fingerprint
from sweeps import address, lease, summary
from sweeps.fits import look, parts_left
from sweeps.forecast.estimate import forecast
from sweeps.forecast.hardware import UnknownGpuError
from sweeps.forecast.machine import this_machine
from sweeps.forecast.tables import misfit_text
from sweeps.lease import Lease
from sweeps.manifest import manifest
from sweeps.packs import Pack, packs_of
from sweeps.plan import Plan, survey
from sweeps.progress import Board, Counts, Progress
from sweeps.spec import SpecError, SweepSpec

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
LACK = "lack of room"
"""Why work that fits no node is refused."""


def run(spec: SweepSpec, *, prunes: bool = False) -> int:
    """Run everything that the store of `spec` lacks; returns 0 where all is done, else 1.

    Ray runs on this machine, or on the cluster that RAY_ADDRESS names; with `prunes` its
    nodes first take away code that this checkout has not. Raises
    ValueError where a checkpoint is not there, data cannot be read or do not fit the models,
    new results would stand beside results of other checkpoints, or another driver works on
    the store.
    """
    store = Store(spec.execution.store)
    plan = survey(spec)
    if is_done(plan):
        _write_manifest(spec, store)
    else:
        with lease.take(store, spec.name, say=_say) as held:
            # Again, for somebody may have held the lease until now.
            plan = _work(survey(spec), store, held, prunes=prunes)
    _say(f"{summary.standing(plan)}\n\n{verdict(spec.name, counts(plan))}")
    return 0 if is_done(plan) else 1


def _work(plan: Plan, store: Store, held: Lease, *, prunes: bool) -> Plan:
    """Run what is missing, and look again."""
    spec = plan.spec
    # Of as many workers as there is room for, the number is known once Ray is there.
    packs = packs_of(plan, workers=spec.execution.workers or 1, slots=spec.execution.pack_size)
    if packs:
        _refuse_unfit(plan)
    _write_manifest(spec, store)
    if not packs:
        return plan
    _say(summary.overview(plan))
    stand, cost = counts(plan), sum(pack.cost for pack in packs)
    progress = Progress(trials=stand.total, done=stand.done, cost=cost)
    with Board() as board:
        board.show(progress.counts(), progress.names(), progress.seconds_left())
        _fit(packs, plan, store, progress, board, held, prunes=prunes)
        plan = survey(spec)
        board.close(counts(plan))
    for reason in sorted(progress.untracked):
        _say(f"not all trials were tracked ({reason}); after the run, "
             f"python -m sweeps track {spec.path} writes what is missing")  # fmt: skip
    return plan


def _fit(
    packs: list[Pack], plan: Plan, store: Store, progress: Progress, board: Board, held: Lease, *,
    prunes: bool,
) -> None:  # fmt: skip
    """Have Ray do it, which reads its settings while it is imported."""
    os.environ.update(RAY_SETTINGS)
    from sweeps.driver import fit

    fit(packs, plan, store, progress, board, held, prunes=prunes)


def _refuse_unfit(plan: Plan) -> None:
    """Raise where what is left cannot run here, or must not."""
    if plan.absent:
        raise ValueError("\n".join(plan.absent))
    if plan.foreign:
        raise ValueError(_mixed(plan))
    _refuse_unfit_data(plan)
    if address.cluster() is None:
        _refuse_misfits(plan)


def _write_manifest(spec: SweepSpec, store: Store) -> None:
    store.write_manifest(spec.name, manifest(spec, code=code_fingerprint()))


def _say(words: str) -> None:
    print(words, flush=True)


def _mixed(plan: Plan) -> str:
    lines = "\n".join(f"  {drift}" for drift in plan.foreign)
    return (
        f"{plan.spec.name}: nothing was started, for results would be mixed with those of other "
        f"models in {plan.root}:\n{lines}\n"
        "Name another store (execution.store), or restore the checkpoints."
    )


def _refuse_unfit_data(plan: Plan) -> None:
    """Raise where what is left to be read cannot be, or a model that is here cannot do with it.

    Benchmarks that are not as they should be are mistakes of the spec.
    """
    # Nodes of a cluster have caches of their own.
    parts = parts_left(plan, hub=address.cluster() is None)
    found = look(plan, parts, notes=Store(plan.root))
    if found.mistakes:
        raise SpecError(plan.spec.path, found.mistakes)
    if found.untried:
        _say(f"{plan.spec.name}: {found.untried}")
    if found.misfits:
        raise refusal(plan.spec.name, "data do not fit the models", found.misfits)


def _refuse_misfits(plan: Plan) -> None:
    """Raise where something that is left has no room on this machine, however small its steps."""
    try:
        found = forecast(plan, [this_machine()], workers=plan.spec.execution.workers)
    except UnknownGpuError:
        # What it has room for would be known, but a forecast is of its speed too.
        return
    if found is not None and (lines := misfit_text(found)):
        raise refusal(plan.spec.name, LACK, lines)


def refusal(subject: str, reason: str, lines: Iterable[str]) -> ValueError:
    """What is raised before anything starts, with a line for each cause."""
    text = "\n".join(f"  {line}" for line in lines)
    return ValueError(f"{subject}: nothing was started, for {reason}:\n{text}")


def verdict(name: str, counts: Counts) -> str:
    """The last word on a run."""
    if counts.done == counts.total:
        return f"{name}: all {counts.total:,} trials are done"
    return (
        f"{name}: {counts.done:,} of {counts.total:,} trials are done, {counts.failed:,} failed, "
        f"{counts.missing:,} are missing; run it again to try what is not done"
    )


def is_done(plan: Plan) -> bool:
    """Whether every trial is committed."""
    return all(work.state.status == "done" for work in plan.trials)


def counts(plan: Plan) -> Counts:
    """Trials as the store knows them; nothing runs."""
    states = Counter(work.state.status for work in plan.trials)
    return Counts(total=len(plan.trials), done=states["done"], running=0, failed=states["failed"])

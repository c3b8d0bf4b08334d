"""The driver of a running sweep: hands packs to Ray Tune and follows what becomes of them."""

import contextlib
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from ray import cloudpickle, tune
from ray.exceptions import OutOfMemoryError
from ray.tune.experiment import Trial

from runners.store import Store
from sweeps import failures
from sweeps.connection import connected
from sweeps.execution import Execution
from sweeps.failures import Loss
from sweeps.lease import Lease
from sweeps.needs import needs_of
from sweeps.outage import OUTAGES, LowMemoryError, OutageError
from sweeps.packs import Pack, packs_of
from sweeps.plan import Plan
from sweeps.progress import Board, Progress, Report
from sweeps.ranks import ranks_of
from sweeps.room import held_by
from sweeps.schedule import Latest, PackSearch
from sweeps.tracking.run import Sweep
from sweeps.trainable import PackTrainable


def fit(
    packs: list[Pack], plan: Plan, store: Store, progress: Progress, board: Board, held: Lease, *,
    prunes: bool = False,
) -> None:  # fmt: skip
    """Work through the packs of `plan` with as many workers as the spec wants.

    Where it wants as many as there is room for, they are cut anew. With `prunes` nodes of
    a cluster take away code that the driver has not. Raises LostError where another driver
    takes over, OutageError where a disk is full or the store is away, LowMemoryError where
    Ray ended a worker to free memory, and ValueError where Ray cannot be had as it is needed.
    """
    spec, execution = plan.spec, plan.spec.execution
    most = max(ranks_of(pack, execution, spec.catalogue) for pack in packs)
    sizes = dict.fromkeys(pack.size for pack in packs)
    with (
        connected(
            execution, most, store.root, sizes, needs=needs_of(spec), prunes=prunes
        ) as settled,
        _ended_gently(),
    ):
        workers = settled.workers or 1
        if execution.workers is None:
            # So many packs that each worker has several.
            packs = packs_of(plan, workers=workers, slots=execution.pack_size)
        search = PackSearch(packs, lambda milestone: store.get(milestone) is not None)
        watch = Watch(search, store, progress, board, held)
        trainable = tune.with_resources(
            PackTrainable,
            lambda config: _resources(
                settled, config["pack"].size, ranks_of(config["pack"], settled, spec.catalogue)
            ),
        )
        # Workers have folders of their own, so the store goes by its absolute name.
        told = {
            "execution": replace(settled, store=store.root, tracking=execution.tracking.absolute()),
            "catalogue": spec.catalogue,
            "sweep": Sweep(name=spec.name, spec_sha256=spec.sha256),
        }
        with _low_memory_told():
            tune_packs(search, trainable, told, workers=workers, watch=watch)


def tune_packs(
    search: PackSearch, trainable: Any, told: dict[str, Any], *, workers: int, watch: tune.Callback
) -> None:
    """Let Tune give the packs of `search` to so many workers, each of them `trainable`.

    `told` is what a worker is told beside its pack.
    """
    with tempfile.TemporaryDirectory(prefix="promptscale-") as scratch:
        tune.Tuner(
            trainable,
            param_space=told,
            tune_config=tune.TuneConfig(
                search_alg=search,
                scheduler=Latest(),
                num_samples=-1,
                # Also lets Tune start all workers at once, in place of one after another.
                max_concurrent_trials=workers,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                storage_path=scratch,
                # Tune would save each pack at its end, which fails on a node that does not
                # see the driver's folder: there a pack would end its worker.
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                callbacks=[watch],
                verbose=0,
            ),
        ).fit()


@contextlib.contextmanager
def _low_memory_told() -> Iterator[None]:
    """A block that says in a sentence why Tune fell over where Ray freed memory.

    Ray ends a worker then, and Tune knows no such end. Clusters that are started with
    RAY_memory_monitor_refresh_ms=0, as ours are, leave it to the system, and Tune goes on.
    """
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error.__cause__, OutOfMemoryError):
            raise
        raise LowMemoryError(str(error.__cause__)) from error


@contextlib.contextmanager
def _ended_gently() -> Iterator[None]:
    """A block that SIGTERM ends as Ctrl-C does: Tune stops its workers, and `fit` returns.

    Who ends a driver so: `ray job stop`, a batch system, a machine that is preempted. Ray,
    which ends it at once, has set a handler of its own when it was connected.
    """
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: object) -> None:
    """As Ctrl-C, also where a shell has started us behind `&` and so lets nobody press it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)


def _resources(execution: Execution, size: str, ranks: int = 1) -> tune.PlacementGroupFactory:
    """What a worker holds for a pack of a size: its cores, and its share of a GPU.

    Where ranks train together each holds as much, and the worker that watches over them nothing.
    """
    held = held_by(execution, size)
    if ranks == 1:
        return tune.PlacementGroupFactory([held])
    return tune.PlacementGroupFactory([{}, *[held] * ranks], strategy="PACK")


class Watch(tune.Callback):
    """Follows the packs: shows progress, and sees to those that die."""

    def __init__(
        self, search: PackSearch, store: Store, progress: Progress, board: Board, held: Lease
    ) -> None:  # fmt: skip
        self._search = search
        self._store = store
        self._progress = progress
        self._board = board
        self._held = held
        self._outage: Loss | None = None

    def __getstate__(self) -> dict[str, object]:
        """Nothing: Tune keeps its callbacks to resume with them, which the store does for us."""
        return {}

    def on_trial_start(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """A worker takes a pack."""
        self._progress.begin(trial.trial_id, trial.config["pack"])

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """A worker goes on."""
        report = Report(**{field.name: result[field.name] for field in fields(Report)})
        self._progress.report(trial.trial_id, report)

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """A worker is through with its pack."""
        self._progress.finish(trial.trial_id)

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """A worker died under its pack."""
        self._progress.drop(trial.trial_id)
        cause = _loss(trial)
        if cause.kind in OUTAGES:
            self._outage = cause
            return
        for pack, loss in self._search.died(trial.trial_id, cause).items():
            failures.record(self._store, pack, loss)
            self._progress.give_up(pack)

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Show how far it is; stop where another driver has taken over, or at an outage."""
        self._held.check()
        if self._outage is not None:
            raise OutageError(self._store.root, self._outage.kind, self._outage.message)
        if self._board.due():
            progress = self._progress
            self._board.show(progress.counts(), progress.names(), progress.seconds_left())


def _loss(trial: Trial) -> Loss:
    """Why a Ray trial ended, from the file in which Tune keeps its error."""
    if trial.pickled_error_file is None:
        return failures.loss_of_text(Path(trial.error_file).read_text())
    return failures.loss_of(cloudpickle.loads(Path(trial.pickled_error_file).read_bytes()))

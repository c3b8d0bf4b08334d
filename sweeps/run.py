"""Runs what a sweep lacks, under Ray Tune, and tells how it stands at the end."""

import os
import tempfile
from dataclasses import asdict
from typing import Any

import ray
from ray import tune
from ray.tune import FailureConfig, PlacementGroupFactory, RunConfig, TuneConfig
from ray.tune.experiment import Trial

from runners.config import to_mapping
from runners.record import Failure
from runners.store import Store
from runners.training.provenance import code_fingerprint, surroundings
from sweeps import summary
from sweeps.failures import classify
from sweeps.manifest import manifest
from sweeps.packs import Pack, packs_of
from sweeps.plan import survey
from sweeps.progress import Board, Counts, Forecast
from sweeps.schedule import PackSearch
from sweeps.spec import SweepSpec
from sweeps.trainable import PackTrainable

RETRIES = 2
"""A pack whose worker dies goes on from its checkpoints this often before it is split."""


def run(spec: SweepSpec) -> int:
    """Run everything that the store of `spec` lacks; returns 0 where all is done, else 1.

    Ray runs on this machine, or on the cluster that RAY_ADDRESS names.
    """
    store = Store(spec.execution.store)
    plan = survey(spec)
    store.write_manifest(spec.name, manifest(spec, code=code_fingerprint()))
    packs = packs_of(plan, workers=spec.execution.workers, slots=spec.execution.pack_size)
    if packs:
        print(summary.overview(plan), flush=True)
        _fit(spec, store, packs)
    after = survey(spec)
    print(summary.standing(after), flush=True)
    return 0 if all(work.state.status == "done" for work in after.trials) else 1


def _fit(spec: SweepSpec, store: Store, packs: list[Pack]) -> None:
    _connect(spec)
    search = PackSearch(
        packs,
        is_there=lambda milestone: store.get(milestone) is not None,
        on_lost=lambda pack, error: record_loss(store, pack, error),
    )
    watch = Watch(spec, store, packs, search)
    try:
        with tempfile.TemporaryDirectory(prefix="promptscale-") as scratch:
            tune.Tuner(
                tune.with_resources(
                    PackTrainable, PlacementGroupFactory([{"CPU": float(spec.execution.threads)}])
                ),
                param_space={
                    "store": store.root,
                    "threads": spec.execution.threads,
                    "slots": spec.execution.pack_size,
                },
                tune_config=TuneConfig(search_alg=search, num_samples=-1, reuse_actors=True),
                run_config=RunConfig(
                    name=spec.name,
                    storage_path=scratch,
                    failure_config=FailureConfig(max_failures=RETRIES),
                    callbacks=[watch],
                    verbose=0,
                ),
            ).fit()
    finally:
        ray.shutdown()


def _connect(spec: SweepSpec) -> None:
    """Ray on the cluster of RAY_ADDRESS, or on as many cores of this machine as the spec asks for."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if os.environ.get("RAY_ADDRESS"):
        ray.init(log_to_driver=False)
    else:
        cores = spec.execution.workers * spec.execution.threads
        ray.init(
            num_cpus=cores, include_dashboard=False, log_to_driver=False, logging_level="ERROR"
        )


def record_loss(store: Store, pack: Pack, error: BaseException) -> None:
    """Record a pack that died for good as a failure of each trial it still owed."""
    subjects = [(config.trial_id, to_mapping(config)) for config in pack.trials]
    if pack.adaptation is not None:
        subjects = [(pack.adaptation.run_id, asdict(pack.adaptation))]
    for subject, config in subjects:
        if store.get(subject) is None:
            store.fail(
                Failure(
                    trial_id=subject, attempt=store.begin(subject).id, kind=classify(error),
                    message=str(error), config=config, provenance=surroundings(),
                )
            )  # fmt: skip


class Watch(tune.Callback):
    """Follows the packs for progress, and keeps what they died of."""

    def __init__(
        self, spec: SweepSpec, store: Store, packs: list[Pack], search: PackSearch
    ) -> None:
        self._ids = [trial.config.trial_id for trial in spec.trials]
        self._store = store
        self._search = search
        self._running: dict[str, Pack] = {}
        self._forecast = Forecast(total=sum(pack.cost for pack in packs))
        self._board = Board()

    def on_trial_start(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """A pack begins."""
        self._running[trial.trial_id] = trial.config["pack"]

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """A pack goes on."""
        self._forecast.at(trial.trial_id, trial.config["pack"], result["progress"])

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """A pack is done."""
        self._end(trial)

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """A pack died for good."""
        self._search.errors[trial.trial_id] = trial.get_pickled_error()
        self._end(trial)

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Show how far it is."""
        if self._board.due():
            self._show()

    def on_experiment_end(self, trials: list[Trial], **info: Any) -> None:
        """Show where it ended."""
        self._show(last=True)

    def _end(self, trial: Trial) -> None:
        pack = self._running.pop(trial.trial_id, trial.config["pack"])
        self._forecast.over(trial.trial_id, pack)

    def _show(self, *, last: bool = False) -> None:
        done = self._store.done(self._ids)
        failed = {failure.trial_id for failure in self._store.failures()} & set(self._ids)
        running = (
            {c.trial_id for pack in self._running.values() for c in pack.trials} - done - failed
        )
        counts = Counts(
            total=len(self._ids), done=len(done), running=len(running), failed=len(failed)
        )
        names = sorted(pack.name for pack in self._running.values())
        self._board.show(counts, names, self._forecast.seconds_left(), last=last)

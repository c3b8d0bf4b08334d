"""Mirrors the store of a sweep to W&B: every trial a run, whole ones left alone.

Doing it again changes nothing. A run that was cut off, or that shows an attempt
which was withdrawn since, is written anew.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from ablation.grid import GridTrial
from runners.config import adaptation_of
from runners.record import Failure, TrialRecord
from runners.store import Defect, Store
from sweeps.spec import SweepSpec
from sweeps.tracking.run import HISTORY, Row, Run, Sweep, rows_of, run_of_failure, run_of_record
from sweeps.tracking.wandb_runs import Runs

AT_ONCE = 8
"""Runs that are written side by side; opening one is mostly waiting."""


@dataclass(frozen=True, kw_only=True)
class Mirrored:
    """What became of a sweep's runs: written now, there before, and work without a result yet.

    `defects` are files of the store that could not be read.
    """

    written: int
    kept: int
    open: int
    defects: tuple[Defect, ...]


def mirror(spec: SweepSpec, runs: Runs, show: Callable[[int, int], None]) -> Mirrored:
    """Write every run that is not there whole; `show` is told how many of how many are.

    Raises what wandb raises, with all that was written so far in place.
    """
    store = Store(spec.execution.store)
    defects: list[Defect] = []
    wanted = list(_runs_of(spec, store, defects))
    whole = runs.whole(wanted)
    todo = [run for run in wanted if run.id not in whole]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        written = pool.map(lambda run: runs.write(_with_history(run, store)), todo)
        for count, _ in enumerate(written, 1):
            show(count, len(todo))
    if todo:
        runs.settle()
    return Mirrored(
        written=len(todo),
        kept=len(whole),
        open=len(spec.trials) - sum(run.job_type == "tuning" for run in wanted),
        defects=tuple(defects),
    )


def _runs_of(spec: SweepSpec, store: Store, defects: list[Defect]) -> Iterator[Run]:
    """A run for every result and failure of the sweep, milestones first; without history."""
    sweep = Sweep(name=spec.name, spec_sha256=spec.sha256)
    trials = {trial.config.trial_id: trial for trial in spec.trials}
    milestones = _milestones(spec.trials)
    records = {record.trial_id: record for record in store.records(defects)}
    failures = {failure.trial_id: failure for failure in store.failures(defects)}
    for milestone in milestones:
        if milestone in records:
            yield run_of_record(records[milestone], sweep, [], ())
    for trial_id, trial in trials.items():
        found = records.get(trial_id) or failures.get(trial_id)
        if found:
            yield _run_of(trial, found, sweep)


def _run_of(trial: GridTrial, found: TrialRecord | Failure, sweep: Sweep) -> Run:
    if isinstance(found, Failure):
        return run_of_failure(found, trial.config.label, sweep, trial.panels)
    return run_of_record(found, sweep, trial.panels, ())


def _with_history(run: Run, store: Store) -> Run:
    """The run with the rows of its trial; they are read when they are written, not before."""
    record = store.get(run.id) if run.exit_code == 0 else None
    return run if record is None else replace(run, history=history_of(store, record))


def history_of(store: Store, record: TrialRecord) -> tuple[Row, ...]:
    """The rows of a committed trial; none for milestones and imports, which have no such file."""
    if HISTORY not in record.files:
        return ()
    return rows_of(store.read(record.trial_id, HISTORY))


def _milestones(trials: tuple[GridTrial, ...]) -> list[str]:
    """Ids of the milestones that trials start from, in their order."""
    needs = dict.fromkeys(
        (adaptation_of(trial.config), trial.config.lm_adaptation_steps) for trial in trials
    )
    return [adaptation.milestone_id(steps) for adaptation, steps in needs if adaptation]

"""Mirrors the store of a sweep to W&B: every trial a run, whole ones left alone.

Doing it again changes nothing. A run that was cut off, or that shows an attempt
which was withdrawn since, is written anew; so is one that lacks the tags of a sweep
that came to have its trial. It stays in the group in which it is.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from runners.record import Failure, TrialRecord
from runners.store import Defect, Store
from sweeps.spec import SweepSpec
from sweeps.tracking.membership import feeds_by_id, plan_of, plans_in
from sweeps.tracking.run import HISTORY, Row, Run, rows_of, run_of_failure, run_of_record
from sweeps.tracking.wandb_runs import Runs, Shown

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
    found = _results(spec, store, defects)
    there = runs.there(found)
    wanted = list(_runs_of(spec, store, found, there, defects))
    todo = [run for run in wanted if run.id not in there or not there[run.id].is_whole(run)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        written = pool.map(lambda run: runs.write(_with_history(run, store)), todo)
        for count, _ in enumerate(written, 1):
            show(count, len(todo))
    if todo:
        runs.settle()
    return Mirrored(
        written=len(todo),
        kept=len(wanted) - len(todo),
        open=len(spec.trials) - sum(run.job_type == "tuning" for run in wanted),
        defects=tuple(defects),
    )


def _results(
    spec: SweepSpec, store: Store, defects: list[Defect]
) -> dict[str, TrialRecord | Failure]:
    """Every result and failure of the sweep by id, milestones first."""
    records = {record.trial_id: record for record in store.records(defects)}
    failures = {failure.trial_id: failure for failure in store.failures(defects)}
    plan = plan_of(spec)
    milestones = {key: records[key] for key in plan.milestones if key in records}
    trials = {key: records.get(key) or failures.get(key) for key in plan.panels}
    return {**milestones, **{key: found for key, found in trials.items() if found}}


def _runs_of(
    spec: SweepSpec,
    store: Store,
    results: Mapping[str, TrialRecord | Failure],
    there: Mapping[str, Shown],
    defects: list[Defect],
) -> Iterator[Run]:
    """A run for each result, in the group in which it is already; without history."""
    plans = {**plans_in(store, defects, milestones=True), spec.name: plan_of(spec)}
    feeds = feeds_by_id(plans.values())
    labels = {trial.config.trial_id: trial.config.label for trial in spec.trials}
    for key, found in results.items():
        group = there[key].group if key in there else spec.name
        sweep = plans[group if group in feeds[key] else spec.name].sweep
        if isinstance(found, Failure):
            yield run_of_failure(found, labels[key], sweep, feeds[key])
        else:
            yield run_of_record(found, sweep, feeds[key], ())


def _with_history(run: Run, store: Store) -> Run:
    """The run with the rows of its trial; they are read when they are written, not before."""
    record = store.get(run.id) if run.exit_code == 0 else None
    return run if record is None else replace(run, history=history_of(store, record))


def history_of(store: Store, record: TrialRecord) -> tuple[Row, ...]:
    """The rows of a committed trial; none for milestones and imports, which have no such file."""
    if HISTORY not in record.files:
        return ()
    return rows_of(store.read(record.trial_id, HISTORY))

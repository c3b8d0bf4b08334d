"""What a sweep has, lacks and waits for, from its spec and its store alone.

Nothing is run and nothing is written. A trial needs at most one parent, the
milestone of the LM adaptation that it starts from.
"""

import functools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

from ablation.grid import GridTrial
from runners.config import AdaptationConfig, TrialConfig, adaptation_of
from runners.model.checkpoint import WEIGHTS, pretrained_fingerprint
from runners.record import Failure, TrialRecord
from runners.store import Store
from runners.training.provenance import code_fingerprint
from sweeps.drift import CODE, Drift, Subject, checkpoint, find_drift, moved, subjects_of
from sweeps.spec import SweepSpec

Status = Literal["done", "failed", "running", "missing"]
STATUSES: tuple[Status, ...] = ("done", "failed", "running", "missing")
"""What can be said of a piece of work; the first that holds is said.

'done': committed. 'failed': its last attempt failed. 'running': it has a
checkpoint, so it is at work, or was when its driver was cut off. 'missing':
none of these.
"""


class Results(Protocol):
    """What planning reads of a store."""

    @property
    def root(self) -> str:
        """Where the store is."""

    def records(self) -> Iterable[TrialRecord]:
        """All committed records."""

    def failures(self) -> Iterable[Failure]:
        """The latest failure of each trial that is not committed."""


@dataclass(frozen=True, kw_only=True)
class State:
    """What the store says of one piece of work.

    `seconds` is what it took, where it is done, `device` what it ran on and `pack`
    how many trials could share its batch.
    """

    status: Status
    seconds: float | None = None
    device: str = ""
    pack: int = 1
    failure: Failure | None = None


@dataclass(frozen=True, kw_only=True)
class Milestone:
    """A checkpoint of an LM adaptation that trials start from."""

    id: str
    adaptation: AdaptationConfig
    steps: int
    state: State


@dataclass(frozen=True, kw_only=True)
class PlannedTrial:
    """A trial of the sweep, the id of the milestone it starts from, and how it stands."""

    id: str
    trial: GridTrial
    parent: str | None
    state: State

    @property
    def config(self) -> TrialConfig:
        """What the trial is."""
        return self.trial.config


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that a sweep consists of, and how it stands.

    Trials are in the order of the spec. Milestones are all that a trial starts
    from, whether it is done or not, by size in the order of the spec and steps.
    `absent` says which checkpoints this machine should have and has not. `stale`
    has, by id, what a result was made from and that is another today, as drift names it.
    """

    spec: SweepSpec
    root: str
    milestones: tuple[Milestone, ...]
    trials: tuple[PlannedTrial, ...]
    drifts: tuple[Drift, ...]
    absent: tuple[str, ...] = ()
    stale: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @functools.cached_property
    def there(self) -> frozenset[str]:
        """Milestones that trials can start from."""
        done = (each.id for each in self.milestones if each.state.status == "done")
        return frozenset(done)

    @property
    def left(self) -> tuple[PlannedTrial, ...]:
        """The trials that are not committed."""
        return tuple(work for work in self.trials if work.state.status != "done")

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The last failure of everything that failed; a run that failed counts once."""
        states = [work.state for work in self.milestones] + [work.state for work in self.trials]
        found = {state.failure.trial_id: state.failure for state in states if state.failure}
        return tuple(found.values())

    @property
    def foreign(self) -> tuple[Drift, ...]:
        """Checkpoints that are not the ones that results were made from."""
        return tuple(
            drift
            for drift in self.drifts
            if drift.kind == "base_checkpoint"
            and drift.present is not None
            and any(version != drift.present for version, _ in drift.versions)
        )

    @property
    def waiting(self) -> tuple[PlannedTrial, ...]:
        """Trials that cannot start yet: their milestone is not there."""
        return tuple(
            work for work in self.left if work.parent is not None and work.parent not in self.there
        )


def plan(
    spec: SweepSpec, store: Results, *, running: Collection[str], present: Mapping[Subject, str]
) -> Plan:
    """How every trial and milestone of `spec` stands in `store`.

    `running` are ids with a checkpoint, `present` the versions of code and
    checkpoints with which what is missing would run. Raises what the store
    raises on unreadable files.
    """
    states = _States(store, running)
    parents = _Parents()
    trials = tuple(_planned(trial, parents, states) for trial in spec.trials)
    sizes = spec.study.axes.model_size
    needed = sorted(parents.ids, key=lambda need: (sizes.index(need[0].model_size), need[1]))
    milestones = tuple(
        Milestone(
            id=parents.ids[adaptation, steps],
            adaptation=adaptation,
            steps=steps,
            state=states.of(parents.ids[adaptation, steps], adaptation.run_id),
        )
        for adaptation, steps in needed
    )
    there = {milestone.id: milestone for milestone in milestones if milestone.id in states.records}
    adapted = {
        _after(work.adaptation, work.steps): states.records[id_].files[WEIGHTS][:16]
        for id_, work in there.items()
        if WEIGHTS in states.records[id_].files
    }
    results: list[tuple[tuple[Subject, ...], str]] = [
        ((CODE, _after(work.adaptation, 0)), id_) for id_, work in there.items()
    ]
    results += [(subjects_of(work.config), work.id) for work in trials if work.id in states.records]
    present = {**present, **adapted}
    found = [(subjects, states.records[id_]) for subjects, id_ in results]
    stale = {
        record.trial_id: kinds
        for subjects, record in found
        if (kinds := moved(subjects, record, present=present))
    }
    return Plan(
        spec=spec, root=store.root, milestones=milestones, trials=trials,
        drifts=find_drift(found, present=present), stale=stale,
    )  # fmt: skip


def survey(spec: SweepSpec) -> Plan:
    """How `spec` stands in the store that it names, for the code that is here.

    Raises ValueError where that is no store, or one with unreadable files.
    """
    store = Store(spec.execution.store)
    family = spec.study.family
    rungs = [family.rungs[size] for size in spec.study.axes.model_size]
    prints = {
        checkpoint(family.name, rung.name, 0): pretrained_fingerprint(rung)
        for rung in rungs
        if not rung.missing()
    }
    # What the hub has under a name without a commit shows only when it is loaded.
    present = {CODE: code_fingerprint()} | {key: each for key, each in prints.items() if each}
    surveyed = plan(spec, store, running=store.running(), present=present)
    # Rungs may share a tokenizer.
    return replace(surveyed, absent=tuple(dict.fromkeys(m for r in rungs for m in r.missing())))


def reason_of(plan: Plan, work: PlannedTrial | Milestone) -> str:
    """Why a piece of work stands as it does; empty where it is done with what is here today."""
    failure, stale = work.state.failure, plan.stale.get(work.id, ())
    if failure is not None:
        return f"{failure.kind}: {failure.message}"
    if work.state.status == "done":
        return f"stale: other {', '.join(stale)} today" if stale else ""
    if work.state.status == "running":
        return "has a checkpoint"
    if isinstance(work, PlannedTrial) and work.parent is not None and work.parent not in plan.there:
        return f"waits for milestone {work.parent}"
    return "not begun"


def _after(adaptation: AdaptationConfig, steps: int) -> Subject:
    return checkpoint(adaptation.model_family, adaptation.model_size, steps)


def _planned(trial: GridTrial, parents: "_Parents", states: "_States") -> PlannedTrial:
    work_id = trial.config.trial_id
    parent = parents.of(trial.config)
    run = trial.config.run_id if trial.config.mixture else None
    return PlannedTrial(id=work_id, trial=trial, parent=parent, state=states.of(work_id, run))


class _States:
    """What a store says, read once."""

    def __init__(self, store: Results, running: Collection[str]) -> None:
        self.records = {record.trial_id: record for record in store.records()}
        self._failures = {failure.trial_id: failure for failure in store.failures()}
        self._running = frozenset(running)

    def of(self, work_id: str, run_id: str | None = None) -> State:
        """How `work_id` stands; what it does not say itself, the run it is a part of may."""
        record = self.records.get(work_id)
        if record:
            told = record.provenance
            return State(
                status="done", seconds=told.get("seconds"), device=str(told.get("device", "")),
                pack=int(told.get("pack") or 1),
            )  # fmt: skip
        for key in (work_id, run_id):
            if key in self._failures:
                return State(status="failed", failure=self._failures[key])
        is_running = work_id in self._running or run_id in self._running
        return State(status="running" if is_running else "missing")


class _Parents:
    """Ids of milestones, each hashed once however many trials start from it."""

    def __init__(self) -> None:
        self.ids: dict[tuple[AdaptationConfig, int], str] = {}

    def of(self, config: TrialConfig) -> str | None:
        adaptation = adaptation_of(config)
        if adaptation is None:
            return None
        key = (adaptation, config.lm_adaptation_steps)
        if key not in self.ids:
            self.ids[key] = adaptation.milestone_id(config.lm_adaptation_steps)
        return self.ids[key]

"""A plan as text: tables that read the same on a terminal and in a file."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from ablation.grid import PANELS
from runners.config import AdaptationConfig, TrialConfig
from runners.tasks.own import ABSENT
from sweeps.plan import STATUSES, Milestone, Plan, State, Status, reason_of
from sweeps.table import duration, table

_MESSAGE = 200
"""Characters of a failure's message that a table has room for."""


@dataclass(kw_only=True)
class _Tally:
    """Like pieces of work by status, and the process seconds behind and ahead of them."""

    counts: Counter[Status] = field(default_factory=Counter)
    spent: float = 0.0
    left: float | None = 0.0
    """None where nothing like what is left was timed."""


def overview(plan: Plan) -> str:
    """What the sweep consists of, how it stands by stage and size, and what is wrong."""
    parts = [
        _head(plan), _absent(plan), _progress(plan), _panels(plan), _failed(plan), _drifted(plan)
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part)


def standing(plan: Plan) -> str:
    """How far the sweep is: counts by stage and size, every failure with its message, and drift."""
    parts = [
        _head(plan), _absent(plan), _progress(plan), _failed(plan, every=True), _drifted(plan)
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part)


def listing(plan: Plan, packs: Mapping[str, int]) -> str:
    """A line for each trial, those first that are not done; `packs` has numbers of packs by id."""
    order = {status: place for place, status in enumerate((*STATUSES[1:], STATUSES[0]))}
    rows = [
        (
            work.state.status,
            work.id,
            work.config.label,
            " ".join(name for name in PANELS if name in work.trial.panels),
            str(packs.get(work.id, "")),
            " ".join(reason_of(plan, work).split())[:_MESSAGE],
        )
        for work in sorted(plan.trials, key=lambda work: order[work.state.status])
    ]
    return table(("status", "trial", "label", "panels", "pack", "reason"), rows)


def _head(plan: Plan) -> str:
    study = plan.spec.study
    trials, milestones = len(plan.trials), len(plan.milestones)
    return (
        f"{plan.spec.name}: {study.design} design on {study.family.name}, {trials:,} trials and "
        f"{milestones:,} adaptation milestones in {plan.root}"
    )


def _absent(plan: Plan) -> str:
    """What a run would need first, and the work whose ids are not known without it."""
    path = plan.spec.path
    lines = [f"  {path}:{each.line}: {each.problem}" for each in plan.spec.absent]
    lines += [f"  {each}" for each in plan.absent]
    if not lines:
        return ""
    trials = sum(_unknown(work.config) for work in plan.trials)
    milestones = sum(each.adaptation.text == ABSENT for each in plan.milestones)
    if trials + milestones:
        lines.append(f"That decides the ids of {trials:,} trials and {milestones:,} milestones.")
    return "\n".join(["This can be planned and not run:", *lines])


def _unknown(config: TrialConfig) -> bool:
    """Whether the id will be another once everything is there."""
    contents = (config.lm_adaptation_text, config.task_content, config.transfer_content)
    return any(ABSENT in content for content in contents if content)


def _progress(plan: Plan) -> str:
    tallies = _tallies(plan)
    total = _Tally()
    rows = []
    for names, tally in tallies.items():
        total.counts += tally.counts
        total.spent += tally.spent
        if total.left is not None:
            total.left = None if tally.left is None else total.left + tally.left
        rows.append((*names, *_cells(tally)))
    rows.append(("all", "", "", *_cells(total)))
    told = table(("stage", "size", "what", *STATUSES, "spent", "left"), rows)
    return "\n".join([told, *_outlook(plan, total.left)])


def _outlook(plan: Plan, seconds_left: float | None) -> list[str]:
    """What holds the sweep up, and when it would be through."""
    lines = []
    if plan.waiting:
        lines.append(f"{len(plan.waiting):,} trials wait for a milestone of their size.")
    if seconds_left:
        workers = plan.spec.execution.workers
        ahead = duration(seconds_left / (workers or 1))
        on = f"on {workers} workers" if workers else "of one worker's time"
        lines.append(f"About {ahead} to go {on}, going by what is done.")
    return lines


def _tallies(plan: Plan) -> dict[tuple[str, str, str], _Tally]:
    milestones: dict[tuple[str, str, str], list[Milestone]] = defaultdict(list)
    for milestone in plan.milestones:
        key = "lm_adaptation", milestone.adaptation.model_size, "milestones"
        milestones[key].append(milestone)
    trials: dict[tuple[str, str, str], list[State]] = defaultdict(list)
    for work in plan.trials:
        trials["tuning", work.config.model_size, work.config.method].append(work.state)
    return {key: _adaptations(works) for key, works in milestones.items()} | {
        key: _trials(states) for key, states in trials.items()
    }


def _trials(states: Sequence[State]) -> _Tally:
    """Trials alike; what is left takes as long each as what is done."""
    counts = Counter(state.status for state in states)
    seconds = [state.seconds for state in states if state.seconds is not None]
    undone = counts.total() - counts["done"]
    left = undone * fmean(seconds) if seconds else None
    return _Tally(counts=counts, spent=sum(seconds), left=left if undone else 0.0)


def _adaptations(milestones: Sequence[Milestone]) -> _Tally:
    """Milestones of like runs; the seconds of one are those of its run from the start.

    A milestone keeps no state of the optimizer, so that one asked for later is
    reached from the start again.
    """
    tally = _Tally(counts=Counter(milestone.state.status for milestone in milestones))
    runs: dict[AdaptationConfig, list[Milestone]] = defaultdict(list)
    for milestone in milestones:
        runs[milestone.adaptation].append(milestone)
    steps_done, steps_left = 0, 0
    for path in runs.values():
        done = [m for m in path if m.state.seconds is not None]
        tally.spent += max((m.state.seconds or 0.0 for m in done), default=0.0)
        steps_done += max((m.steps for m in done), default=0)
        steps_left += max((m.steps for m in path if m.state.status != "done"), default=0)
    if steps_left:
        tally.left = tally.spent * steps_left / steps_done if steps_done else None
    return tally


def _cells(tally: _Tally) -> tuple[str, ...]:
    """Counts by status, and the process time that is behind and ahead."""
    counts = [f"{tally.counts[status]:,}" if tally.counts[status] else "-" for status in STATUSES]
    ahead = "?" if tally.left is None else duration(tally.left)
    return (*counts, duration(tally.spent), ahead)


def _panels(plan: Plan) -> str:
    rows = []
    for panel in PANELS:
        states = [work.state for work in plan.trials if panel in work.trial.panels]
        done = sum(state.status == "done" for state in states)
        if states:
            rows.append((panel, f"{len(states):,}", f"{done:,}"))
    return table(("panel", "trials", "done"), rows)


def _failed(plan: Plan, *, every: bool = False) -> str:
    """Failures by class, or each with what was said."""
    if not plan.failures:
        return ""
    if not every:
        kinds = Counter(failure.kind for failure in plan.failures)
        return table(("failure", "count"), [(kind, str(n)) for kind, n in kinds.most_common()])
    labels = {work.id: work.config.label for work in plan.trials}
    rows = [
        (
            failure.kind,
            failure.trial_id,
            labels.get(failure.trial_id, "LM adaptation"),
            " ".join(failure.message.split())[:_MESSAGE],
        )
        for failure in plan.failures
    ]
    return table(("failure", "trial", "label", "message"), rows)


def _drifted(plan: Plan) -> str:
    if not plan.drifts:
        return ""
    lines = [f"  {drift}" for drift in plan.drifts]
    remedy = "Done trials stay as they are; for one version of everything, run into another store."
    return "\n".join(["Not all results come from the same things:", *lines, remedy])

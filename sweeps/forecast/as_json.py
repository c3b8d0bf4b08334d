"""A plan and its forecast as plain values: `plan --json`, in the form of docs/plan.schema.json.

Seconds, bytes and prices are not rounded; an interval is `{low, middle, high}`.
"""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from sweeps.forecast.calibration import Miss
from sweeps.forecast.estimate import Forecast, GroupForecast
from sweeps.packs import Pack
from sweeps.plan import Milestone, Plan, PlannedTrial, reason_of

FORM = 1
"""Counts up where a key changes its meaning or goes away."""


def as_json(plan: Plan, found: Forecast | None) -> dict[str, Any]:
    """All that is known: every trial with its pack, every milestone, and the forecast."""
    packs = found.packs if found else ()
    pack_of = {config.trial_id: pack.name for pack in packs for config in pack.trials}
    return {
        "form": FORM,
        "name": plan.spec.name,
        "design": plan.spec.study.design,
        "store": plan.root,
        "trials": [_trial(plan, work, pack_of.get(work.id)) for work in plan.trials],
        "milestones": [_milestone(plan, work) for work in plan.milestones],
        "packs": [_pack(pack) for pack in packs],
        "drifts": [str(drift) for drift in plan.drifts],
        "absent": [str(each.problem) for each in plan.spec.absent] + list(plan.absent),
        "forecast": _forecast(found) if found else None,
    }


def _trial(plan: Plan, work: PlannedTrial, pack: str | None) -> dict[str, Any]:
    return {
        "id": work.id,
        "label": work.config.label,
        "panels": sorted(work.trial.panels),
        "status": work.state.status,
        "reason": reason_of(plan, work),
        "stale": list(plan.stale.get(work.id, ())),
        "parent": work.parent,
        "pack": pack,
        "seconds": work.state.seconds,
    }


def _milestone(plan: Plan, work: Milestone) -> dict[str, Any]:
    return {
        "id": work.id,
        "run": work.adaptation.run_id,
        "model_size": work.adaptation.model_size,
        "steps": work.steps,
        "status": work.state.status,
        "reason": reason_of(plan, work),
        "stale": list(plan.stale.get(work.id, ())),
    }


def _pack(pack: Pack) -> dict[str, Any]:
    return {
        "name": pack.name,
        "parent": pack.parent,
        "trials": len(pack.trials),
        "milestones": list(pack.milestones),
        "slots": pack.slots,
    }


def _forecast(found: Forecast) -> dict[str, Any]:
    return {
        "nodes": [
            {
                **asdict(place.node),
                "slots": place.slots,
                "workers": place.workers,
                "bytes_per_slot": place.room,
            }
            for place in found.places
        ],
        "groups": list(map(_group, found.groups)),
        "makespan_seconds": asdict(found.makespan),
        "hours": {name: asdict(hours) for name, hours in found.hours.items()},
        "cost": asdict(found.cost) if found.cost else None,
        "measured": found.measured,
        "misses": [dict(_miss(miss)) for miss in found.misses],
    }


def _group(group: GroupForecast) -> dict[str, Any]:
    method, size = group.group
    return {
        "method": method,
        "model_size": size,
        "count": group.count,
        "ranks": group.ranks,
        "fits": group.fits,
        "rows_at_once": dict(group.rows),
        "bytes": {
            "weights": group.memory.weights, "fixed": group.memory.fixed,
            "one_row": group.memory.least, "pack": group.memory.full,
            "trial": group.memory.fixed + group.memory.row * group.memory.of_one,
        },
        "seconds": asdict(group.seconds),
    }  # fmt: skip


def _miss(miss: Miss) -> Iterator[tuple[str, Any]]:
    yield "method", miss.group[0]
    yield "model_size", miss.group[1]
    yield "count", miss.count
    yield "measured_seconds", miss.measured
    yield "from_work", asdict(miss.from_work)
    yield "from_others", asdict(miss.from_others) if miss.from_others else None

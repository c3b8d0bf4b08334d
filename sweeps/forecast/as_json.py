"""A plan and its forecast as plain values: `plan --json`, in the form of docs/plan.schema.json.

Seconds, bytes and prices are not rounded; an interval is `{low, middle, high}`.
"""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from sweeps.forecast.calibration import Miss
from sweeps.forecast.estimate import Forecast, GroupForecast, PackForecast
from sweeps.plan import Milestone, Plan, PlannedTrial, reason_of

FORM = 2
"""Counts up where a key changes its meaning or goes away."""


def as_json(plan: Plan, found: Forecast | None) -> dict[str, Any]:
    """All that is known: every trial with its pack, every milestone, and the forecast."""
    packs = found.packs if found else ()
    pack_of = pack_numbers(found)
    return {
        "form": FORM,
        "name": plan.spec.name,
        "design": plan.spec.study.design,
        "store": plan.root,
        "trials": [_trial(plan, work, pack_of.get(work.id)) for work in plan.trials],
        "milestones": [_milestone(plan, work) for work in plan.milestones],
        "packs": [_pack(number, each) for number, each in enumerate(packs, start=1)],
        "drifts": [str(drift) for drift in plan.drifts],
        "absent": [str(each.problem) for each in plan.spec.absent] + list(plan.absent),
        "forecast": _forecast(found) if found else None,
    }


def pack_numbers(found: Forecast | None) -> dict[str, int]:
    """The number of the pack of each trial that is left, from 1, in their order."""
    packs = found.packs if found else ()
    return {
        config.trial_id: number
        for number, each in enumerate(packs, start=1)
        for config in each.pack.trials
    }


def _trial(plan: Plan, work: PlannedTrial, pack: int | None) -> dict[str, Any]:
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


def _pack(number: int, each: PackForecast) -> dict[str, Any]:
    pack = each.pack
    return {
        "number": number,
        "name": pack.name,
        "parent": pack.parent,
        "trials": len(pack.trials),
        "milestones": list(pack.milestones),
        "slots": pack.slots,
        "bytes": {"weights": each.memory.weights, "one_row": each.memory.least,
                  "all_rows": each.memory.full},
        "seconds": asdict(each.seconds) if each.seconds else None,
    }  # fmt: skip


def _forecast(found: Forecast) -> dict[str, Any]:
    return {
        "at_once": found.at_once,
        "nodes": [
            {
                **asdict(place.node),
                "slots": place.slots,
                "workers": place.workers,
                "spare": place.spare,
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

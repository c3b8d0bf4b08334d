"""Which sweeps of a store have a trial, so that one run stands for it in all of them.

The manifests in the store say it, so every sweep that is mirrored writes the same tags.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ablation.run_tags import Feeds
from runners.config import TrialConfig, adaptation_of, from_mapping
from runners.store import Defect, Store
from sweeps.spec import SweepSpec
from sweeps.tracking.run import Sweep


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A sweep, the panels that each of its trials feeds, and the milestones that they start from.

    Both are by id, in the order of the sweep.
    """

    sweep: Sweep
    panels: Mapping[str, frozenset[str]]
    milestones: tuple[str, ...] = ()


def plan_of(spec: SweepSpec) -> Plan:
    """A sweep as its spec has it now, whatever the store was told before."""
    return Plan(
        sweep=Sweep(name=spec.name, spec_sha256=spec.sha256),
        panels={trial.config.trial_id: trial.panels for trial in spec.trials},
        milestones=_milestones(trial.config for trial in spec.trials),
    )


def plans_in(store: Store, defects: list[Defect], *, milestones: bool) -> dict[str, Plan]:
    """Every sweep that was planned in the store, by name; what cannot be read is a defect.

    `milestones` says whether those are looked for, which takes a validated config of each trial.
    """
    plans = {}
    for name, told in store.manifests(defects).items():
        try:
            plans[name] = _plan(told, milestones=milestones)
        except (KeyError, ValueError) as error:
            remedy = "plan the sweep again, which writes it anew"
            problem = f"is no manifest that can be read ({error!r})"
            defects.append(
                Defect(path=f"manifests/{name}.json", problem=problem, remedy=remedy)
            )  # fmt: skip
    return plans


def feeds_by_id(plans: Iterable[Plan]) -> dict[str, Feeds]:
    """The sweeps and panels of every trial and milestone."""
    found: dict[str, dict[str, frozenset[str]]] = {}
    for plan in plans:
        for key, panels in plan.panels.items():
            found.setdefault(key, {})[plan.sweep.name] = panels
        for key in plan.milestones:
            found.setdefault(key, {})[plan.sweep.name] = frozenset()
    return dict(found)


def _plan(told: Mapping[str, Any], *, milestones: bool) -> Plan:
    """A manifest as a plan; raises KeyError or ValueError on one of another form."""
    trials = told["trials"]
    configs = (from_mapping(trial["config"]) for trial in trials)
    return Plan(
        sweep=Sweep(name=told["name"], spec_sha256=told["spec_sha256"]),
        panels={trial["trial_id"]: frozenset(trial["panels"]) for trial in trials},
        milestones=_milestones(configs) if milestones else (),
    )


def _milestones(configs: Iterable[TrialConfig]) -> tuple[str, ...]:
    """Ids of the milestones that trials start from, in their order."""
    needs = dict.fromkeys((adaptation_of(each), each.lm_adaptation_steps) for each in configs)
    return tuple(adaptation.milestone_id(steps) for adaptation, steps in needs if adaptation)

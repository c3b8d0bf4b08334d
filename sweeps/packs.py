"""Missing work as packs: queues of trials that share a frozen model, and adaptation runs.

A pack is what one worker is given at a time. Its trials take turns in the rows
of one batch, so they must share the model, the method and the precision; trials
with prompts of like length lie together, because the longest decides the cost.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from runners.config import AdaptationConfig, TrialConfig, adaptation_of
from runners.model.sizes import shape_of
from sweeps.plan import Plan, PlannedTrial

INPUT_TOKENS = 40
"""Tokens of a typical input, for costs before anything was measured."""
PACKS_A_WORKER = 4
"""A group of trials is cut into so many packs for each worker, so that none waits long for the last."""


@dataclass(frozen=True, kw_only=True)
class Pack:
    """Work for one worker: an adaptation with its missing milestones, or a queue of trials.

    `cost` is in floating-point operations, roughly, and serves to order packs
    and to forecast; `parent` is the milestone that has to be there first.
    """

    name: str
    cost: float
    parent: str | None = None
    adaptation: AdaptationConfig | None = None
    milestones: tuple[int, ...] = ()
    trials: tuple[TrialConfig, ...] = ()

    def singles(self) -> tuple["Pack", ...]:
        """The pack's trials one by one, for a pack that died: who fails alone has failed."""
        return tuple(_pack(self.name, (trial,), self.parent) for trial in self.trials)


def packs_of(plan: Plan, *, workers: int, slots: int) -> list[Pack]:
    """Everything that `plan` finds not done, as packs, the most urgent first.

    Adaptations come first, for others wait for them; then packs of trials, the
    costliest first.
    """
    adaptations = _adaptations(plan)
    todo = [work for work in plan.trials if work.state.status != "done"]
    tuning = [pack for group in _groups(todo) for pack in _cut(group, workers=workers, slots=slots)]
    return sorted(adaptations, key=lambda p: -p.cost) + sorted(tuning, key=lambda p: -p.cost)


def cost_of(config: TrialConfig) -> float:
    """Floating-point operations of a trial: forward and backward of training, forward of dev.

    Two a weight and token forward, the same again backward to the prompt, and
    twice that where weights train (training_steps x rows x tokens x weights).
    """
    weights = shape_of(config.model_family, config.model_size).parameter_count()
    tokens = INPUT_TOKENS + (config.prompt_length or 0)
    passes = 6 if config.prompt_length is None else 4
    training = passes * config.train_steps * config.batch_size
    evaluations = math.ceil(config.train_steps / config.eval_every)
    evaluation = 2 * evaluations * (config.dev_examples or 1000)
    return float(weights * tokens * (training + evaluation))


def _adaptations(plan: Plan) -> list[Pack]:
    runs: dict[AdaptationConfig, list[int]] = {}
    needed = {work.parent for work in plan.trials if work.state.status != "done"}
    for milestone in plan.milestones:
        if milestone.state.status != "done" and milestone.id in needed:
            runs.setdefault(milestone.adaptation, []).append(milestone.steps)
    return [_adaptation(config, tuple(steps)) for config, steps in runs.items()]


def _adaptation(config: AdaptationConfig, milestones: tuple[int, ...]) -> Pack:
    weights = shape_of(config.model_family, config.model_size).parameter_count()
    cost = 6.0 * max(milestones) * config.batch_size * INPUT_TOKENS * weights
    return Pack(
        name=f"{config.model_size} LM adaptation",
        cost=cost,
        adaptation=config,
        milestones=milestones,
    )


def _groups(todo: Iterable[PlannedTrial]) -> list[list[PlannedTrial]]:
    """Trials that may share a batch, in the order of their prompts' length."""
    groups: dict[tuple[object, ...], list[PlannedTrial]] = {}
    for work in todo:
        groups.setdefault(_shared(work.config), []).append(work)
    for group in groups.values():
        group.sort(key=lambda work: (work.config.prompt_length or 0, -cost_of(work.config)))
    return list(groups.values())


def _shared(config: TrialConfig) -> tuple[object, ...]:
    """What the trials of a pack have in common."""
    sentinel = config.pretraining_objective == "span_corruption_sentinel"
    return (
        config.method, config.model_family, config.model_size, adaptation_of(config),
        config.lm_adaptation_steps, sentinel, config.compute_dtype, config.dropout,
    )  # fmt: skip


def _cut(group: Sequence[PlannedTrial], *, workers: int, slots: int) -> list[Pack]:
    """A group in packs of at least `slots` trials, or of one where a trial has a model of its own."""
    alone = group[0].config.method == "model_tuning"
    size = 1 if alone else max(slots, math.ceil(len(group) / (workers * PACKS_A_WORKER)))
    packs = []
    for number, works in enumerate(_batched(group, size)):
        first = works[0].config
        name = f"{first.model_size} {first.method} {number + 1}"
        packs.append(_pack(name, tuple(work.config for work in works), works[0].parent))
    return packs


def _batched(group: Sequence[PlannedTrial], size: int) -> Iterable[Sequence[PlannedTrial]]:
    return (group[start : start + size] for start in range(0, len(group), size))


def _pack(name: str, trials: tuple[TrialConfig, ...], parent: str | None) -> Pack:
    return Pack(name=name, cost=sum(map(cost_of, trials)), parent=parent, trials=trials)

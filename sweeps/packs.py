"""Missing work as packs: queues of trials that share a frozen model, and adaptation runs.

A pack is what one worker is given at a time. Its trials take turns in the rows
of one batch, so they must share the model, the method and the precision; trials
with prompts of like length lie together, because the longest decides the cost.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from runners.config import TUNES_MODEL, AdaptationConfig, TrialConfig, adaptation_of
from runners.data.text import WINDOW
from runners.model.family import Family
from runners.training.batch_sizes import trained_at_once
from sweeps.plan import Plan, PlannedTrial

INPUT_TOKENS = 40
"""Tokens of a typical input, for costs before anything was measured."""
DEV_EXAMPLES = 1000
"""Examples of a typical dev split, where a config takes it whole."""
PACKS_A_WORKER = 4
"""A group of trials is cut into so many packs for each worker, so that the last one is short."""
WHOLE = 0.25
"""A pack of up to this part of what falls to each worker stays whole.

A group of longer packs is cut evenly over the workers: what larger packs would save is less
than what the others lose while one works on the last.
"""
ROUNDS = 4
"""A pack fills its batch at most so often, so that one that dies takes few trials with it."""


@dataclass(frozen=True, kw_only=True)
class Pack:
    """Work for one worker: an adaptation with its missing milestones, or a queue of trials.

    `cost` serves to order packs and to forecast; it is the sum of `costs`, one a
    trial, where there are trials. `parent` is the milestone that
    has to be there first, `slots` the most trials that share the batch (K).
    `losses` counts the workers that were lost under the pack one after another
    without getting beyond `reached`, the share of its cost that was done, and `nodes`
    those that went with their node.
    """

    name: str
    cost: float
    parent: str | None = None
    adaptation: AdaptationConfig | None = None
    milestones: tuple[int, ...] = ()
    trials: tuple[TrialConfig, ...] = field(default=(), repr=False)
    costs: tuple[float, ...] = field(default=(), repr=False)
    slots: int = 1
    losses: int = 0
    nodes: int = 0
    reached: float = 0.0

    @property
    def model(self) -> tuple[object, ...]:
        """What a worker has to hold for it; workers keep the last one that they had."""
        if self.adaptation is not None:
            return self.adaptation.run_id, None, None
        if not self.trials:
            return None, None, None
        first = self.trials[0]
        dtype = "float32" if first.method in TUNES_MODEL else first.compute_dtype
        return (first.model_family, first.model_size), first.lm_adaptation_steps, dtype

    @property
    def size(self) -> str:
        """The size of the model that it works on, by its name."""
        first = self.adaptation if self.adaptation is not None else self.trials[0]
        return first.model_size

    @property
    def milestone_ids(self) -> tuple[str, ...]:
        """What an adaptation is to commit, in the order of `milestones`; nothing for trials."""
        if self.adaptation is None:
            return ()
        return tuple(self.adaptation.milestone_id(steps) for steps in self.milestones)

    def singles(self) -> tuple["Pack", ...]:
        """The pack's runs one by one, for a pack that died: who fails alone has failed."""
        priced = list(zip(self.trials, self.costs, strict=True))
        return tuple(_pack(run[0][0].label, run, self.parent, slots=1) for run in _runs(priced))


def packs_of(plan: Plan, *, workers: int, slots: int | None) -> list[Pack]:
    """Everything that `plan` finds not done, as packs, the most urgent first.

    Adaptations come first, for others wait for them; then packs of trials, the
    costliest first. `slots` trials share a batch, or with None as many as are quick for
    their model.
    """
    family, on_gpu = plan.spec.study.family, plan.spec.execution.gpus_per_worker > 0
    adaptations = _adaptations(plan, {work.parent for work in plan.left})
    tuning: list[Pack] = []
    groups = [
        (group[0].parent, [(work.config, cost_of(work.config, family)) for work in group])
        for group in _groups(plan.left)
    ]
    whole = WHOLE / workers * sum(_cost(priced) for _, priced in groups)
    for parent, priced in groups:
        parameters = family.rungs[priced[0][0].model_size].parameters
        at_once = slots or trained_at_once(parameters, on_gpu=on_gpu)
        tuning += _cut(priced, parent, workers, at_once, whole)
    return _costliest_first(adaptations) + _costliest_first(tuning)


def cost_of(config: TrialConfig, family: Family) -> float:
    """Floating-point operations of a trial, roughly: training, and the forward passes of dev.

    Two a weight and token forward, the same again backward to the prompt, and
    twice that where the weights train. The trials of a mixture share its training.
    """
    tokens = INPUT_TOKENS + (config.prompt_length or 0)
    passes = 6 if config.method in TUNES_MODEL else 4
    rows, evaluations = 0.0, 1
    if config.training is not None:
        sharing = len(config.mixture.split(",")) if config.mixture else 1
        rows = passes * config.steps * config.training.batch_size / sharing
        evaluations = math.ceil(config.steps / config.training.eval_every)
    evaluations += len(config.transfers)
    dev = 2 * evaluations * (config.dev_examples or DEV_EXAMPLES)
    return float(family.rungs[config.model_size].parameters) * tokens * (rows + dev)


def _adaptations(plan: Plan, needed: set[str | None]) -> list[Pack]:
    runs: dict[AdaptationConfig, list[int]] = {}
    for milestone in plan.milestones:
        if milestone.state.status != "done" and milestone.id in needed:
            runs.setdefault(milestone.adaptation, []).append(milestone.steps)
    rungs = plan.spec.study.family.rungs
    return [
        _adaptation(config, tuple(steps), rungs[config.model_size].parameters)
        for config, steps in runs.items()
    ]


def _adaptation(config: AdaptationConfig, milestones: tuple[int, ...], parameters: int) -> Pack:
    rows = max(milestones) * config.batch_size
    tokens = INPUT_TOKENS if config.text is None else WINDOW
    return Pack(
        name=f"{config.model_size} LM adaptation",
        cost=6.0 * rows * tokens * parameters,
        adaptation=config,
        milestones=milestones,
    )


def _groups(todo: Iterable[PlannedTrial]) -> list[list[PlannedTrial]]:
    """Trials that may share a batch; those with like prompts and inputs are neighbours."""
    groups: dict[tuple[object, ...], list[PlannedTrial]] = {}
    for work in todo:
        groups.setdefault(_shared(work.config), []).append(work)
    for group in groups.values():
        group.sort(key=lambda work: _order(work.config))
    return list(groups.values())


def _order(config: TrialConfig) -> tuple[object, ...]:
    run = config.run_id if config.mixture else ""
    return config.prompt_length or 0, run, config.task


def _shared(config: TrialConfig) -> tuple[object, ...]:
    """What the trials of a pack have in common."""
    sentinel = config.pretraining_objective == "span_corruption_sentinel"
    return (
        config.method, config.model_family, config.model_size, adaptation_of(config),
        config.lm_adaptation_steps, sentinel, config.compute_dtype, config.dropout,
        config.answer_by,
    )  # fmt: skip


Priced = Sequence[tuple[TrialConfig, float]]
"""Trials, each with its cost."""


def _cost(priced: Priced) -> float:
    return sum(cost for _, cost in priced)


def _cut(
    group: Priced, parent: str | None, workers: int, slots: int, whole: float
) -> Iterator[Pack]:
    """A group in packs of like size, none of more than `ROUNDS` times what shares a batch.

    Where they would cost more than `whole`, each worker gets as many of them.
    """
    first = group[0][0]
    slots = 1 if first.method in TUNES_MODEL else slots
    runs = _runs(group)
    wanted = math.ceil(len(runs) / (workers * PACKS_A_WORKER))
    size = min(max(wanted, slots), ROUNDS * slots)
    count = math.ceil(len(runs) / size)
    if _cost(group) / count > whole:
        count = min(math.ceil(count / workers) * workers, len(runs))
    edges = [len(runs) * number // count for number in range(count + 1)]
    for number, (start, end) in enumerate(itertools.pairwise(edges), start=1):
        name = f"{first.model_size} {first.method} {number}/{count}"
        priced = list(itertools.chain.from_iterable(runs[start:end]))
        yield _pack(name, priced, parent, slots=slots)


def _runs(priced: Priced) -> list[Priced]:
    """Trials that train together, which no pack may tear apart; most are alone."""
    grouped = itertools.groupby(priced, key=lambda each: each[0].run_id)
    return [list(run) for _, run in grouped]


def _pack(name: str, priced: Priced, parent: str | None, *, slots: int) -> Pack:
    """A queue of trials, each with its cost."""
    trials, costs = zip(*priced, strict=True)
    return Pack(
        name=name, cost=_cost(priced), parent=parent, trials=trials, costs=costs, slots=slots
    )


def _costliest_first(packs: Iterable[Pack]) -> list[Pack]:
    return sorted(packs, key=lambda pack: -pack.cost)

"""What the rest of a plan takes on a cluster: memory, hours and money, and what fits nowhere."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from runners.config import TUNES_MODEL, TrialConfig
from runners.model.family import Family
from sweeps.forecast import memory
from sweeps.forecast.calibration import NOTHING, Calibration, Group, Interval, Miss, Pair
from sweeps.forecast.hardware import Device, device_of
from sweeps.forecast.makespan import simulate
from sweeps.forecast.memory import Memory
from sweeps.forecast.work import Workload
from sweeps.nodes import NodeType
from sweeps.packs import Pack, packs_of
from sweeps.plan import Milestone, Plan, PlannedTrial
from sweeps.room import settled, workers_on

HEADROOM = 0.95
"""Share of a memory that can be used; the rest is lost between blocks."""
FINEST = 64
"""Shares of a GPU are taken to the nearest fraction with no larger denominator."""
ADAPTATION = "lm_adaptation"
"""The group of adaptation runs, beside the methods."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Nodes of a type as a sweep uses them, in slots.

    A slot is what a worker holds, with `room` bytes, or a part of it that all shares of
    a GPU are made of, where workers hold different ones.
    """

    node: NodeType
    device: Device
    slots: int
    workers: int
    """At most, each for the size that takes the fewest slots."""
    spare: int
    """More workers than these that would have room."""
    room: float


@dataclass(frozen=True, kw_only=True)
class GroupForecast:
    """What is left of a method at a size: seconds of one worker on the first place that fits.

    `rows` has, by node type, how many rows a step takes at once: all of them, a
    part of them, or 0 where not even one fits.
    """

    group: Group
    count: int
    ranks: int
    """Workers that train one model together; `memory` is of each of them."""
    width: int
    """Slots that each of them takes."""
    memory: Memory
    rows: Mapping[str, int]
    seconds: Interval

    @property
    def fits(self) -> bool:
        """Whether there is a node for it."""
        return any(self.rows.values())


@dataclass(frozen=True, kw_only=True)
class PackForecast:
    """A pack, what it holds at once, and its seconds on the first place that fits."""

    pack: Pack
    memory: Memory
    seconds: Interval | None
    """None where no node has room for it."""


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """All of it. Hours are of GPUs, or of cores where a worker computes on those."""

    places: tuple[Place, ...]
    groups: tuple[GroupForecast, ...]
    packs: tuple[PackForecast, ...]
    """In the order in which they are handed out."""
    makespan: Interval
    """Seconds until everything is done."""
    hours: Mapping[str, Interval]
    """Of GPUs or cores at work, by node type."""
    cost: Interval | None
    """Of all nodes for the whole makespan; None where a price is not known."""
    at_once: int
    """Workers at the same time, on all nodes together."""
    measured: int
    """Finished pieces of work that it rests on."""
    misses: tuple[Miss, ...]

    @property
    def room(self) -> int:
        """Workers that the nodes have room for, whether they are wanted or not."""
        return sum(place.workers + place.spare for place in self.places)

    @property
    def misfits(self) -> tuple[GroupForecast, ...]:
        """What no node has room for."""
        return tuple(group for group in self.groups if not group.fits)


def forecast(
    plan: Plan, nodes: Sequence[NodeType], *, workers: int | None = None
) -> Forecast | None:
    """The forecast of what `plan` finds not done, on all of `nodes` or by so many workers.

    `workers` None is as many as there is room for. Returns None where no node has what
    a worker needs. Raises `UnknownGpuError` (a ValueError) for a GPU whose speed is not known.
    """
    part, widths = _shares(plan)
    places = _places(plan, nodes, workers, part)
    if not places:
        return None
    there = sum(place.workers for place in places)
    at_once = min(there, workers or there)
    packs = packs_of(plan, workers=at_once, slots=plan.spec.execution.pack_size)
    return _Estimate(plan, nodes, places, packs, widths, at_once).forecast()


def _shares(plan: Plan) -> tuple[float, dict[str, int]]:
    """The part of a GPU that all shares are made of, 0 without GPUs, and each size's parts."""
    execution = plan.spec.execution
    shares = {
        size: Fraction(execution.gpus_of(size)).limit_denominator(FINEST)
        for size in plan.spec.study.family.rungs
    }
    common = math.lcm(*(share.denominator for share in shares.values()))
    parts = {size: int(share * common) for size, share in shares.items()}
    largest = math.gcd(*parts.values())
    if not largest:
        return 0.0, dict.fromkeys(shares, 1)
    return largest / common, {size: count // largest for size, count in parts.items()}


def _places(
    plan: Plan, nodes: Sequence[NodeType], workers: int | None, part: float
) -> list[Place]:  # fmt: skip
    """Nodes that have room for a worker; `part` of a GPU is one slot of it."""
    ranks, found = _most_ranks(plan), []
    execution = settled(replace(plan.spec.execution, workers=workers), nodes, ranks=ranks)
    for node in nodes:
        a_node = workers_on(node, execution)
        there = a_node * node.count
        count = min(there, workers or there)
        if not count:
            continue
        # The ranks of one pack run beside each other, however few packs are to run.
        together = max(count, min(there, ranks))
        room = node.memory_gb / min(a_node, together)
        if part:
            room = node.gpu_memory_gb * part
        place = Place(
            node=node, device=device_of(node, gpus_per_worker=part, threads=execution.cores),
            slots=node.gpus * int(1 / part) * node.count if part else together, workers=count,
            spare=there - count, room=1e9 * HEADROOM * room,
        )  # fmt: skip
        found.append(place)
    return found


def _most_ranks(plan: Plan) -> int:
    """The most workers that train one model of what is left together."""
    execution, rungs = plan.spec.execution, plan.spec.study.family.rungs
    tuned = {each.config.model_size for each in plan.left if each.config.method in TUNES_MODEL}
    adapted = {
        each.adaptation.model_size for each in plan.milestones if each.state.status != "done"
    }
    ranks = (execution.ranks_of(size, rungs[size].parameters) for size in tuned | adapted)
    return max(ranks, default=1)


class _Estimate:
    """One forecast in the making."""

    def __init__(
        self, plan: Plan, nodes: Sequence[NodeType], places: Sequence[Place],
        packs: Sequence[Pack], widths: Mapping[str, int], at_once: int,
    ) -> None:  # fmt: skip
        self._plan = plan
        self._nodes = nodes
        self._places = places
        self._packs = packs
        self._widths = widths
        self._at_once = at_once
        self._family: Family = plan.spec.study.family
        self._recomputes = plan.spec.execution.activation_checkpointing
        self._workload = Workload(
            family=self._family, on_gpu=places[0].device.gpu is not None,
            recomputes=self._recomputes,
        )  # fmt: skip
        first = places[0]
        self._calibration = Calibration(self._measured(first), first.device.spread)
        self._ratios: dict[Group, Interval] = {}
        self._memories: dict[tuple[object, ...], Memory] = {}

    def forecast(self) -> Forecast:
        """All of it."""
        groups = self._groups()
        rows = {each.group: each.rows for each in groups}
        by_name = {place.node.name: place for place in self._places}

        def seconds(pack: Pack, name: str) -> float | None:
            if not rows[_group(pack)][name]:
                return None
            device = self._device(by_name[name], pack.size)
            alone = self._prior(pack, device) * self._ratio(_group(pack)).middle
            return alone / self._ranks(pack)

        slots = {place.node.name: place.slots for place in self._places}
        ran = simulate(self._packs, slots, seconds, self._width, self._at_once)
        total = sum((each.seconds for each in groups if each.fits), start=NOTHING)
        relative = total * (1 / total.middle) if total.middle else Interval(low=1, middle=1, high=1)
        makespan = relative * ran.makespan
        return Forecast(
            places=tuple(self._places), groups=tuple(groups), packs=tuple(self._each(groups)),
            makespan=makespan, hours=self._hours(ran.busy, relative),
            cost=self._cost(makespan), at_once=self._at_once, measured=self._calibration.count,
            misses=tuple(self._calibration.misses()),
        )  # fmt: skip

    def _hours(self, busy: Mapping[str, float], relative: Interval) -> dict[str, Interval]:
        return {
            place.node.name: relative * (busy[place.node.name] * place.device.share / 3600)
            for place in self._places
        }

    def _cost(self, makespan: Interval) -> Interval | None:
        """Nodes are paid for as long as the sweep runs, at work or not."""
        prices = [
            node.count * node.price_per_hour
            for node in self._nodes
            if node.price_per_hour is not None
        ]
        return makespan * (sum(prices) / 3600) if len(prices) == len(self._nodes) else None

    def _groups(self) -> list[GroupForecast]:
        """Methods and sizes of which something is left, in the order of the packs."""
        packs: dict[Group, list[Pack]] = defaultdict(list)
        for pack in self._packs:
            packs[_group(pack)].append(pack)
        return [self._group_forecast(group, own) for group, own in packs.items()]

    def _group_forecast(self, group: Group, packs: Sequence[Pack]) -> GroupForecast:
        held = max((self._memory(pack) for pack in packs), key=lambda each: each.least)
        ranks, width = max(map(self._ranks, packs)), self._widths[group[1]]
        rows = {
            place.node.name: held.rows_in(place.room * width) if ranks * width <= place.slots else 0
            for place in self._places
        }
        place = next((p for p in self._places if rows[p.node.name]), self._places[0])
        device = self._device(place, group[1])
        seconds = sum(self._prior(pack, device) for pack in packs)
        count = sum(len(pack.trials) or len(pack.milestones) for pack in packs)
        return GroupForecast(
            group=group, count=count, ranks=ranks, width=width, memory=held, rows=rows,
            seconds=self._ratio(group) * seconds,
        )  # fmt: skip

    def _each(self, groups: Iterable[GroupForecast]) -> Iterator[PackForecast]:
        by_group = {each.group: each for each in groups}
        for pack in self._packs:
            group = by_group[_group(pack)]
            place = next((p for p in self._places if group.rows[p.node.name]), None)
            seconds = None
            if place is not None:
                alone = self._prior(pack, self._device(place, pack.size)) / self._ranks(pack)
                seconds = self._ratio(group.group) * alone
            yield PackForecast(pack=pack, memory=self._memory(pack), seconds=seconds)

    def _ratio(self, group: Group) -> Interval:
        if group not in self._ratios:
            self._ratios[group] = self._calibration.interval(group, 1.0)
        return self._ratios[group]

    def _memory(self, pack: Pack) -> Memory:
        """Of the pack's hungriest trial, as if all in its batch were like it."""
        if pack.adaptation is not None:
            return memory.of_adaptation(
                pack.adaptation, self._family, ranks=self._ranks(pack), recomputes=self._recomputes
            )
        ranks = self._ranks(pack)
        held = (self._trial_memory(config, pack.slots, ranks) for config in pack.trials)
        return max(held, key=lambda each: each.least)

    def _trial_memory(self, config: TrialConfig, slots: int, ranks: int) -> Memory:
        key = (*self._workload.key(config), slots, ranks)
        if key not in self._memories:
            self._memories[key] = memory.of_trial(
                config, self._family, slots=slots, on_gpu=self._workload.on_gpu, ranks=ranks,
                recomputes=self._recomputes,
            )  # fmt: skip
        return self._memories[key]

    def _ranks(self, pack: Pack) -> int:
        """Workers that train the pack's model together, as sweeps.ranks has it."""
        method, size = _group(pack)
        if method != ADAPTATION and method not in TUNES_MODEL:
            return 1
        parameters = self._family.rungs[size].parameters
        return self._plan.spec.execution.ranks_of(size, parameters)

    def _width(self, pack: Pack) -> int:
        """Slots that the pack takes."""
        return self._ranks(pack) * self._widths[pack.size]

    def _device(self, place: Place, size: str) -> Device:
        """What a worker computes on for a size."""
        return replace(place.device, share=place.device.share * self._widths[size])

    def _prior(self, pack: Pack, device: Device) -> float:
        """Seconds by the work alone."""
        if pack.adaptation is not None:
            work = self._workload.of_adaptation(pack.adaptation, max(pack.milestones))
            return device.seconds(work, pack.adaptation.compute_dtype)
        return sum(self._trial_prior(config, pack.slots, device) for config in pack.trials)

    def _trial_prior(self, config: TrialConfig, slots: int, device: Device) -> float:
        work = self._workload.of_trial(config, sharing=slots)
        return device.seconds(work, config.compute_dtype)

    def _measured(self, place: Place) -> dict[Group, list[Pair]]:
        """What ran on devices of this place's kind, with what its work alone would have said."""
        found: dict[Group, list[Pair]] = defaultdict(list)
        for trial in self._plan.trials:
            device = self._device(place, trial.config.model_size)
            if (pair := self._trial_pair(trial, device)) is not None:
                found[trial.config.method, trial.config.model_size].append(pair)
        runs: dict[tuple[str, str], Milestone] = {}
        for milestone in self._plan.milestones:
            if milestone.state.seconds and place.device.is_of(milestone.state.device):
                # The seconds of a milestone are those of its run from the start.
                runs[milestone.adaptation.run_id, milestone.adaptation.model_size] = milestone
        for (_, size), last in runs.items():
            work = self._workload.of_adaptation(last.adaptation, last.steps)
            device = self._device(place, size)
            prior = device.seconds(work, last.adaptation.compute_dtype)
            found[ADAPTATION, size].append(Pair(forecast=prior, measured=last.state.seconds or 0.0))
        return found

    def _trial_pair(self, trial: PlannedTrial, device: Device) -> Pair | None:
        state, config = trial.state, trial.config
        if not state.seconds or not device.is_of(state.device):
            return None
        slots = 1 if config.method in TUNES_MODEL else state.pack
        prior = self._trial_prior(config, slots, device)
        return Pair(forecast=prior, measured=state.seconds)


def _group(pack: Pack) -> Group:
    if pack.adaptation is not None:
        return ADAPTATION, pack.adaptation.model_size
    return pack.trials[0].method, pack.trials[0].model_size

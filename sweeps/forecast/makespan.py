"""Packs on slots: who runs what when, if every pack takes as long as is forecast.

A slot is where one worker computes. Packs are taken in the order in which they are
handed out (sweeps.schedule): whoever is free takes the first whose milestone is there.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sweeps.packs import Pack

Width = Callable[[Pack], int]
"""How many slots a pack takes: more than one where ranks train a model together."""
Seconds = Callable[[Pack, str], float | None]
"""How long a pack takes on nodes of a type; None where it does not fit there."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long all of it takes, and how long each type of node is at work, in slot seconds."""

    makespan: float
    busy: Mapping[str, float]


@dataclass(kw_only=True)
class _Queues:
    """Packs that can be taken, by what they wait for; the first of a queue is the next."""

    ready: list[tuple[int, Pack]] = field(default_factory=list)
    waiting: dict[str, list[tuple[int, Pack]]] = field(default_factory=dict)

    def release(self, milestone: str) -> None:
        for entry in self.waiting.pop(milestone, []):
            heapq.heappush(self.ready, entry)


def simulate(
    packs: Sequence[Pack],
    slots: Mapping[str, int],
    seconds: Seconds,
    width: Width = lambda pack: 1,
    at_once: int | None = None,
) -> Schedule:
    """Run packs through slots, so many of each type of node; types are tried in their order.

    A pack takes `width` slots of one type at once; slots are kept free until it has them.
    No more than `at_once` packs run at the same time.
    Packs that fit no type are left out, and so are those that wait for them.
    """
    queues = _queued(packs)
    now, busy = 0.0, dict.fromkeys(slots, 0.0)
    free = dict(slots)
    events: list[tuple[float, int, str, str, int]] = []
    number = running = 0
    while queues.ready or events:
        for name in slots:
            while (
                free[name]
                and (at_once is None or running < at_once)
                and (taken := _take(queues.ready, name, seconds))
            ):
                entry, took = taken
                pack, held = entry[1], width(entry[1])
                if held > free[name]:
                    heapq.heappush(queues.ready, entry)
                    break
                free[name] -= held
                running += 1
                busy[name] += took * held
                for milestone, share in _milestones(pack):
                    number += 1
                    heapq.heappush(events, (now + share * took, number, milestone, "", 0))
                number += 1
                heapq.heappush(events, (now + took, number, "", name, held))
        if not events:
            break
        now, _, milestone, ended, held = heapq.heappop(events)
        if ended:
            free[ended] += held
            running -= 1
        else:
            queues.release(milestone)
    return Schedule(makespan=now, busy=busy)


def _queued(packs: Sequence[Pack]) -> _Queues:
    made = {milestone for pack in packs for milestone, _ in _milestones(pack)}
    queues = _Queues()
    for entry in enumerate(packs):
        parent = entry[1].parent
        if parent in made:
            assert parent is not None
            queues.waiting.setdefault(parent, []).append(entry)
        else:
            queues.ready.append(entry)
    return queues


def _take(
    ready: list[tuple[int, Pack]], name: str, seconds: Seconds
) -> tuple[tuple[int, Pack], float] | None:
    """The first pack that fits nodes of this type, with its seconds there."""
    skipped, found = [], None
    while ready and found is None:
        entry = heapq.heappop(ready)
        took = seconds(entry[1], name)
        if took is None:
            skipped.append(entry)
        else:
            found = entry, took
    for entry in skipped:
        heapq.heappush(ready, entry)
    return found


def _milestones(pack: Pack) -> Iterable[tuple[str, float]]:
    """Milestones that a pack makes, each with the share of its work that is done by then."""
    shares = (steps / max(pack.milestones) for steps in pack.milestones)
    return zip(pack.milestone_ids, shares, strict=True)

"""A Tune search algorithm that hands out packs as their parents appear, and who gets them.

Tune asks `suggest` whenever a worker is free. It is given the most urgent pack
whose milestone is in the store, so no waiting pack holds a core, and no size
waits for the adaptation of another. `Latest` sees to it that the free worker gets
that pack, and not the pack of a worker which is still starting.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from sweeps.failures import Loss
from sweeps.packs import Pack

RETRIES = 1
"""A pack is given to so many more workers when those that had it were lost and got no further.

One lost worker may be chance; of the second the pack is the likely cause, and it is split.
"""
NODE_RETRIES = 9
"""And to so many more when the nodes went too: spot machines are taken back time and again."""
LOOK_SECONDS = 1.0
"""Milestones are looked for at most so often, since the store may be far away."""
START_SECONDS = 60.0
"""A worker that has not started after so long may never do so: its node may be gone."""
PATIENCE_SECONDS = 300.0
"""A shared file system may show a new milestone late, but not later than this."""


class PackSearch(Searcher):
    """Hands out each pack once, and again where its worker died.

    `is_there` says whether a milestone is committed. What came of a pack is
    told by Tune (`on_trial_complete`) or, with the reason, by `died`.
    """

    def __init__(self, packs: Sequence[Pack], is_there: Callable[[str], bool]) -> None:
        super().__init__(metric="share", mode="max")
        self._waiting = list(packs)
        self._given: dict[str, Pack] = {}
        self._reached: dict[str, float] = {}
        self._is_there = is_there
        self._freed: list[tuple[object, ...]] = []
        """The models that free workers hold, the first that became free first."""
        self._there: set[str] = set()
        self._looked = float("-inf")
        self._moved = time.monotonic()

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """The next ready pack, None where all wait for a parent, or `Searcher.FINISHED`."""
        if not self._waiting and not self._given:
            return cast("dict[str, Any]", Searcher.FINISHED)
        self._look()
        place = self._next()
        if place is not None:
            self._given[trial_id] = self._waiting.pop(place)
            return {"pack": self._given[trial_id]}
        idle = time.monotonic() - self._moved
        assert self._given or idle < PATIENCE_SECONDS, "all packs wait for what nobody makes"
        return None

    def _next(self) -> int | None:
        """Where the pack waits that is handed out now; None where none is ready.

        The most urgent one, or the most urgent of the model that the worker which became
        free holds already: Tune gives the next pack to that one. Not so where the most
        urgent pack is as long as all that waits would take on all workers, for then
        everyone would wait for it in the end.
        """
        ready = [
            place
            for place, pack in enumerate(self._waiting)
            if pack.parent is None or pack.parent in self._there
        ]
        if not ready:
            return None
        held = self._freed.pop(0) if self._freed else None
        first = self._waiting[ready[0]]
        if first.adaptation is None and held is not None:
            a_worker = sum(pack.cost for pack in self._waiting) / (len(self._given) + 1)
            if first.cost < a_worker:
                alike = (place for place in ready if self._waiting[place].model == held)
                return next(alike, ready[0])
        return ready[0]

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """A worker goes on."""
        self._reached[trial_id] = result["share"]

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """A pack is done, or its worker died, which `died` tells next."""
        if not error:
            self._freed.append(self._given.pop(trial_id).model)
            self._reached.pop(trial_id, None)
        self._looked = float("-inf")
        self._moved = time.monotonic()

    def died(self, trial_id: str, loss: Loss) -> dict[Pack, Loss]:
        """What is given up because a worker died, and why.

        A pack whose worker was lost goes to another, which finds its
        checkpoints; so often for its own sake, and more often where its node went, for
        which no pack is to blame. Any other death would repeat itself: the trials of the
        pack are then tried one by one, and who dies alone is given up. With an
        adaptation go the packs that wait for it.
        """
        pack, reached = self._given.pop(trial_id), self._reached.pop(trial_id, 0.0)
        further = reached > pack.reached
        losses, nodes = (0, 0) if further else (pack.losses, pack.nodes)
        if loss.node == "gone":
            nodes += 1
        else:
            losses += 1
        if loss.may_pass and losses <= RETRIES and nodes <= NODE_RETRIES:
            reached = max(reached, pack.reached)
            again = replace(pack, losses=losses, nodes=nodes, reached=reached)
            self._waiting.insert(0, again)
            return {}
        if len(pack.trials) > 1:
            self._waiting[:0] = pack.singles()
            return {}
        return {pack: loss, **self._orphans(pack, loss)}

    def _orphans(self, pack: Pack, loss: Loss) -> dict[Pack, Loss]:
        """Takes out the packs that wait for a milestone which will not come."""
        never = {milestone for milestone in pack.milestone_ids if not self._is_there(milestone)}
        orphans = [child for child in self._waiting if child.parent in never]
        self._waiting = [child for child in self._waiting if child.parent not in never]
        reason = Loss(kind=loss.kind, message=f"{pack.name} failed: {loss.message}")
        return dict.fromkeys(orphans, reason)

    def _look(self) -> None:
        """Find out which of the milestones that packs wait for have appeared."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        parents = {pack.parent for pack in self._waiting if pack.parent is not None}
        self._there |= {parent for parent in parents - self._there if self._is_there(parent)}

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the store knows what is done, and a new driver plans anew."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, as for `save`."""


class Latest(FIFOScheduler):
    """A free worker gets the pack that was handed out last.

    The packs before it have workers of their own, which are starting. Tune's own order gives
    the free worker the first of them, ends the worker that was starting for it, and starts
    another for the last one: where packs are shorter than a start, no further worker ever gets
    to work. And the last pack is the one that was chosen for the model which the worker holds.
    A pack that has waited for `START_SECONDS` goes first nonetheless.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._since: dict[str, float] = {}

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """A pack is handed out."""
        self._since[trial.trial_id] = time.monotonic()

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """Of the packs that wait for a worker the one that is given to a free one."""
        live: set[Trial] = tune_controller.get_live_trials()
        waiting = [trial for trial in live if trial.status == Trial.PENDING]
        if not waiting:
            return None
        waiting.sort(key=lambda trial: self._since[trial.trial_id])
        first = self._since[waiting[0].trial_id]
        return waiting[0 if time.monotonic() - first > START_SECONDS else -1]

"""The one place where Ray meets a runner: a worker that is given packs."""

import time
from collections.abc import Iterator
from typing import Any

import torch
from ray import tune

from runners.lm_adaptation import adapt
from runners.model.catalogue import load_backbone
from runners.store import Store
from runners.training.session import Session
from sweeps.packs import Pack, cost_of

REPORT_SECONDS = 2.0
"""A worker reports so often; between reports it trains."""


class PackTrainable(tune.Trainable):
    """Trains one pack after another, in a process that keeps its imports and its frozen model.

    Everything that matters goes to the store as it happens. A restarted worker
    finds there what is done and goes on from the checkpoints of the rest.
    """

    def setup(self, config: dict[str, Any]) -> None:
        """Begin a pack: config holds `pack`, `store`, `threads` and `slots`."""
        torch.set_num_threads(config["threads"])
        self._pack: Pack = config["pack"]
        self._work = _shares(self._pack, Store(config["store"]), config["slots"])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin the next pack in the same process."""
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Train for a while; `progress` is the share of the pack that is done."""
        until = time.monotonic() + REPORT_SECONDS
        for share in self._work:
            if time.monotonic() >= until:
                return {"progress": share, "done": False}
        return {"progress": 1.0, "done": True}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: running trials are checkpointed in the store."""

    def load_checkpoint(self, checkpoint: object) -> None:
        """Nothing, as for `save_checkpoint`."""


def _shares(pack: Pack, store: Store, slots: int) -> Iterator[float]:
    """Work through the pack; yields the share of its cost that is done."""
    if pack.adaptation is not None:
        for step, last in adapt(pack.adaptation, pack.milestones, store):
            yield step / last
        return
    todo = [config for config in pack.trials if store.get(config.trial_id) is None]
    if not todo:
        return
    session = Session(backbone=load_backbone(todo[0], store), store=store, slots=slots)
    done: dict[str, float] = {}
    for live in session.train(todo):
        done |= {run.config.trial_id: run.step / run.config.train_steps for run in live}
        running = {run.config.trial_id for run in live}
        share = sum(
            cost_of(c) * (done[i] if (i := c.trial_id) in running else i in done) for c in todo
        )
        yield share / sum(map(cost_of, todo))

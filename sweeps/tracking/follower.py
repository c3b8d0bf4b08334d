"""Follows the trials of a pack into W&B while they train, without a hand in their training.

wandb is spoken to in a thread of its own: what it raises ends the following and
nothing else, and a server that does not answer keeps nobody waiting but a little
at the end of a pack. What was not tracked is mirrored afterwards by
`python -m sweeps track`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from ablation.run_tags import Feeds
from runners.config import TrialConfig, to_mapping
from runners.store import Defect, Store
from sweeps.tracking.membership import feeds_by_id, plans_in
from sweeps.tracking.mirror import history_of
from sweeps.tracking.run import (
    Row,
    Run,
    Sweep,
    row_of,
    run_of_failure,
    run_of_record,
    run_under_way,
)
from sweeps.tracking.wandb_runs import Runs, close, log

if TYPE_CHECKING:
    import wandb

PATIENCE = 30.0
"""Seconds that a pack waits at its end for the tracker."""


@dataclass(kw_only=True)
class Follower:
    """The runs of the trials of one pack, in the group of the sweep that trains them.

    Which panels and which other sweeps they feed, the manifests in the store say.
    """

    runs: Runs
    store: Store
    sweep: Sweep
    trouble: str = ""
    """Why nothing is tracked any more; empty while all is well."""
    _told: dict[TrialConfig, int] = field(default_factory=dict)
    """Trials that train, and how many rows of each were handed on."""
    _waiting: list[Future[None]] = field(default_factory=list)
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))
    # The rest is used in the tracker's thread alone.
    _opened: dict[str, "wandb.Run"] = field(default_factory=dict)
    _sent: dict[str, int] = field(default_factory=dict)
    _closed: set[str] = field(default_factory=set)
    _feeds: dict[str, Feeds] = field(default_factory=dict)

    def follow(self, live: Iterable[tuple[TrialConfig, Sequence[Mapping[str, float]]]]) -> None:
        """Take note of the trials that train now, with their histories so far."""
        there = dict(live)
        for config, history in there.items():
            known = self._told.get(config, 0)
            if config not in self._told or len(history) > known:
                rows = [row_of(values) for values in history[known:]]
                self._told[config] = len(history)
                self._do(partial(self._log, config, rows))
        for config in [config for config in self._told if config not in there]:
            del self._told[config]
            self._do(partial(self._close, config))

    def end(self, configs: Iterable[TrialConfig]) -> None:
        """The pack is through: close what is open, and write what came and went unseen."""
        for config in configs:
            self._do(partial(self._close, config))
        _, late = wait(self._waiting, timeout=0 if self.trouble else PATIENCE)
        self._look()
        if late and not self.trouble:
            self.trouble = f"W&B did not answer within {PATIENCE:g} seconds"
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _do(self, action: Callable[[], None]) -> None:
        self._look()
        if not self.trouble:
            self._waiting.append(self._thread.submit(action))

    def _look(self) -> None:
        """Whether anything that was asked of the tracker went wrong."""
        done = [future for future in self._waiting if future.done()]
        self._waiting = [future for future in self._waiting if future not in done]
        for future in done:
            error = future.exception()
            if error is not None and not self.trouble:
                self.trouble = f"{type(error).__name__}: {error}".splitlines()[0]

    def _log(self, config: TrialConfig, rows: list[Row]) -> None:
        key = config.trial_id
        if key not in self._opened:
            begun = run_under_way(config, to_mapping(config), self.sweep, self._feeds_of(key))
            self._opened[key] = self.runs.open(begun)
        log(self._opened[key], rows)
        self._sent[key] = self._sent.get(key, 0) + len(rows)

    def _close(self, config: TrialConfig) -> None:
        """End the run of a trial that has a result, with the rows that came at the end."""
        key = config.trial_id
        run = None if key in self._closed else self._run_of(config)
        if run is None:
            return
        self._closed.add(key)
        opened = self._opened.pop(key, None)
        if opened is None:
            # Of a pack that is taken again, some trials were tracked by the worker before.
            there = self.runs.there([key]).get(key)
            if there is None or not there.is_whole(run):
                self.runs.write(run)
            return
        log(opened, run.history[self._sent[key] :])
        close(opened, run)

    def _run_of(self, config: TrialConfig) -> Run | None:
        """What the store says of the trial; None where it was cut off."""
        key = config.trial_id
        record = self.store.get(key)
        if record is not None:
            run = run_of_record(record, self.sweep, self._feeds_of(key), ())
            return replace(run, history=history_of(self.store, record))
        failures = {failure.trial_id: failure for failure in self.store.failures()}
        if key not in failures:
            return None
        return run_of_failure(failures[key], config.label, self.sweep, self._feeds_of(key))

    def _feeds_of(self, trial_id: str) -> Feeds:
        if not self._feeds:
            defects: list[Defect] = []
            plans = plans_in(self.store, defects, milestones=False)
            if self.sweep.name not in plans:
                there = "; ".join(map(str, defects))
                raise ValueError(there or f"no manifest of sweep {self.sweep.name} in the store")
            # What is wrong with the manifest of another sweep is no business of this one.
            self._feeds = feeds_by_id(plans.values())
        return self._feeds.get(trial_id, {})

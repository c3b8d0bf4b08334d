"""What handing out packs costs, on GPUs that are not there and with work that sleeps.

    python -m benchmarks.scheduling
    python -m benchmarks.scheduling --ray --workers 8 32 --nodes 4    # a process for each worker

The sweep's own scheduler (sweeps.schedule) hands out 7,200 trials to up to 1,000 GPUs in
simulated time, without Ray: packs of one trial of 1 to 4 s, after the twelve milestones of
four adaptations, as these appear. Milliseconds of the processor are what a trial takes the
driver, `at best` what the makespan would be if packs could be cut. Results are Markdown.

With `--ray` it is Ray Tune that gives the packs out, on a cluster of this machine whose nodes
are told of GPUs which are not there. A trial sleeps a hundredth as long, so that what is
measured is the time between trials: `ms a trial` is the time that all workers together were
not asleep, per trial and worker, and `processor ms` that of the driver.
"""

import argparse
import heapq
import itertools
import logging
import math
import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runners.config import AdaptationConfig
from sweeps import schedule
from sweeps.packs import Pack
from sweeps.run import RAY_SETTINGS

os.environ.update(RAY_SETTINGS)
# Ray reads its settings while it is imported.
import ray
from ray import tune
from ray.cluster_utils import Cluster

from sweeps.driver import tune_packs

TRIALS = 7200
NAP = 0.01
"""Seconds that a trial sleeps under Ray for each second that it costs."""


def main() -> None:
    """Measure and print the table that was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--workers", type=int, nargs="+", default=(8, 100, 1000))
    parser.add_argument("--ray", action="store_true", help="with Ray, on GPUs that are not there")
    parser.add_argument("--nodes", type=int, default=1, help="of that cluster; Ray starts each")
    options = parser.parse_args()
    if options.ray:
        print("| trials | workers | nodes | driver, processor ms a trial | ms a trial | seconds |")
        print("|---|---|---|---|---|---|")
        for trials, workers in itertools.product(
            (options.trials // 4, options.trials), options.workers
        ):
            print(_tuned(workers, trials, options.nodes), flush=True)
        return
    print("| trials | workers | processor ms a trial | makespan | at best |\n|---|---|---|---|---|")
    for trials, workers in itertools.product(
        (options.trials // 4, options.trials), options.workers
    ):
        print(_simulated(workers, trials), flush=True)


class _Sleeper(tune.Trainable):
    """A worker whose work is sleep; a milestone that it has made is an empty file."""

    def setup(self, config: dict[str, Any]) -> None:
        self._pack, self._folder = config["pack"], Path(config["folder"])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.setup(new_config)
        return True

    def step(self) -> dict[str, Any]:
        time.sleep(self._pack.cost * NAP)
        for milestone in self._pack.milestone_ids:
            (self._folder / milestone).touch()
        return {"share": 1.0, "done": True}


def _tuned(workers: int, trials: int, nodes: int) -> str:
    """A row of what Ray Tune makes of it."""
    packs, _ = _packs(trials, workers)
    a_node = math.ceil(workers / nodes)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": a_node, "num_gpus": a_node})
    for _ in range(nodes - 1):
        cluster.add_node(num_cpus=a_node, num_gpus=a_node)
    ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.CRITICAL)
    schedule.LOOK_SECONDS = 0.1
    try:
        with tempfile.TemporaryDirectory() as folder:
            search = schedule.PackSearch(packs, lambda name: Path(folder, name).exists())
            sleeper = tune.with_resources(_Sleeper, {"CPU": 1, "GPU": 1})
            watch = _Watch()
            began, spent = time.perf_counter(), time.process_time()
            tune_packs(search, sleeper, {"folder": folder}, workers=workers, watch=watch)
            took, spent = time.perf_counter() - began, time.process_time() - spent
    finally:
        ray.shutdown()
        cluster.shutdown()
    asleep = NAP * sum(pack.cost for pack in packs)
    between = 1000 * (workers * (took - watch.first) - asleep) / trials
    return (
        f"| {trials:,} | {workers} | {nodes} | {1000 * spent / trials:.1f} | {between:.0f} | "
        f"{took:.0f} |"
    )


class _Watch(tune.Callback):
    """When the first result came: before it workers start."""

    first = 0.0

    def setup(self, **info: Any) -> None:
        self._began = time.perf_counter()

    def on_trial_result(self, *args: Any, **info: Any) -> None:
        self.first = self.first or time.perf_counter() - self._began


@dataclass
class _Clock:
    """Simulated workers: who is done when, and which milestones are there by then."""

    now: float = 0.0
    events: list[tuple[float, int, str, tuple[str, ...]]] = field(default_factory=list)
    there: set[str] = field(default_factory=set)


def _simulated(workers: int, trials: int) -> str:
    packs, best = _packs(trials, workers)
    clock = _Clock()
    search = schedule.PackSearch(packs, clock.there.__contains__)
    began, free, number = time.process_time(), workers, 0
    schedule.LOOK_SECONDS = 0.0
    while True:
        while free:
            number += 1
            told = search.suggest(str(number))
            if not isinstance(told, dict):
                break
            free -= 1
            pack = told["pack"]
            made = pack.milestone_ids
            heapq.heappush(clock.events, (clock.now + pack.cost, number, str(number), made))
        if not clock.events:
            break
        clock.now, _, done, made = heapq.heappop(clock.events)
        clock.there |= set(made)
        search.on_trial_complete(done, result={})
        free += 1
    spent = 1000 * (time.process_time() - began) / trials
    return f"| {trials:,} | {workers:,} | {spent:.2f} | {clock.now:.0f} | {best:.0f} |"


def _packs(trials: int, workers: int) -> tuple[list[Pack], float]:
    """Four adaptations of three milestones, and trials of 1 to 4 s that wait for one of them."""
    adaptations = [
        Pack(name=size, cost=10.0 * place, milestones=(10, 50, 100), adaptation=_adaptation(size))
        for place, size in enumerate(("60k", "200k", "600k", "2m"), start=1)
    ]
    parents = [(each, milestone) for each in adaptations for milestone in each.milestone_ids]
    children = [
        Pack(name=str(n), cost=1.0 + n % 4, parent=parents[n % len(parents)][1])
        for n in range(trials)
    ]
    packs = [*adaptations, *sorted(children, key=lambda pack: -pack.cost)]
    return packs, max(44.0, sum(pack.cost for pack in packs) / workers)


def _adaptation(size: str) -> AdaptationConfig:
    return AdaptationConfig(
        model_family="nano", model_size=size, batch_size=32, learning_rate=1e-3, seed=0,
        compute_dtype="float32",
    )  # fmt: skip


if __name__ == "__main__":
    main()

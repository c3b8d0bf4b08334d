"""What handing out packs costs, on GPUs that are not there and with work that sleeps.

    python -m benchmarks.scheduling

The sweep's own scheduler (sweeps.schedule) hands out 7,200 trials to up to 1,000 GPUs in
simulated time, without Ray: packs of one trial of 1 to 4 s, after the twelve milestones of
four adaptations, as these appear. Milliseconds of the processor are what a trial takes the
driver, `at best` what the makespan would be if packs could be cut. Results are Markdown.
"""

import argparse
import heapq
import itertools
import time
from dataclasses import dataclass, field

from runners.config import AdaptationConfig
from sweeps import schedule
from sweeps.packs import Pack

TRIALS = 7200


def main() -> None:
    """Measure and print the table that was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--workers", type=int, nargs="+", default=(8, 100, 1000))
    options = parser.parse_args()
    print("| trials | workers | processor ms a trial | makespan | at best |\n|---|---|---|---|---|")
    for trials, workers in itertools.product(
        (options.trials // 4, options.trials), options.workers
    ):
        print(_simulated(workers, trials), flush=True)


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
            made = () if pack.adaptation is None else _milestones(pack)
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
    parents = [(each, milestone) for each in adaptations for milestone in _milestones(each)]
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


def _milestones(pack: Pack) -> tuple[str, ...]:
    assert pack.adaptation is not None
    return tuple(pack.adaptation.milestone_id(steps) for steps in pack.milestones)


if __name__ == "__main__":
    main()

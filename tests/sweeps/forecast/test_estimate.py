"""The forecast of whole plans, and its form as JSON and as text."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from runners.config import adaptation_of
from runners.store import Store
from sweeps.drift import CODE
from sweeps.forecast.as_json import as_json
from sweeps.forecast.estimate import Forecast, forecast
from sweeps.forecast.tables import NO_NODE, forecast_text, misfit_text
from sweeps.nodes import NodeType
from sweeps.plan import Plan, plan
from sweeps.spec import SweepSpec, load

ROOT = Path(__file__).parents[3]
A100 = NodeType(
    name="a100", cpus=96, memory_gb=1000, gpu="A100-80GB", gpus=8, gpu_memory_gb=80,
    price_per_hour=40.0,
)  # fmt: skip
CORES = NodeType(name="cores", cpus=8, memory_gb=64, price_per_hour=1.0)
Act = Callable[..., None]


@pytest.fixture(scope="module")
def paper() -> SweepSpec:
    """The paper's star design."""
    return load(ROOT / "sweeps" / "specs" / "paper.yaml", to_run=False)


def planned(spec: SweepSpec, store: Store) -> Plan:
    """How `spec` stands in `store`."""
    return plan(spec, store, running=(), present={CODE: "c1"})


def estimated(spec: SweepSpec, store: Store, *nodes: NodeType, **options: Any) -> Forecast:
    """The forecast of what is left of `spec`."""
    found = forecast(planned(spec, store), nodes, **options)
    assert found is not None
    return found


def test_what_fits_nowhere_is_named(paper: SweepSpec, store: Store) -> None:
    """Days of GPUs before the first out-of-memory error of the largest model."""
    alone = replace(paper, execution=replace(paper.execution, gpu_gigabytes=None))
    found = estimated(alone, store, A100)
    assert {each.group for each in found.misfits} == {
        (method, "xxl") for method in ("lm_adaptation", "model_tuning", "multitask_model_tuning")
    }
    told = misfit_text(found)
    assert len(told) == 3
    assert all("xxl" in line and "a100 has 76.0 GB a worker" in line for line in told)
    assert not estimated(alone, store, replace(A100, gpu_memory_gb=200)).misfits


def test_ranks_share_what_one_cannot_hold(paper: SweepSpec, store: Store) -> None:
    """Ranks that are forecast to need as much as one, or of which each takes the whole time."""
    by_group = {each.group: each for each in estimated(paper, store, A100).groups}
    tuned, prompt = by_group["model_tuning", "xxl"], by_group["prompt_tuning", "xxl"]
    assert (tuned.ranks, prompt.ranks) == (2, 1)
    assert tuned.fits
    one = estimated(paper, store, replace(A100, gpus=1))
    assert {each.group[1] for each in one.misfits} == {"xxl"}


def test_the_ranks_of_one_pack_run_beside_each_other(spec: SweepSpec, store: Store) -> None:
    """One pack at a time that is refused its second rank, or is given all memory twice."""
    pairs = replace(spec, execution=replace(spec.execution, ranks={"60k": 2}))
    found, alone = (estimated(each, store, CORES, workers=1) for each in (pairs, spec))
    (place,), (other,) = found.places, alone.places
    assert (found.misfits, place.workers, place.slots) == ((), 1, 2)
    assert (other.slots, other.room) == (1, 2 * place.room)
    told = misfit_text(estimated(pairs, store, replace(CORES, cpus=1)))
    assert told[0] == (
        "60k lm_adaptation: 2 of the sweep need 2 workers that train together, and no type of "
        "node has room for more than 1; take more nodes, fewer ranks (execution.ranks), or leave "
        "them out"
    )


def test_small_models_share_a_gpu(paper: SweepSpec, store: Store) -> None:
    """Shares that the forecast does not know of: in memory, in speed, or in how many run."""
    shared = replace(paper.execution, gpu_shares={"small": 0.25, "base": 0.5})
    before = estimated(paper, store, A100)
    after = estimated(replace(paper, execution=shared), store, A100)
    (one,), (other,) = before.places, after.places
    assert (one.slots, one.workers, one.room) == (8, 8, other.room * 4)
    # 96 cores are enough for 24 workers of 4 threads, and there are 32 quarters of a GPU.
    assert (other.slots, other.workers) == (32, 24)
    groups = {each.group: each for each in after.groups}
    small, base, xl = (groups["prompt_tuning", size] for size in ("small", "base", "xl"))
    assert (small.width, base.width, xl.width) == (1, 2, 4)
    assert small.rows["a100"] <= base.rows["a100"]
    alone = next(each for each in before.groups if each.group == small.group)
    # A quarter of a GPU is a quarter as fast, at most: who waits for Python loses less.
    assert 1 < small.seconds.middle / alone.seconds.middle <= 4
    # What is gained is that small models wait for Python beside one another, and no more.
    assert 0.9 * before.makespan.middle < after.makespan.middle < 1.1 * before.makespan.middle
    fewer = estimated(replace(paper, execution=shared), store, A100, workers=2)
    assert (fewer.places[0].workers, fewer.makespan.middle > after.makespan.middle) == (2, True)


def test_threads_that_are_left_open_are_forecast_as_they_will_be(
    spec: SweepSpec, store: Store
) -> None:
    """A plan of eight workers on one core each, where one worker computes on all of them."""
    open_ = replace(spec, execution=replace(spec.execution, threads=None))
    alone, two = (estimated(open_, store, CORES, workers=workers) for workers in (1, 2))
    assert [each.device.share for each in (*alone.places, *two.places)] == [8, 4]
    assert [each.workers for each in (*alone.places, *two.places)] == [1, 2]
    fixed = estimated(spec, store, CORES, workers=1)
    assert alone.makespan.middle < fixed.makespan.middle


def test_computing_again_takes_less_memory_and_more_time(paper: SweepSpec, store: Store) -> None:
    """A setting that is taken for free, or that nobody would use by this forecast."""
    again = replace(paper, execution=replace(paper.execution, activation_checkpointing=True))
    one, other = (estimated(spec, store, A100) for spec in (paper, again))
    for before, after in zip(one.groups, other.groups, strict=True):
        assert after.memory.full < 0.7 * before.memory.full
        assert 1.2 < after.seconds.middle / before.seconds.middle < 1.6


def test_larger_models_hold_and_take_more(paper: SweepSpec, store: Store) -> None:
    """A forecast that is blind to the axis of the study."""
    found = estimated(paper, store, A100)
    sizes = [
        (each.memory.least, each.seconds.middle)
        for size in ("small", "base", "large", "xl", "xxl")
        for each in found.groups
        if each.group == ("prompt_tuning", size)
    ]
    assert len(sizes) == 5
    assert sizes == sorted(sizes)


def test_twice_the_nodes_take_half_as_long(paper: SweepSpec, store: Store) -> None:
    """A makespan that ignores how many nodes there are, or a cost that halves with it."""
    one = estimated(paper, store, A100)
    two = estimated(paper, store, replace(A100, count=2))
    assert two.makespan.middle == pytest.approx(one.makespan.middle / 2, rel=0.02)
    assert one.cost is not None and two.cost is not None
    assert two.cost.middle == pytest.approx(one.cost.middle, rel=0.02)
    assert one.cost.middle == pytest.approx(one.makespan.middle / 3600 * 40.0)
    idle = replace(CORES, price_per_hour=10.0)
    with_head = estimated(paper, store, idle, A100)
    assert with_head.cost is not None
    assert with_head.cost.middle == pytest.approx(one.cost.middle * 50 / 40)


def test_unknown_prices_and_gpus(paper: SweepSpec, store: Store) -> None:
    """A cost of which a part is missing; a speed that somebody made up."""
    assert estimated(paper, store, replace(A100, price_per_hour=None)).cost is None
    with pytest.raises(ValueError, match=r"gpu: 'A1000-80' is none .* did you mean A100-80GB\?"):
        forecast(planned(paper, store), [replace(A100, gpu="A1000-80")])
    assert forecast(planned(paper, store), [CORES]) is None
    assert forecast_text(None) == NO_NODE


def test_measured_trials_correct_the_forecast(spec: SweepSpec, store: Store, commit: Act) -> None:
    """A plan that repeats its first guess after half of the sweep has run."""
    before = estimated(spec, store, CORES, workers=2)
    assert before.measured == 0
    tuned = [t.config for t in spec.trials if t.config.method == "prompt_tuning"]
    for config in tuned[: len(tuned) // 2]:
        commit(config.trial_id, seconds=500.0, device="cpu", pack=8)
    commit(tuned[-1].trial_id, seconds=0.1, device="cuda (NVIDIA A100-SXM4-80GB)", pack=8)
    after = estimated(spec, store, CORES, workers=2)
    assert after.measured == len(tuned) // 2
    assert after.makespan.middle > 10 * before.makespan.middle
    (miss, *_) = after.misses
    assert miss.from_work.middle < miss.measured / 10
    assert "off" in forecast_text(after)


def test_a_milestone_counts_as_its_run_from_the_start(
    spec: SweepSpec, store: Store, commit: Act
) -> None:
    """Adaptations that are measured once for each of their milestones."""
    adapted = {
        (each, trial.config.lm_adaptation_steps)
        for trial in spec.trials
        if (each := adaptation_of(trial.config)) is not None
    }
    for adaptation, steps in adapted:
        commit(adaptation.milestone_id(steps), seconds=steps / 10, device="cpu")
    found = estimated(spec, store, CORES)
    misses = {miss.group: miss for miss in found.misses}
    assert {group[0] for group in misses} == {"lm_adaptation"}
    assert all((miss.count, miss.measured) == (1, 100.0) for miss in misses.values())


def test_the_json_has_its_published_form(
    spec: SweepSpec, store: Store, commit: Act, fail: Act
) -> None:
    """A key that programs were promised and that is gone."""
    first, second, *_ = (trial.config.trial_id for trial in spec.trials)
    commit(first, seconds=3.0, device="cpu", code="c0")
    fail(second, "code", "ValueError: no")
    surveyed = planned(spec, store)
    schema = json.loads((ROOT / "docs" / "plan.schema.json").read_text())
    for found in (forecast(surveyed, [CORES]), None):
        told = json.loads(json.dumps(as_json(surveyed, found)))
        jsonschema.validate(told, schema)
        by_id = {trial["id"]: trial for trial in told["trials"]}
        assert by_id[first]["stale"] == ["code"]
        assert by_id[first]["reason"] == "stale: other code today"
        assert by_id[second]["reason"] == "code: ValueError: no"
        assert (by_id[second]["pack"] is None) is (found is None)
    told = as_json(surveyed, forecast(surveyed, [CORES]))
    numbers = [pack["number"] for pack in told["packs"]]
    assert numbers == list(range(1, len(numbers) + 1)), "names of packs are not one of a kind"
    by_pack = Counter(trial["pack"] for trial in told["trials"] if trial["pack"])
    assert by_pack == {p["number"]: p["trials"] for p in told["packs"] if p["trials"]}
    assert all(0 < p["bytes"]["one_row"] <= p["bytes"]["all_rows"] for p in told["packs"])
    waiting = [trial for trial in told["trials"] if trial["reason"].startswith("waits")]
    assert {trial["parent"] for trial in waiting} <= {m["id"] for m in told["milestones"]}
    assert waiting

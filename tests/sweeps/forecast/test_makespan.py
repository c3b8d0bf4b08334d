"""Packs on slots in simulated time."""

from runners.config import AdaptationConfig
from sweeps.forecast.makespan import simulate
from sweeps.packs import Pack

ADAPTATION = AdaptationConfig(
    model_family="nano", model_size="60k", batch_size=32, learning_rate=1e-3, seed=0,
    compute_dtype="float32",
)  # fmt: skip


def cost(pack: Pack, _: str) -> float:
    """A second for each unit of cost."""
    return pack.cost


def test_packs_fill_the_slots_in_their_order() -> None:
    """A makespan that is the sum over the slots, as if the last pack could be cut."""
    packs = [Pack(name=str(seconds), cost=seconds) for seconds in (5.0, 4.0, 3.0, 3.0, 3.0)]
    ran = simulate(packs, {"node": 2}, cost)
    assert ran.makespan == 10.0
    assert ran.busy == {"node": 18.0}


def test_children_start_at_their_milestone() -> None:
    """A child that waits for the whole adaptation, or that starts before its milestone."""
    parent = Pack(name="adapt", cost=10.0, adaptation=ADAPTATION, milestones=(20, 100))
    early = Pack(name="early", cost=9.0, parent=ADAPTATION.milestone_id(20))
    late = Pack(name="late", cost=1.0, parent=ADAPTATION.milestone_id(100))
    assert simulate([parent, early, late], {"node": 2}, cost).makespan == 11.0
    there = Pack(name="there", cost=4.0, parent="0123456789abcdef")
    assert simulate([there], {"node": 2}, cost).makespan == 4.0


def test_packs_run_where_they_fit() -> None:
    """A large model on the small nodes, or an endless wait for nodes that there are not."""

    def seconds(pack: Pack, node: str) -> float | None:
        return None if pack.name == "large" and node == "small" else pack.cost

    packs = [Pack(name="large", cost=4.0), Pack(name="tiny", cost=1.0)]
    ran = simulate(packs, {"small": 1, "big": 1}, seconds)
    assert ran.busy == {"small": 1.0, "big": 4.0}
    assert simulate(packs, {"small": 1}, seconds).busy == {"small": 1.0}


def test_ranks_take_their_slots_together() -> None:
    """Two GPUs' worth of work on one, or small packs that keep a large one waiting for ever."""
    packs = [Pack(name="a", cost=2.0), Pack(name="wide", cost=3.0), Pack(name="b", cost=9.0)]
    ran = simulate(packs, {"node": 2}, cost, lambda pack: 2 if pack.name == "wide" else 1)
    assert (ran.makespan, ran.busy) == (14.0, {"node": 17.0})


def test_no_more_than_so_many_at_once() -> None:
    """Slots that are counted as workers: shares of a GPU beyond those that the spec starts."""
    packs = [Pack(name=str(number), cost=1.0) for number in range(6)]
    assert simulate(packs, {"node": 4}, cost, at_once=2).makespan == 3.0
    assert simulate(packs, {"node": 4}, cost).makespan == 2.0

"""The search algorithm: who gets a core when, and who gets a second chance."""

from collections import Counter
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune.search import Searcher

from runners.config import AdaptationConfig, TrialConfig
from sweeps.failures import Loss
from sweeps.packs import Pack
from sweeps.schedule import NODE_RETRIES, RETRIES, START_SECONDS, Latest, PackSearch
from sweeps.spec import SweepSpec

LOST = Loss(kind="lost_worker", message="gone")
CODE = Loss(kind="code", message="ValueError: no")


@dataclass
class Milestones:
    """Which milestones are there, and how often somebody asked."""

    there: set[str] = field(default_factory=set)
    asked: Counter[str] = field(default_factory=Counter)

    def __call__(self, milestone: str) -> bool:
        """Whether a milestone is there."""
        self.asked[milestone] += 1
        return milestone in self.there


@pytest.fixture
def milestones(monkeypatch: pytest.MonkeyPatch) -> Milestones:
    """None yet; a search looks for them whenever it is asked."""
    monkeypatch.setattr("sweeps.schedule.LOOK_SECONDS", 0.0)
    return Milestones()


@pytest.fixture
def trials(spec: SweepSpec) -> tuple[TrialConfig, ...]:
    """Some trials."""
    return tuple(trial.config for trial in spec.trials)


def adaptation(size: str, *milestones: int) -> Pack:
    """An adaptation of one size."""
    config = AdaptationConfig(
        model_family="nano",
        model_size=size,
        batch_size=32,
        learning_rate=1e-3,
        seed=0,
        compute_dtype="float32",
    )
    return Pack(name=f"{size} adaptation", cost=9.0, adaptation=config, milestones=milestones)


def child(parent: Pack, steps: int, *trials: TrialConfig) -> Pack:
    """A pack that starts from a milestone of an adaptation."""
    assert parent.adaptation is not None
    milestone = parent.adaptation.milestone_id(steps)
    return Pack(
        name=f"after {steps}", cost=1.0, parent=milestone, trials=trials, costs=(1.0,) * len(trials)
    )


def given(search: PackSearch, trial_id: str) -> Pack | None:
    """The pack that is handed out now."""
    suggestion = search.suggest(trial_id)
    return None if suggestion is None else suggestion["pack"]


def test_packs_come_in_order_and_then_it_is_over(milestones: Milestones) -> None:
    """A pack handed out twice, or a sweep that ends while a pack may still have to be split."""
    packs = [Pack(name=name, cost=1.0) for name in "ab"]
    search = PackSearch(packs, milestones)
    assert [given(search, "1"), given(search, "2")] == packs
    assert search.suggest("3") is None
    search.on_trial_complete("1", result={})
    assert search.suggest("3") is None
    search.on_trial_complete("2", result={})
    assert search.suggest("3") == Searcher.FINISHED


def test_no_waiting_pack_is_handed_out(milestones: Milestones) -> None:
    """A pack that waits for its parent on a core that others could use."""
    small = adaptation("60k", 100)
    free = Pack(name="free", cost=0.1)
    search = PackSearch([small, child(small, 100), free], milestones)
    assert given(search, "1") == small
    assert given(search, "2") == free
    assert search.suggest("3") is None


def test_no_size_waits_for_the_adaptation_of_another(milestones: Milestones) -> None:
    """A barrier between stages: the small sizes idle until the largest is adapted."""
    large, small = adaptation("2m", 100, 1000), adaptation("60k", 100, 1000)
    late, early = child(large, 1000), child(small, 100)
    search = PackSearch([large, small, late, early], milestones)
    assert [given(search, "1"), given(search, "2")] == [large, small]
    milestones.there.add(str(early.parent))
    # Its own adaptation still runs on to the next milestone, too.
    assert given(search, "3") == early
    assert search.suggest("4") is None
    milestones.there.add(str(late.parent))
    assert given(search, "4") == late


def test_the_store_is_asked_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tune asks ten times a second; a thousand waiting packs would read a thousand files each."""
    monkeypatch.setattr("sweeps.schedule.LOOK_SECONDS", 3600.0)
    milestones = Milestones()
    small = adaptation("60k", 100, 1000)
    children = [child(small, steps) for steps in (100, 1000) for _ in range(500)]
    search = PackSearch([small, *children], milestones)
    given(search, "1")
    for number in range(100):
        assert search.suggest(f"w{number}") is None
    assert milestones.asked.total() == 2


def test_a_finished_pack_has_its_children_looked_for_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A core that idles after each adaptation until the next look."""
    monkeypatch.setattr("sweeps.schedule.LOOK_SECONDS", 3600.0)
    milestones = Milestones()
    small = adaptation("60k", 100)
    search = PackSearch([small, child(small, 100)], milestones)
    given(search, "1")
    assert search.suggest("2") is None
    milestones.there.add(str(child(small, 100).parent))
    search.on_trial_complete("1", result={})
    assert given(search, "2") == child(small, 100)


def test_a_pack_of_a_lost_worker_goes_to_another(
    milestones: Milestones, trials: tuple[TrialConfig, ...]
) -> None:
    """A pre-empted node that counts as a failure, or a worker killer that is tried for ever."""
    pack = Pack(name="pack", cost=1.0, trials=trials[:2], costs=(0.5, 0.5))
    search = PackSearch([pack, Pack(name="next", cost=1.0)], milestones)
    for number in range(RETRIES):
        again = given(search, f"{number}")
        assert again is not None
        assert (again.trials, again.losses) == (pack.trials, number)
        search.on_trial_complete(f"{number}", error=True)
        assert search.died(f"{number}", LOST) == {}
    given(search, "last")
    assert search.died("last", LOST) == {}
    singles = [given(search, f"single {number}") for number in range(2)]
    assert [single.trials for single in singles if single] == [(c,) for c in pack.trials]


def test_a_pack_is_not_to_blame_for_its_node(
    milestones: Milestones, trials: tuple[TrialConfig, ...]
) -> None:
    """Spot nodes that are taken back twice, and an adaptation that has failed with all it bears."""
    small = adaptation("60k", 100)
    search = PackSearch([small, child(small, 100, trials[0])], milestones)
    gone = replace(LOST, node="gone")
    for number in range(NODE_RETRIES):
        assert given(search, f"{number}") is not None
        assert search.died(f"{number}", gone) == {}
    again = given(search, "again")
    assert again is not None
    assert (again.losses, again.nodes) == (0, NODE_RETRIES)
    assert len(search.died("again", gone)) == 2, "what takes nodes with it is not tried for ever"


def test_a_full_memory_may_be_that_of_others(
    milestones: Milestones, trials: tuple[TrialConfig, ...]
) -> None:
    """A good trial that has failed, for somebody else filled the memory of its node."""
    pack = Pack(name="pack", cost=1.0, trials=trials[:1], costs=(1.0,))
    search = PackSearch([pack], milestones)
    full = Loss(kind="out_of_memory", message="low", node="full")
    given(search, "1")
    assert search.died("1", full) == {}
    again = given(search, "2")
    assert again is not None
    assert search.died("2", full) == {again: full}


def test_a_pack_that_gets_further_each_time_is_not_given_up(milestones: Milestones) -> None:
    """A cluster that takes its nodes back every hour never finishes a pack of four."""
    search = PackSearch([Pack(name="long", cost=1.0)], milestones)
    for number in range(1, 10 * RETRIES):
        given(search, f"{number}")
        search.on_trial_result(f"{number}", {"share": number / 100})
        assert search.died(f"{number}", LOST) == {}
    lost: dict[Pack, Loss] = {}
    while not lost:
        pack = given(search, "stuck")
        search.on_trial_result("stuck", {"share": 0.01})
        lost = search.died("stuck", LOST)
    assert pack is not None
    assert pack.losses == RETRIES


@pytest.mark.parametrize("kind", ["code", "out_of_memory", "diverged"])
def test_a_pack_that_dies_is_tried_trial_by_trial(
    milestones: Milestones, trials: tuple[TrialConfig, ...], kind: str
) -> None:
    """Seven good trials that fail with the eighth, or a bad one that is run three times."""
    search = PackSearch(
        [Pack(name="pack", cost=3.0, trials=trials[:3], costs=(1.0, 1.0, 1.0))], milestones
    )
    given(search, "1")
    loss = replace(CODE, kind=kind)
    assert search.died("1", loss) == {}
    singles = [given(search, f"s{number}") for number in range(3)]
    assert all(singles)
    search.on_trial_complete("s0", result={})
    assert search.died("s1", loss) == {singles[1]: loss}
    search.on_trial_complete("s2", result={})
    assert search.suggest("end") == Searcher.FINISHED


def test_a_failed_adaptation_takes_the_packs_that_wait_for_it(
    milestones: Milestones, trials: tuple[TrialConfig, ...]
) -> None:
    """Trials that wait for ever, or trials of a milestone that was made, given up with the rest."""
    small, large = adaptation("60k", 100, 1000), adaptation("2m", 1000)
    made, never = child(small, 100, trials[0]), child(small, 1000, trials[1])
    other = child(large, 1000, trials[2])
    search = PackSearch([small, large, made, never, other], milestones)
    given(search, "1")
    given(search, "2")
    milestones.there.add(str(made.parent))
    lost = search.died("1", CODE)
    assert lost.keys() == {small, never}
    assert lost[never] == Loss(kind="code", message="60k adaptation failed: ValueError: no")
    assert given(search, "3") == made
    assert search.suggest("4") is None


def test_waiting_for_what_nobody_makes_is_an_error(
    milestones: Milestones, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep that hangs in silence, or that ends because a shared folder is slow to show."""
    search = PackSearch([child(adaptation("60k", 100), 100)], milestones)
    assert search.suggest("1") is None
    monkeypatch.setattr("sweeps.schedule.PATIENCE_SECONDS", 0.0)
    with pytest.raises(AssertionError, match="wait for what nobody makes"):
        search.suggest("1")


def of_model(name: str, cost: float, trial: TrialConfig, steps: int) -> Pack:
    """A pack of one trial on the model after so many steps of a released adaptation."""
    config = replace(
        trial, pretraining_objective="lm_adaptation", lm_adaptation_steps=steps,
        lm_adaptation_batch_size=None, lm_adaptation_learning_rate=None, lm_adaptation_seed=None,
    )  # fmt: skip
    return Pack(name=name, cost=cost, trials=(config,), costs=(cost,))


def test_a_worker_keeps_its_model(milestones: Milestones, trials: tuple[TrialConfig, ...]) -> None:
    """Workers that load 22 GB anew for each pack, because another model's was a little longer."""
    costs = (5.0, 4.9, 4.8, 4.7, 4.6, 4.5)
    packs = [
        of_model(f"{'ab'[place % 2]}{place}", cost, trials[-1], 100 + place % 2)
        for place, cost in enumerate(costs)
    ]
    search = PackSearch(packs, milestones)
    assert [given(search, "1"), given(search, "2")] == packs[:2]
    search.on_trial_complete("2", result={})
    assert given(search, "3") == packs[3]
    search.on_trial_complete("1", result={})
    assert given(search, "4") == packs[2]


def test_a_long_pack_does_not_wait_for_its_model(
    milestones: Milestones, trials: tuple[TrialConfig, ...]
) -> None:
    """The longest pack of all, begun last because no worker held its model."""
    long = of_model("long", 50.0, trials[-1], 100)
    short = [of_model(f"short {cost}", cost, trials[-1], 200) for cost in (3.0, 2.0, 1.0)]
    search = PackSearch([short[0], long, *short[1:]], milestones)
    given(search, "1")
    given(search, "2")
    search.on_trial_complete("1", result={})
    assert given(search, "3") == short[1]


class Handed:
    """Trials of Tune by their names, as its controller shows them to a scheduler."""

    def __init__(self, **statuses: str) -> None:
        self._live = [SimpleNamespace(trial_id=n, status=s) for n, s in statuses.items()]

    def get_live_trials(self) -> list[Any]:
        """Those that are not over."""
        return self._live

    def add_to(self, scheduler: Latest, trial_id: str) -> None:
        """Tune has been given a trial."""
        (trial,) = (t for t in self._live if t.trial_id == trial_id)
        scheduler.on_trial_add(self, trial)


def chosen(scheduler: Latest, handed: Handed) -> str | None:
    """The name of the trial that a free worker gets."""
    trial = scheduler.choose_trial_to_run(handed)
    return None if trial is None else trial.trial_id


def test_a_free_worker_leaves_the_packs_of_those_that_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Catches workers that are ended while they start, over and over, by one that is up.

    Nor may the pack of a worker that never starts wait until the end of the sweep.
    """
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    handed = Handed(runs="RUNNING", first="PENDING", second="PENDING", last="PENDING")
    scheduler = Latest()
    for name in ("first", "runs", "second", "last"):
        handed.add_to(scheduler, name)
        now += 1
    assert chosen(scheduler, handed) == "last"
    now = 100 + START_SECONDS
    assert chosen(scheduler, handed) == "last"
    now += 0.5
    assert chosen(scheduler, handed) == "first"
    assert chosen(scheduler, Handed(runs="RUNNING")) is None

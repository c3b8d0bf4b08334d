"""Packs: what is missing, cut so that trials which share a batch may share it."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from runners.config import TUNES_MODEL, TrialConfig, adaptation_of
from runners.data.text import WINDOW
from runners.model.family import shipped
from runners.store import Store
from runners.training.batch_sizes import trained_at_once
from runners.training.method import METHODS
from sweeps.drift import CODE
from sweeps.packs import DEV_EXAMPLES, INPUT_TOKENS, ROUNDS, Pack, cost_of, packs_of
from sweeps.plan import plan
from sweeps.spec import SweepSpec, parse

Act = Callable[..., None]


def packs(spec: SweepSpec, store: Store, *, workers: int = 2, slots: int | None = 8) -> list[Pack]:
    """The packs of what `store` lacks."""
    planned = plan(spec, store, running=(), present={CODE: "c1"})
    return packs_of(planned, workers=workers, slots=slots)


def ids(found: list[Pack]) -> Counter[str]:
    """Trials of all packs."""
    return Counter(config.trial_id for pack in found for config in pack.trials)


def with_seeds(text: str, count: int) -> SweepSpec:
    """The small spec with so many seeds."""
    return parse(text.replace("seed: [0]", f"seed: {list(range(count))}"), path="small.yaml")


def test_every_missing_trial_is_in_one_pack(spec: SweepSpec, store: Store) -> None:
    """A trial in no pack never runs; one in two packs runs twice."""
    assert ids(packs(spec, store)) == Counter(trial.config.trial_id for trial in spec.trials)


def test_done_trials_are_in_no_pack(spec: SweepSpec, store: Store, commit: Act, fail: Act) -> None:
    """A finished trial that runs again; a failed one that is never tried again."""
    done, failed = (trial.config.trial_id for trial in spec.trials[:2])
    commit(done)
    fail(failed, "code")
    found = ids(packs(spec, store))
    assert found[done] == 0
    assert found[failed] == 1


def test_trials_of_a_pack_start_from_one_model(text: str, store: Store) -> None:
    """A prompt trained on the model of its neighbour."""
    for pack in packs(with_seeds(text, 5), store):
        parents = set()
        for config in pack.trials:
            adaptation = adaptation_of(config)
            parents.add(adaptation.milestone_id(config.lm_adaptation_steps) if adaptation else None)
        assert parents <= {pack.parent}
        shared = {(c.method, c.model_family, c.model_size) for c in pack.trials}
        assert len(shared) == (0 if pack.adaptation else 1)


def test_dropout_and_precision_are_never_mixed(spec: SweepSpec, store: Store) -> None:
    """One rate and one precision serve the whole batch."""
    changed = [
        replace(trial, config=replace(trial.config, dropout=0.1 * (number % 2)))
        for number, trial in enumerate(spec.trials)
    ]
    for pack in packs(replace(spec, trials=tuple(changed)), store):
        assert len({(config.dropout, config.compute_dtype) for config in pack.trials}) <= 1


def test_like_prompts_and_tasks_are_neighbours(text: str, store: Store) -> None:
    """A prompt of 1 that is padded to 20 throughout costs as much as one of 20."""
    found = [p for p in packs(with_seeds(text, 8), store, slots=4) if p.name.startswith("60k p")]
    kinds = [{(c.prompt_length, c.task) for c in pack.trials} for pack in found]
    assert sum(map(len, kinds)) < 1.5 * len(kinds)


def test_trials_with_a_model_of_their_own_share_no_batch(text: str, store: Store) -> None:
    """Two model-tuning trials in one batch would train one model."""
    assert {name for name, method in METHODS.items() if not method.shares_model} == TUNES_MODEL
    for pack in packs(with_seeds(text, 30), store, slots=8):
        if pack.trials:
            assert pack.slots == (1 if pack.trials[0].method in TUNES_MODEL else 8)


@pytest.mark.parametrize("gpus", [0.0, 0.5])
def test_a_model_says_how_many_trials_share_its_batch(text: str, store: Store, gpus: float) -> None:
    """One number for all sizes, of which some are quicker alone; or that of another device."""
    spec = with_seeds(text.replace("[60k, 200k]", "[60k, 2m]"), 9)
    spec = replace(spec, execution=replace(spec.execution, gpus_per_worker=gpus))
    rungs = shipped()["nano"].rungs
    found = {
        pack.size: pack.slots
        for pack in packs(spec, store, slots=None)
        if pack.trials and pack.trials[0].method == "prompt_tuning"
    }
    assert found == {
        size: trained_at_once(rungs[size].parameters, on_gpu=bool(gpus)) for size in ("60k", "2m")
    }
    alone = [pack for pack in packs(spec, store, slots=None) if "model_tuning" in pack.name]
    assert {pack.slots for pack in alone} == {1}


@pytest.mark.parametrize("seeds", [1, 3, 9, 200])
def test_packs_are_neither_long_nor_ragged(text: str, store: Store, seeds: int) -> None:
    """A pack that one worker still runs when the others are idle, or that dies with hundreds."""
    groups: dict[str, list[Pack]] = {}
    for pack in packs(with_seeds(text, seeds), store, workers=2, slots=8):
        if pack.trials:
            assert len(pack.trials) <= ROUNDS * pack.slots
            groups.setdefault(f"{pack.name.split(' ')[:2]}{pack.parent}", []).append(pack)
    for group in groups.values():
        sizes = [len(pack.trials) for pack in group]
        assert max(sizes) - min(sizes) <= 1
        assert len({pack.name for pack in group}) == len(group)


def prompts_of(text: str, sizes: str) -> SweepSpec:
    """Four prompts of each of these sizes, which share a model each."""
    text = re.sub(r"\n  model_tuning:.*", "", text)
    for old, new in {
        "[60k, 200k]": sizes,
        "[0, 100, 1000]": "[1000]",
        "[model_tuning]": "[]",
    }.items():
        assert old in text
        text = text.replace(old, new)
    return parse(text, path="small.yaml")


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_long_packs_are_cut_evenly_over_the_workers(text: str, store: Store, workers: int) -> None:
    """One worker with the pack that is most of a sweep, and the others done long before."""
    found = packs(prompts_of(text, "[60k, 200k]"), store, workers=workers, slots=8)
    lengths = {
        size: [len(pack.trials) for pack in found if pack.trials and pack.size == size]
        for size in ("60k", "200k")
    }
    assert lengths == dict.fromkeys(("60k", "200k"), [4 // workers] * workers)


def test_short_packs_stay_whole(text: str, store: Store) -> None:
    """Trials of a small model each alone, to the benefit of nobody: a large one is the work."""
    found = packs(prompts_of(text, "[60k, 2m]"), store, workers=2, slots=8)
    assert [len(pack.trials) for pack in found if pack.trials] == [2, 2, 4]


def test_a_single_slot_still_makes_packs_of_several(text: str, store: Store) -> None:
    """A worker that is asked after each trial of two seconds is asked too often."""
    found = packs(with_seeds(text, 50), store, slots=1)
    longest = max(len(pack.trials) for pack in found)
    assert longest == ROUNDS


def test_an_adaptation_makes_the_milestones_that_are_missing(
    spec: SweepSpec, store: Store, commit: Act
) -> None:
    """A milestone made twice, or one that nobody makes."""
    first, *_ = plan(spec, store, running=(), present={CODE: "c1"}).milestones
    commit(first.id)
    made = {p.adaptation.model_size: p.milestones for p in packs(spec, store) if p.adaptation}
    assert made == {"60k": (1000,), "200k": (100, 1000)}


def test_no_adaptation_without_a_trial_that_needs_it(
    spec: SweepSpec, store: Store, commit: Act
) -> None:
    """Minutes of adaptation for a size whose trials are all done."""
    for trial in spec.trials:
        if trial.config.model_size == "60k":
            commit(trial.config.trial_id)
    found = [pack.adaptation.model_size for pack in packs(spec, store) if pack.adaptation]
    assert found == ["200k"]


def test_the_most_urgent_come_first(spec: SweepSpec, store: Store) -> None:
    """The longest pack started last keeps one worker busy alone at the end."""
    found = packs(spec, store)
    is_adaptation = [pack.adaptation is not None for pack in found]
    assert is_adaptation == sorted(is_adaptation, reverse=True)
    for kind in (True, False):
        costs = [p.cost for p, a in zip(found, is_adaptation, strict=True) if a is kind]
        assert costs == sorted(costs, reverse=True)


def test_singles_are_the_trials_one_by_one(text: str, store: Store) -> None:
    """A neighbour that is lost with the one that fails, or that waits for another parent."""
    pack = max(packs(with_seeds(text, 4), store), key=lambda pack: len(pack.trials))
    singles = pack.singles()
    assert [single.trials for single in singles] == [(config,) for config in pack.trials]
    assert {single.parent for single in singles} == {pack.parent}
    assert sum(single.cost for single in singles) == pytest.approx(pack.cost)


def _with_method(spec: SweepSpec, method: str) -> TrialConfig:
    return next(t.config for t in spec.trials if t.config.method == method)


def test_cost_counts_weights_tokens_and_passes(spec: SweepSpec) -> None:
    """A forecast that ignores what training all weights, or evaluating, costs."""
    prompt, model = (_with_method(spec, m) for m in ("prompt_tuning", "model_tuning"))
    nano = shipped()["nano"]
    weights = nano.rungs[prompt.model_size].parameters
    assert prompt.prompt_length is not None
    tokens = INPUT_TOKENS + prompt.prompt_length
    assert cost_of(prompt, nano) == weights * tokens * (4 * 200 * 16 + 2 * 4 * 100)
    assert cost_of(model, nano) == weights * INPUT_TOKENS * (6 * 400 * 16 + 2 * 4 * 100)
    whole = replace(model, dev_examples=None)
    assert cost_of(whole, nano) - cost_of(model, nano) == weights * INPUT_TOKENS * 8 * (
        DEV_EXAMPLES - 100
    )


BASELINES = (
    "baselines: [model_tuning, multitask_model_tuning, prompt_design]",
    "  multitask_model_tuning: {train_steps: 400, eval_every: 100, learning_rate: 1e-3}\nbaselines",
)


def test_a_mixture_is_never_torn_apart(text: str, store: Store, commit: Act) -> None:
    """Tasks of one training in two packs: it is paid for twice."""
    text = text.replace("baselines: [model_tuning]", BASELINES[0])
    text = text.replace("baselines:", f"{BASELINES[1]}:", 1).replace("seed: [0]", "seed: [0, 1, 2]")
    spec = parse(text, path="small.yaml")
    mixed = [t.config for t in spec.trials if t.config.method == "multitask_model_tuning"]
    assert len(mixed) == 2 * 2 * 3
    assert {config.mixture for config in mixed} == {"boolq,record"}
    commit(mixed[0].trial_id)
    found = [pack for pack in packs(spec, store) if pack.trials and pack.trials[0].mixture]
    of_runs: dict[str, set[str]] = {}
    for pack in found:
        assert pack.slots == 1
        for config in pack.trials:
            of_runs.setdefault(config.run_id, set()).add(pack.name)
    assert len(of_runs) == 2 * 3
    assert all(len(names) == 1 for names in of_runs.values())
    assert {len(single.trials) for pack in found for single in pack.singles()} == {1, 2}
    assert sum(len(pack.trials) for pack in found) == len(mixed) - 1


def test_transfer_costs_a_pass_over_dev(spec: SweepSpec) -> None:
    """A forecast that forgets six domains promises an end that does not come."""
    nano = spec.study.family
    model = next(t.config for t in spec.trials if t.config.method == "model_tuning")
    shifted = replace(model, transfer_tasks="bioasq,drop")
    weights = float(nano.rungs[model.model_size].parameters)
    assert cost_of(shifted, nano) - cost_of(model, nano) == weights * INPUT_TOKENS * 2 * 2 * 100


def test_the_trials_of_a_mixture_share_its_cost(text: str) -> None:
    """A forecast that pays for one training as often as it has tasks."""
    text = text.replace("baselines: [model_tuning]", BASELINES[0])
    text = text.replace("baselines:", f"{BASELINES[1]}:", 1)
    family = shipped()["nano"]
    costs = {
        method: [
            cost_of(trial.config, family)
            for trial in parse(text, path="small.yaml").trials
            if trial.config.method == method and trial.config.model_size == "60k"
        ]
        for method in ("model_tuning", "multitask_model_tuning", "prompt_design")
    }
    assert sum(costs["multitask_model_tuning"]) < 0.7 * sum(costs["model_tuning"])
    assert 0 < sum(costs["prompt_design"]) < 0.2 * sum(costs["model_tuning"])


def test_an_adaptation_to_text_reads_longer_rows(spec: SweepSpec, store: Store) -> None:
    """Catches a forecast for a text by the short documents of the embedded world."""
    (world, *_) = (pack for pack in packs(spec, store) if pack.adaptation)
    text = "0123456789abcdef"
    trials = tuple(
        replace(trial, config=replace(trial.config, lm_adaptation_text=text))
        if trial.config.lm_adaptation_steps
        else trial
        for trial in spec.trials
    )
    (own, *_) = (pack for pack in packs(replace(spec, trials=trials), store) if pack.adaptation)
    assert own.adaptation is not None and own.adaptation.text == text
    assert own.cost == pytest.approx(world.cost * WINDOW / INPUT_TOKENS)

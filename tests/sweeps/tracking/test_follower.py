"""Trials followed while they train: what is written, and what a broken tracker costs."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest

from ablation.grid import GridTrial
from ablation.run_tags import tags_of
from runners.config import TrialConfig, to_mapping
from runners.store import Store
from sweeps.tracking import follower as following
from sweeps.tracking.follower import Follower
from sweeps.tracking.mirror import mirror
from sweeps.tracking.run import Run, Sweep
from sweeps.tracking.wandb_runs import Runs


class Broken(Runs):
    """A tracker that raises what no list of exceptions has."""

    def open(self, run: Run) -> Any:
        """Raise."""
        raise KeyError("no such host")


def follower_of(tracked: Any, runs: Runs | None = None) -> Follower:
    """Follows trials of the sweep."""
    sweep = Sweep(name=tracked.spec.name, spec_sha256=tracked.spec.sha256)
    return Follower(runs=runs or tracked.runs, store=tracked.store, sweep=sweep)


def live(trials: Iterable[GridTrial], history: list[Any]) -> list[tuple[TrialConfig, list[Any]]]:
    """Trials that train, all with the same history."""
    return [(trial.config, history) for trial in trials]


def test_a_pack_is_as_many_runs_as_it_has_trials(tracked: Any, history: list[Any]) -> None:
    """One run for a whole pack; or a run that lacks the evaluation at its end."""
    first, second, unseen = tracked.trials[:3]
    follower = follower_of(tracked)
    follower.follow(live([first, second], []))
    follower.follow(live([first, second], history[:1]))
    tracked.commit(first.config)
    follower.follow(live([second], history[:1]))
    tracked.fail(second.config)
    tracked.commit(unseen.config)
    follower.end([first.config, second.config, unseen.config])
    assert follower.trouble == ""

    runs = tracked.read()
    assert [runs[t.config.trial_id].exit_code for t in (first, second, unseen)] == [0, 1, 0]
    for trial in (first, unseen):
        run = runs[trial.config.trial_id]
        assert [(row["_step"], row["score"]) for row in run.history] == [(50, 71.0), (100, 64.0)]
        assert run.summary["score"] == 71.0
        assert run.tags == tags_of({"small": trial.panels})
    failed = runs[second.config.trial_id]
    assert [row["_step"] for row in failed.history] == [50]
    assert failed.config["failure"] == "diverged"


def test_the_mirror_has_nothing_to_add(
    tracked: Any, history: list[Any], unasked: Callable[[int, int], None]
) -> None:
    """A run written by a worker that is not the one which the store makes, and is doubled."""
    trial = tracked.trials[0]
    follower = follower_of(tracked)
    follower.follow(live([trial], history))
    tracked.commit(trial.config)
    follower.end([trial.config])
    followed = tracked.read()[trial.config.trial_id]
    found = mirror(tracked.spec, tracked.runs, unasked)
    assert (found.written, found.kept) == (0, 1)

    for folder in tracked.folders:
        (next(folder.glob("*.wandb"))).unlink()
    mirror(tracked.spec, tracked.runs, unasked)
    mirrored = tracked.read()[trial.config.trial_id]
    same = ("id", "name", "group", "job_type", "tags", "config", "exit_code")
    assert [getattr(followed, n) for n in same] == [getattr(mirrored, n) for n in same]


def test_a_trial_that_was_cut_off_stays_open(tracked: Any, history: list[Any]) -> None:
    """A run that is closed as if its trial had a result, and never written again."""
    trial = tracked.trials[0]
    follower = follower_of(tracked)
    follower.follow(live([trial], history))
    follower.end([trial.config])
    assert tracked.read()[trial.config.trial_id].config.get("attempt") is None
    tracked.commit(trial.config)
    # The worker that takes over has the whole history.
    again = follower_of(tracked)
    again.follow(live([trial], history))
    again.end([trial.config])
    run = tracked.read()[trial.config.trial_id]
    assert (run.exit_code, len(run.history)) == (0, 2)


def test_whatever_the_tracker_raises_is_told_and_no_more(tracked: Any, history: list[Any]) -> None:
    """A trial that fails because a server is down."""
    follower = follower_of(tracked, Broken(tracked.tracking))
    follower.follow(live(tracked.trials[:2], history))
    follower.end([trial.config for trial in tracked.trials[:2]])
    assert follower.trouble == "KeyError: 'no such host'"
    assert tracked.folders == []


def test_a_tracker_that_hangs_keeps_nobody(
    tracked: Any, history: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Training that stands still while a server does not answer."""
    monkeypatch.setattr(following, "PATIENCE", 0.05)
    released = threading.Event()

    class Hanging(Runs):
        def open(self, run: Run) -> Any:
            released.wait(10)
            raise TimeoutError

    follower = follower_of(tracked, Hanging(tracked.tracking))
    began = time.monotonic()
    follower.follow(live(tracked.trials[:2], history))
    follower.end([trial.config for trial in tracked.trials[:2]])
    assert time.monotonic() - began < 5
    assert follower.trouble == "W&B did not answer within 0.05 seconds"
    released.set()


def test_a_key_that_is_none_fails_no_trial(
    tracked: Any, history: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What wandb raises while it looks for a key, before there is a run."""

    def refuse(**settings: Any) -> bool:
        raise ValueError("API key must be 40 characters long")

    monkeypatch.setattr("wandb.login", refuse)
    runs = Runs(replace(tracked.tracking, mode="auto"))
    follower = follower_of(tracked, runs)
    follower.follow(live(tracked.trials[:1], history))
    follower.end([tracked.trials[0].config])
    assert "40 characters" in follower.trouble


def test_an_unreadable_manifest_fails_no_trial(tracked: Any, history: list[Any]) -> None:
    """Panels that cannot be had, and a pack that dies of it."""
    sweep = Sweep(name="other", spec_sha256="0")
    follower = Follower(runs=tracked.runs, store=tracked.store, sweep=sweep)
    follower.follow(live(tracked.trials[:1], history))
    follower.end([tracked.trials[0].config])
    assert "other" in follower.trouble


def test_the_config_of_a_run_is_there_from_its_start(tracked: Any, history: list[Any]) -> None:
    """Runs that cannot be told apart before they end."""
    trial = tracked.trials[0]
    follower = follower_of(tracked)
    follower.follow(live([trial], history))
    follower.end([])
    run = tracked.read()[trial.config.trial_id]
    assert {name: run.config[name] for name in to_mapping(trial.config)} == to_mapping(trial.config)
    assert run.config["sweep"] == "small"


def test_a_worker_tracks_what_it_trains(
    tracked: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A setting that no worker looks at."""
    from runners.catalogue import Catalogue
    from runners.model.family import shipped
    from sweeps.packs import Pack, cost_of
    from sweeps.trainable import PackTrainable

    base = to_mapping(next(t.config for t in tracked.trials if t.config.prompt_length == 1))
    small = {"train_steps": 4, "eval_every": 2, "batch_size": 4, "train_examples": 16,
             "dev_examples": 4, "lm_adaptation_steps": 0, "lm_adaptation_batch_size": None,
             "lm_adaptation_learning_rate": None, "lm_adaptation_seed": None,
             "pretraining_objective": "span_corruption"}  # fmt: skip
    configs = tuple(TrialConfig(**{**base, **small, "seed": seed}) for seed in (0, 1, 2))
    costs = tuple(cost_of(config, shipped()["nano"]) for config in configs)
    pack = Pack(name="pack", cost=sum(costs), trials=configs, costs=costs, slots=2)
    execution = replace(
        tracked.spec.execution, store=store.root, tracking=replace(tracked.tracking, live=True)
    )
    worker = object.__new__(PackTrainable)
    sweep = Sweep(name=tracked.spec.name, spec_sha256=tracked.spec.sha256)
    worker.setup(
        {"pack": pack, "execution": execution, "catalogue": Catalogue(), "sweep": sweep}
    )  # fmt: skip
    report = worker.step()
    while not report["done"]:
        report = worker.step()
    assert report["untracked"] == ""
    runs = tracked.read()
    assert set(runs) == {config.trial_id for config in configs}
    assert [[row["_step"] for row in run.history] for run in runs.values()] == [[2, 4]] * 3
    for trial_id, run in runs.items():
        record = store.get(trial_id)
        assert record is not None
        assert run.summary["score"] == record.metrics["score"]
        assert (run.exit_code, run.config["attempt"]) == (0, record.attempt)

"""Sweeps that share trials: one run for each, which every one of them finds."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ablation.grid import PANELS
from ablation.run_tags import panel_tag, sweep_tag, tags_of
from runners.config import adaptation_of, to_mapping
from runners.record import TrialRecord
from runners.store import Store
from sweeps.tracking.follower import Follower
from sweeps.tracking.mirror import mirror
from sweeps.tracking.run import Sweep
from sweeps.tracking.wandb_runs import Runs

Show = Callable[[int, int], None]

OTHER_DEFAULT = {
    "prompt_length: 20": "prompt_length: 1", "lm_adaptation_steps: 1000": "lm_adaptation_steps: 100"
}  # fmt: skip


def wrote(tracked: Any, unasked: Show) -> int:
    """How many runs a mirroring wrote."""
    return mirror(tracked.spec, tracked.runs, unasked).written


def ids(tracked: Any) -> set[str]:
    """The trials of a sweep."""
    return {trial.config.trial_id for trial in tracked.trials}


@pytest.fixture
def other(tracked: Any) -> Any:
    """A sweep around another default cell, of whose trials some are those of `tracked`."""
    found = tracked.beside("other", OTHER_DEFAULT)
    for config in {t.config.trial_id: t.config for t in (*tracked.trials, *found.trials)}.values():
        tracked.commit(config)
    return found


def test_a_shared_trial_is_one_run_of_both(tracked: Any, other: Any, unasked: Show) -> None:
    """A trial that leaves the group of one sweep whenever the other is mirrored."""
    shared = ids(tracked) & ids(other)
    assert shared
    assert wrote(tracked, unasked) == len(ids(tracked))
    assert wrote(other, unasked) == len(ids(other) - shared)
    assert (wrote(tracked, unasked), wrote(other, unasked)) == (0, 0)

    runs = tracked.read()
    assert set(runs) == ids(tracked) | ids(other)
    assert {key for key, run in runs.items() if run.group == "small"} == ids(tracked)
    assert {tuple(runs[key].config["sweeps"]) for key in shared} == {("other", "small")}
    assert all(runs[key].config["sweep"] == runs[key].group for key in runs)


def test_each_sweep_finds_its_runs_and_no_other(tracked: Any, other: Any, unasked: Show) -> None:
    """A figure of one sweep over runs that only the other shows in that panel."""
    for each in (tracked, other):
        wrote(each, unasked)
    runs = tracked.read()
    assert any(
        mine.panels != its.panels
        for mine in tracked.trials for its in other.trials
        if mine.config.trial_id == its.config.trial_id
    )  # fmt: skip
    for each in (tracked, other):
        name = each.spec.name
        assert {k for k, run in runs.items() if sweep_tag(name) in run.tags} == ids(each)
        for panel in PANELS:
            tag = panel_tag(name, panel)
            shown = {t.config.trial_id for t in each.trials if panel in t.panels}
            assert {key for key, run in runs.items() if tag in run.tags} == shown


def test_a_sweep_that_is_planned_later_has_the_runs_that_are_there(
    tracked: Any, unasked: Show
) -> None:
    """A report of the second sweep that lacks what the first has run."""
    trial = tracked.trials[-1]
    tracked.commit(trial.config)
    wrote(tracked, unasked)
    later = tracked.beside("later", {"seed: [0]": "seed: [0, 1]"})
    assert wrote(later, unasked) == 1
    (run,) = tracked.read().values()
    assert run.group == "small"
    assert run.tags == tags_of({"small": trial.panels, "later": trial.panels})
    assert (wrote(tracked, unasked), wrote(later, unasked)) == (0, 0)


def test_a_trial_that_feeds_another_panel_is_written_anew(tracked: Any, unasked: Show) -> None:
    """A sweep that has grown, and a run set of its new figure that stays empty."""
    cells = {(t.config.prompt_length, t.config.lm_adaptation_steps): t for t in tracked.trials}
    trial = cells[20, 1000]
    tracked.commit(trial.config)
    wrote(tracked, unasked)
    grown = tracked.beside(
        "small", {"  task: [": "  prompt_init: [class_label, random_uniform]\n  task: ["}
    )
    assert wrote(grown, unasked) == 1
    (panels,) = (t.panels for t in grown.trials if t.config == trial.config)
    assert panels > trial.panels
    (run,) = tracked.read().values()
    assert run.tags == tags_of({"small": panels})


def test_a_milestone_is_of_every_sweep_that_starts_from_it(tracked: Any, unasked: Show) -> None:
    """A run of LM adaptation that the second sweep does not find."""
    config = next(t.config for t in tracked.trials if t.config.lm_adaptation_steps == 1000)
    adaptation = adaptation_of(config)
    assert adaptation is not None
    key = adaptation.milestone_id(1000)
    attempt = tracked.store.begin(key)
    record = TrialRecord(
        trial_id=key, attempt=attempt.id, stage="lm_adaptation", label="60k after 1,000 steps",
        config=to_mapping(config), metrics={}, provenance={}, files={},
    )  # fmt: skip
    assert attempt.commit(record)
    tracked.beside("other", {"lm_adaptation_steps: [0, 100, 1000]": "lm_adaptation_steps: [1000]"})
    tracked.beside("less", {
        "lm_adaptation_steps: [0, 100, 1000]": "lm_adaptation_steps: [100]",
        "lm_adaptation_steps: 1000": "lm_adaptation_steps: 100",
    })  # fmt: skip
    assert wrote(tracked, unasked) == 1
    assert tracked.read()[key].tags == ("sweep:other", "sweep:small")


def test_a_tag_set_by_hand_writes_nothing_anew(
    tracked: Any, unasked: Show, stand_in: Any
) -> None:  # fmt: skip
    """Runs that are written again, and lose their tag, because somebody sorted them in W&B."""
    tracked.commit(tracked.trials[0].config)
    tracking = dataclasses.replace(tracked.tracking, mode="auto", entity="me")
    assert mirror(tracked.spec, Runs(tracking), unasked).written == 1
    (run,) = stand_in.runs.values()
    run["tags"] = [*run["tags"], "look at this"]
    assert mirror(tracked.spec, Runs(tracking), unasked).written == 0


def test_the_server_is_asked_for_runs_and_not_for_groups(
    tracked: Any, other: Any, unasked: Show, stand_in: Any
) -> None:
    """A shared run that the server has, in the other group, and that goes there once more."""
    tracking = dataclasses.replace(tracked.tracking, mode="auto", entity="me")
    first, second = (
        mirror(each.spec, Runs(tracking), unasked).written for each in (tracked, other)
    )
    assert first + second == len(stand_in.runs) == len(ids(tracked) | ids(other))
    for each in (tracked, other):
        assert mirror(each.spec, Runs(tracking), unasked).written == 0
    groups = {run["groupName"] for key, run in stand_in.runs.items() if key in ids(tracked)}
    assert groups == {"small"}


def test_a_run_that_is_followed_names_every_sweep(
    tracked: Any, history: list[Any], unasked: Show
) -> None:
    """A trial that is written once while it trains, and again for each sweep that has it."""
    other = tracked.beside("other", {"seed: [0]": "seed: [0, 1]"})
    trial = tracked.trials[-1]
    sweep = Sweep(name="other", spec_sha256=other.spec.sha256)
    follower = Follower(runs=tracked.runs, store=tracked.store, sweep=sweep)
    follower.follow([(trial.config, history)])
    tracked.commit(trial.config)
    follower.end([trial.config])
    (run,) = tracked.read().values()
    assert (run.group, run.config["sweeps"]) == ("other", ["other", "small"])
    assert (wrote(tracked, unasked), wrote(other, unasked)) == (0, 0)


@pytest.mark.parametrize(
    "data", [b"{", b"{}", b'{"name": "torn", "spec_sha256": "", "trials": [{"config": {}}]}']
)
def test_the_manifest_of_another_sweep_hides_no_run(
    tracked: Any, unasked: Show, data: bytes
) -> None:
    """A store that cannot be mirrored for a file that has nothing to do with the sweep."""
    trial = tracked.trials[0]
    tracked.commit(trial.config)
    Path(tracked.store.root, "manifests", "torn.json").write_bytes(data)
    found = mirror(tracked.spec, tracked.runs, unasked)
    assert found.written == 1
    assert ["manifests/torn.json" in defect.path for defect in found.defects] == [True]
    store = Store(tracked.store.root)
    follower = Follower(
        runs=tracked.runs, store=store, sweep=Sweep(name="small", spec_sha256="0")
    )  # fmt: skip
    follower.follow([(tracked.trials[1].config, [])])
    follower.end([])
    assert follower.trouble == ""

"""A store as runs: what is written, read back from wandb's own files or from the server."""

import dataclasses
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ablation.run_tags import tags_of
from runners.config import to_mapping
from sweeps.tracking import offline
from sweeps.tracking.mirror import mirror
from sweeps.tracking.wandb_runs import Runs

Show = Callable[[int, int], None]


def counts(tracked: Any, unasked: Show) -> tuple[int, int, int]:
    """What a mirroring wrote, left alone and could not write yet."""
    found = mirror(tracked.spec, tracked.runs, unasked)
    return found.written, found.kept, found.open


def test_a_result_is_a_run_with_steps_config_and_summary(tracked: Any, unasked: Show) -> None:
    """A run that nobody can find by config, or whose summary is the last point and not the best."""
    trial = tracked.trials[0]
    record = tracked.commit(trial.config)
    assert counts(tracked, unasked) == (1, 0, len(tracked.trials) - 1)

    (folder,) = tracked.folders
    run = offline.read(folder)
    assert (run.id, run.name, run.group) == (record.trial_id, record.label, "small")
    assert (run.job_type, run.exit_code, run.project) == ("tuning", 0, "promptscale")
    assert run.tags == tags_of({"small": trial.panels})
    assert trial.panels < set(run.tags)
    wanted = to_mapping(trial.config)
    assert {name: run.config[name] for name in wanted} == wanted
    assert (run.config["attempt"], run.config["code"]) == (record.attempt, "c0de")
    assert "host" not in run.config
    steps = [(row["_step"], row["train_loss"], row["score"]) for row in run.history]
    assert steps == [(50, 2.0, 71.0), (100, 1.0, 64.0)]
    assert {name: run.summary[name] for name in record.metrics} == record.metrics


def test_the_tool_of_wandb_reads_the_same(tracked: Any, unasked: Show) -> None:
    """A reader of our own that finds what it wants to find."""
    tracked.commit(tracked.trials[0].config)
    mirror(tracked.spec, tracked.runs, unasked)
    (folder,) = tracked.folders
    wandb = Path(sys.executable).parent / "wandb"
    command = [wandb, "leet", "inspect", "--summary", "--json", folder]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True,
        env={"WANDB_MODE": "offline", "HOME": str(folder), "PATH": str(wandb.parent)},
    )  # fmt: skip
    told = json.loads(done.stdout)
    run = offline.read(folder)
    assert told["run_id"] == run.id
    assert told["summary"]["score"] == run.summary["score"] == 71.0
    assert told["tags"] == list(run.tags)


def test_mirroring_again_writes_nothing(tracked: Any, unasked: Show) -> None:
    """Every run twice in the project after the second call."""
    for trial in tracked.trials[:3]:
        tracked.commit(trial.config)
    mirror(tracked.spec, tracked.runs, unasked)
    before = {path: path.stat().st_mtime_ns for f in tracked.folders for path in f.glob("*.wandb")}
    tracked.commit(tracked.trials[3].config)
    assert counts(tracked, unasked)[:2] == (1, 3)
    assert len(tracked.folders) == 4
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_run_that_was_cut_off_is_written_anew(tracked: Any, unasked: Show) -> None:
    """Half a run that is taken for a whole one, or that stands beside it."""
    tracked.commit(tracked.trials[0].config)
    mirror(tracked.spec, tracked.runs, unasked)
    (file,) = (path for folder in tracked.folders for path in folder.glob("*.wandb"))
    file.write_bytes(file.read_bytes()[:-40])
    assert offline.read(file.parent).exit_code is None
    assert counts(tracked, unasked)[:2] == (1, 0)
    assert [offline.read(folder).exit_code for folder in tracked.folders] == [0]


def test_another_attempt_replaces_the_run(tracked: Any, unasked: Show) -> None:
    """A result that was withdrawn and is shown for ever."""
    config = tracked.trials[0].config
    tracked.commit(config, score=71.0)
    mirror(tracked.spec, tracked.runs, unasked)
    tracked.store.withdraw(config.trial_id, "to test")
    tracked.commit(config, score=75.0)
    assert counts(tracked, unasked)[:2] == (1, 0)
    assert [offline.read(folder).summary["score"] for folder in tracked.folders] == [75.0]


def test_a_failure_is_a_run_that_failed(tracked: Any, unasked: Show) -> None:
    """Trials that diverged and are nowhere to be seen, or later stand twice."""
    config = tracked.trials[0].config
    tracked.fail(config)
    mirror(tracked.spec, tracked.runs, unasked)
    run = offline.read(tracked.folders[0])
    assert (run.exit_code, run.config["failure"], run.config["message"]) == (
        1, "diverged", "at step 7",
    )  # fmt: skip
    assert counts(tracked, unasked)[:2] == (0, 1)
    tracked.commit(config)
    assert counts(tracked, unasked)[:2] == (1, 0)
    assert [offline.read(folder).exit_code for folder in tracked.folders] == [0]


def test_a_record_that_cannot_be_read_hides_no_other(tracked: Any, unasked: Show) -> None:
    """One torn file that keeps a whole store from the tracker."""
    first, second = (tracked.commit(trial.config) for trial in tracked.trials[:2])
    shutil.rmtree(Path(tracked.store.root) / "index")
    path = Path(tracked.store.root, "trials", first.trial_id[:2], first.trial_id, "record.json")
    path.write_text("{")
    found = mirror(tracked.spec, tracked.runs, unasked)
    assert [offline.read(folder).id for folder in tracked.folders] == [second.trial_id]
    assert [first.trial_id in defect.path for defect in found.defects] == [True]


def test_with_a_key_runs_go_to_the_server(tracked: Any, unasked: Show, stand_in: Any) -> None:
    """An upload that lacks steps or identity, or that repeats itself at every call."""
    tracking = dataclasses.replace(tracked.tracking, mode="auto", entity="me")
    records = [tracked.commit(trial.config) for trial in tracked.trials[:2]]
    tracked.fail(tracked.trials[2].config)
    first = mirror(tracked.spec, Runs(tracking), unasked)
    assert (first.written, first.kept) == (3, 0)
    assert len(stand_in.runs) == 3
    told = stand_in.runs[records[0].trial_id]
    assert (told["groupName"], told["jobType"]) == ("small", "tuning")
    assert set(told["tags"]) == set(tags_of({"small": tracked.trials[0].panels}))
    assert json.loads(told["config"])["model_size"]["value"] == "60k"
    rows = stand_in.history[records[0].trial_id]
    assert [(row["_step"], row["score"]) for row in rows] == [(50, 71.0), (100, 64.0)]
    assert stand_in.summary[records[0].trial_id]["score"] == 71.0
    assert sorted(stand_in.ended.values()) == [0, 0, 1]

    # One of them is cut off on its way.
    del stand_in.ended[records[1].trial_id]
    again = mirror(tracked.spec, Runs(tracking), unasked)
    assert (again.written, again.kept) == (1, 2)
    assert sorted(stand_in.ended.values()) == [0, 0, 1]

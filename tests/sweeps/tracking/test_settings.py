"""Where runs go: the section of a spec, and online or offline."""

import sys
from pathlib import Path

import pytest
import wandb

from sweeps.spec import SpecError, SweepSpec, parse
from sweeps.tracking.settings import Tracking, has_key, mode_of

SECTION = "tracking: {project: mine, entity: team, mode: offline, folder: there, live: true}"


def with_tracking(text: str, section: str) -> SweepSpec:
    """The sweep of a spec with such a section."""
    return parse(text.replace("workers: 2}", f"workers: 2, {section}}}"), path="s.yaml")


def test_a_spec_says_where_runs_go(text: str, spec: SweepSpec) -> None:
    """A setting that is read and dropped, or one that changes ids."""
    told = with_tracking(text, SECTION)
    assert told.execution.tracking == Tracking(
        project="mine", entity="team", mode="offline", folder="there", live=True
    )
    assert spec.execution.tracking == Tracking()
    assert [t.config.trial_id for t in told.trials] == [t.config.trial_id for t in spec.trials]


def test_mistakes_are_told_all_at_once(text: str) -> None:
    """A misspelt setting that quietly leaves a sweep untracked."""
    with pytest.raises(SpecError) as error:
        with_tracking(text, "tracking: {projct: mine, mode: onlin, live: 1}")
    told = str(error.value)
    assert "execution.tracking.projct: 'projct' is not a known key; did you mean 'project'?" in told
    assert "execution.tracking.mode: 'onlin' is not one of auto, online, offline" in told
    assert "execution.tracking.live: 1 is not" in told


def test_without_a_key_runs_stay_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that waits for a key at a prompt that nobody sees."""
    wandb.teardown()
    assert mode_of(Tracking()) == "offline"
    wandb.teardown()
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    assert mode_of(Tracking()) == "online"
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert mode_of(Tracking()) == "offline"
    assert mode_of(Tracking(mode="online")) == "online"


@pytest.mark.parametrize(("host", "found"), [("here.example", True), ("else.example", False)])
def test_a_key_in_a_netrc_file_counts_for_its_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: str, found: bool
) -> None:
    """Somebody who has logged in, and whose runs stay offline; or who has elsewhere."""
    monkeypatch.setenv("WANDB_BASE_URL", "https://here.example")
    wandb.teardown()
    (tmp_path / ".netrc").write_text(f"machine {host} login user password {'0' * 40}\n")
    (tmp_path / ".netrc").chmod(0o600)
    assert has_key() is found


def test_a_folder_is_that_of_the_driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Runs that lie in a scratch folder of Ray, which is emptied."""
    monkeypatch.chdir(tmp_path)
    assert Tracking(folder="runs").absolute().folder == str(tmp_path / "runs")


def test_planning_loads_no_tracker() -> None:
    """A plan that takes two seconds more, for the import of wandb."""
    import subprocess

    code = "import sys, sweeps.cli, sweeps.tracking.follower; print('wandb' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

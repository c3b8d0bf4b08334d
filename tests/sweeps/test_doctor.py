"""What can be known before hours are spent, found out."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants

from runners.model.family import Place
from runners.store import Store
from sweeps.cli import main
from sweeps.doctor import _workers_there, as_text, examine, place_finding
from sweeps.finding import Finding, store_finding
from sweeps.forecast.machine import this_machine
from sweeps.nodes import NodeType
from sweeps.spec import SweepSpec, load
from sweeps.tracking.settings import Tracking

Act = Callable[..., None]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No cluster, no key, no hub, and a machine of two cores."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("sweeps.doctor.has_key", lambda: False)
    machine = replace(this_machine(), cpus=2, memory_gb=8.0, gpu=None, gpus=0)
    monkeypatch.setattr("sweeps.doctor.this_machine", lambda: machine)


@pytest.fixture
def here(spec: SweepSpec, store: Store) -> SweepSpec:
    """The small sweep with its store in a folder of the test."""
    tracking = Tracking(mode="offline")
    execution = replace(spec.execution, store=store.root, tracking=tracking)
    return replace(spec, execution=execution)


def with_execution(spec: SweepSpec, **changes: object) -> SweepSpec:
    """The sweep with other execution settings."""
    return replace(spec, execution=replace(spec.execution, **changes))


def bad(found: list[Finding]) -> dict[str, str]:
    """What is bad, by subject."""
    return {each.subject: each.said for each in found if each.verdict == "bad"}


def test_a_sound_sweep_is_sound_and_nothing_stays(here: SweepSpec, store: Store) -> None:
    """A doctor who finds something in everyone, or who leaves his tools in the store."""
    found = examine(here, None)
    assert bad(found) == {}
    assert {"spec", "store", "disk", "workers", "memory", "model", "W&B"} == {
        each.subject for each in found
    }
    assert as_text(found).endswith("it can run")
    assert not Path(store.root).exists()


def test_too_many_workers_and_too_little_memory(
    here: SweepSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers that wait for ever for cores that there are not; a first step that dies."""
    assert "and 9 are wanted" in bad(examine(with_execution(here, workers=9), None))["workers"]
    asked = with_execution(here, gpus_per_worker=1.0)
    assert bad(examine(asked, None))["workers"].startswith("No forecast")
    small = replace(this_machine(), cpus=2, memory_gb=0.5, gpu=None, gpus=0)
    monkeypatch.setattr("sweeps.doctor.this_machine", lambda: small)
    assert "with one row at a time" in bad(examine(here, None))["memory"]


def test_workers_are_judged_by_the_cluster_that_is_named(
    here: SweepSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixteen workers that two cores here have no room for, and the cluster has."""
    monkeypatch.setenv("RAY_ADDRESS", "192.0.2.1:1")
    monkeypatch.setattr("sweeps.address.socket.create_connection", _nobody)
    found = examine(with_execution(here, workers=16), None)
    assert bad(found).keys() == {"cluster"}
    nodes = [NodeType(name=name, cpus=8, memory_gb=1) for name in "ab"]
    (workers, memory) = _workers_there(with_execution(here, workers=16), nodes)
    assert (workers.verdict, workers.said) == ("good", "room for 16 on the 2 nodes that are up")
    assert memory.verdict == "concern"
    (workers, _) = _workers_there(with_execution(here, workers=17), nodes)
    assert workers.verdict == "concern"


def _nobody(*_: object, **__: object) -> None:
    raise OSError("nobody")


def test_a_full_disk_is_seen(here: SweepSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep that dies when its disk is full, days later."""
    monkeypatch.setattr("sweeps.doctor.shutil.disk_usage", lambda _: _Usage(free=10**6))
    assert "0.0 GB free" in bad(examine(here, None))["disk"]


class _Usage:
    def __init__(self, free: int) -> None:
        self.free = free


def test_a_store_where_nothing_can_be_written(tmp_path: Path) -> None:
    """Trials that train for hours and cannot commit."""
    (tmp_path / "file").write_text("")
    found = store_finding(str(tmp_path / "file" / "store"))
    assert found.verdict == "bad"
    assert "name another in execution.store" in found.said


def test_models_are_looked_for(tmp_path: Path) -> None:
    """A checkpoint that is missed when its turn comes."""
    assert place_finding(Place(path=tmp_path)).verdict == "good"
    assert place_finding(Place(path=tmp_path / "none")).verdict == "bad"
    hub = place_finding(Place(hub_id="google/t5-v1_1-small-that-nobody-has"))
    assert hub.verdict == "bad"
    assert "HF_HUB_OFFLINE forbids" in hub.said


def test_a_checkpoint_of_pickles_alone_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights that are there and that no trial will read, here or at the hub."""
    (tmp_path / "pytorch_model.bin").touch()
    found = place_finding(Place(path=tmp_path))
    assert found.verdict == "bad"
    assert found.said.startswith(f"{tmp_path}: pytorch_model.bin is no safetensors; a pickle can")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(
        "sweeps.doctor.file_exists", lambda _, name, **__: name in {"config.json", "pytorch.bin"}
    )
    place = Place(hub_id="google/t5-small-lm-adapt-that-nobody-has")
    assert "has no safetensors at the hub; a pickle can run code" in place_finding(place).said
    assert place_finding(place, weights=False).verdict == "good"


DATA_SPEC = """
name: rte
design: complete
model_family: nano
axes:
  model_size: [60k]
  prompt_length: [1]
  prompt_init: [class_label]
  pretraining_objective: [span_corruption]
  lm_adaptation_steps: [0]
  task: [rte]
  seed: [0]
defaults:
  {prompt_length: 1, prompt_init: class_label, pretraining_objective: span_corruption,
   lm_adaptation_steps: 0}
settings:
  shared: {data_source: published, batch_size: 4}
  prompt_tuning: {train_steps: 2, eval_every: 1, learning_rate: 0.3}
data:
  superglue: {dir: superglue}
execution: {store: STORE, workers: 1}
"""
ROW = '{"idx": 0, "premise": "It rains.", "hypothesis": "It pours.", "label": "entailment"}\n'


def test_data_that_no_trial_can_read_are_bad_and_stop_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A train.jsonl that is not there, or a wrong column, found out after hours of adaptation."""
    folder, path = tmp_path / "superglue" / "RTE", tmp_path / "rte.yaml"
    folder.mkdir(parents=True)
    (folder / "val.jsonl").write_text(ROW)
    path.write_text(DATA_SPEC.replace("STORE", str(tmp_path / "store")))
    where = f"{path}:20: data.superglue.dir: '{folder.parent}' cannot be used for rte: "
    monkeypatch.setattr("sweeps.driver.fit", lambda *_, **__: pytest.fail("started"))
    missing = (
        f"rte: the train split {folder / 'train.jsonl'} does not exist, the folder holds "
        "val.jsonl; put the publisher's train.jsonl there"
    )
    wrong = "rte record idx 0: premise is missing; did you mean 'premisse'?"
    cases = [(None, missing), (ROW.replace("premise", "premisse"), wrong)]
    for train, said in cases:
        if train is not None:
            (folder / "train.jsonl").write_text(train)
        spec = load(path)
        assert bad(examine(spec, None)) == {"data": where + said}
        assert main(["run", str(path)]) == 2
        assert where + said in capsys.readouterr().err
    (folder / "train.jsonl").write_text(ROW)
    told = {each.subject: each for each in examine(load(path), None)}
    assert told["data"].said == "2 splits of 1 tasks were read from local folders"
    assert not (tmp_path / "store" / "manifests").exists()


def test_results_of_other_code_are_of_concern(here: SweepSpec, commit: Act) -> None:
    """Half a figure from yesterday's code, of which nobody was told."""
    commit(here.trials[0].config.trial_id, code="c0")
    (told,) = (each for each in examine(here, None) if each.subject == "results")
    assert told.verdict == "concern"
    assert "1 done with c0" in told.said


def test_runs_that_cannot_be_tracked(here: SweepSpec) -> None:
    """Workers that die one by one for want of a key."""
    live = with_execution(here, tracking=Tracking(mode="online", live=True))
    assert "wandb login" in bad(examine(live, None))["W&B"]
    later = with_execution(here, tracking=Tracking(mode="online"))
    assert bad(examine(later, None)) == {}


def test_the_exit_code_says_whether_it_can_run(
    tmp_path: Path, text: str, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """`doctor && run` that runs whatever was found."""
    path = tmp_path / "small.yaml"
    path.write_text(text.replace("results/small", store.root))
    assert main(["doctor", str(path)]) == 0
    path.write_text(path.read_text().replace("workers: 2", "workers: 99"))
    assert main(["doctor", str(path)]) == 2
    assert "1 thing to mend before it can run" in capsys.readouterr().out

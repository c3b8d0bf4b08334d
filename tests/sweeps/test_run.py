"""Runs: under Ray where that is the point, from start to exit code."""

import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runners.config import adaptation_of
from runners.store import Store
from runners.training.adaptation import STATE as ADAPTATION_STATE
from runners.training.session import STATE
from sweeps import lease
from sweeps import run as sweep_run
from sweeps.forecast.machine import this_machine
from sweeps.plan import survey
from sweeps.progress import Counts
from sweeps.run import run, verdict
from sweeps.spec import SweepSpec, load, parse

Act = Callable[..., None]
Start = Callable[..., Any]

TINY = """\
name: tiny
design: star
model_family: nano
axes:
  model_size: [60k]
  prompt_length: [1, 2]
  lm_adaptation_steps: STEPS
  task: [cb]
  seed: SEEDS
defaults:
  prompt_length: 2
  prompt_init: class_label
  pretraining_objective: OBJECTIVE
  lm_adaptation_steps: DEFAULT
settings:
  shared: {train_examples: 32, dev_examples: 8, batch_size: 4}
  prompt_tuning: {train_steps: 150, eval_every: 150, learning_rate: 0.3}
ADAPTATION
execution: {store: STORE, workers: 2, pack_size: PACK, checkpoint_seconds: 0.05}
"""


PLAIN = {
    "STEPS": "[0]", "DEFAULT": "0", "OBJECTIVE": "span_corruption", "PACK": "1", "ADAPTATION\n": "",
}  # fmt: skip
"""One pack a trial."""
ADAPTED = {
    "STEPS": "[0, 2]", "DEFAULT": "2", "OBJECTIVE": "lm_adaptation", "PACK": "2",
    "ADAPTATION": "  lm_adaptation: {batch_size: 4, learning_rate: 1e-3, seed: 0}",
}  # fmt: skip
"""Most trials start from a milestone."""


def tiny(folder: Path, kind: dict[str, str], *, seeds: list[int]) -> SweepSpec:
    """A sweep of a few cells, written to a file."""
    text = TINY
    words = kind | {"STORE": str(folder / "store"), "SEEDS": str(seeds)}
    for word, value in words.items():
        text = text.replace(word, value)
    path = folder / f"tiny{len(seeds)}.yaml"
    path.write_text(text)
    return load(path)


def attempts(store: Store) -> dict[str, set[str]]:
    """The attempts of every committed trial, the one that counts among them."""
    folders = {r.trial_id: Path(store.root, "trials", r.trial_id[:2]) for r in store.records()}
    return {
        trial_id: {path.name for path in folder.joinpath(trial_id).iterdir() if path.is_dir()}
        for trial_id, folder in folders.items()
    }


def until(fact: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until something is so."""
    last = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < last
        time.sleep(0.05)


@pytest.fixture
def stored(text: str, store: Store) -> SweepSpec:
    """The small spec, whose store is the empty one."""
    return parse(text.replace("results/small", store.root), path="small.yaml")


def _instead_of_ray(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    def fit(*_: object, **__: object) -> None:
        act()

    monkeypatch.setattr(sweep_run, "_fit", fit)


def test_a_sweep_that_lacks_nothing_starts_no_ray(
    stored: SweepSpec,
    store: Store,
    commit: Act,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A second `make sweep` that takes as long as a cluster to start."""
    _instead_of_ray(monkeypatch, lambda: pytest.fail("started"))
    for trial in stored.trials:
        commit(trial.config.trial_id)
    assert run(stored) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "small: all 20 trials are done"
    assert store.manifest("small")["name"] == "small"


def test_a_second_driver_is_refused(
    stored: SweepSpec, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two drivers on one store, which run every trial twice and keep half of the work."""
    _instead_of_ray(monkeypatch, lambda: pytest.fail("started"))
    with lease.take(store, "first"), pytest.raises(ValueError, match="is held by process"):
        run(stored)


def test_a_sweep_that_lacks_nothing_needs_no_lease(
    stored: SweepSpec, store: Store, commit: Act
) -> None:
    """A finished sweep that cannot be looked at while another runs in its store."""
    for trial in stored.trials:
        commit(trial.config.trial_id)
    with lease.take(store, "another"):
        assert run(stored) == 0


def test_a_lease_outlives_no_run(
    stored: SweepSpec, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that failed and keeps the next one out."""
    _instead_of_ray(monkeypatch, lambda: 1 / 0)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            run(stored)


def test_the_exit_code_tells_the_truth(
    stored: SweepSpec,
    commit: Act,
    fail: Act,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A sweep that lost one trial passes for a good one, or a mended one for a bad one."""
    missing, failed, *rest = (trial.config.trial_id for trial in stored.trials)

    def most() -> None:
        fail(failed, "diverged")
        for trial_id in rest:
            commit(trial_id)

    def all_the_same() -> None:
        commit(missing)
        commit(failed)

    _instead_of_ray(monkeypatch, most)
    assert run(stored) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[-1].startswith("small: 18 of 20 trials are done, 1 failed, 1 are missing")
    assert [line for line in told if line.startswith("18/20 done, 0 running, 1 missing, 1 failed")]
    _instead_of_ray(monkeypatch, all_the_same)
    assert run(stored) == 0


def test_results_of_two_ladders_are_not_mixed(
    stored: SweepSpec, store: Store, commit: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New weights under old names: half of a sweep from each, and a manifest that says nothing."""
    _instead_of_ray(monkeypatch, lambda: pytest.fail("started"))
    first = next(trial for trial in stored.trials if not trial.config.lm_adaptation_steps)
    commit(first.config.trial_id, base_checkpoint="another")
    message = "small: nothing was started.*checkpoint nano 60k changed: 1 done with another, now "
    with pytest.raises(ValueError, match=re.compile(message, re.DOTALL)):
        run(stored)
    assert list(store.manifests()) == []


def test_a_verdict_says_what_to_do() -> None:
    """A number of failures without the way out."""
    counts = Counts(total=1200, done=1000, running=0, failed=150)
    said = "s: 1,000 of 1,200 trials are done, 150 failed, 50 are missing; run it again"
    assert verdict("s", counts).startswith(said)


@pytest.mark.slow
def test_two_workers_lose_one_and_a_grown_sweep_runs_its_new_cells(
    start_sweep: Start, tmp_path: Path
) -> None:
    """One worker that does all the work; a kill that costs a result; growth that runs all again.

    Packs are shorter than the start of a worker, which is when Tune keeps all
    but one worker from ever starting, if it can.
    """
    spec = tiny(tmp_path, PLAIN, seeds=[0, 1, 2])
    store = Store(spec.execution.store)
    process = start_sweep(Path(spec.path))
    until(lambda: len(store.running()) == 2)
    process.kill(process.workers()[0])
    output = process.finish()
    assert process.driver.returncode == 0, output
    assert "tiny: all 6 trials are done" in output
    assert "9223372036854775807" not in output
    assert len(store.done(trial.config.trial_id for trial in spec.trials)) == 6
    before = attempts(store)

    grown = tiny(tmp_path, PLAIN, seeds=[0, 1, 2, 3])
    process = start_sweep(Path(grown.path))
    assert "tiny: all 8 trials are done" in process.finish()
    assert process.driver.returncode == 0
    after = attempts(store)
    assert {trial_id: after[trial_id] for trial_id in before} == before
    assert len(after) == 8
    assert list(store.discards()) == []
    assert store.verify() == []


@pytest.mark.slow
def test_who_fails_alone_has_failed_and_is_tried_again(start_sweep: Start, tmp_path: Path) -> None:
    """Neighbours lost with a bad trial; children of a failed adaptation that wait for ever."""
    spec = tiny(tmp_path, ADAPTED, seeds=[0, 1])
    store = Store(spec.execution.store)
    configs = [trial.config for trial in spec.trials]
    plain = [config.trial_id for config in configs if adaptation_of(config) is None]
    children = {c.trial_id for c in configs if c.trial_id not in plain}
    (adaptation,) = {found for config in configs if (found := adaptation_of(config))}
    for subject, name in ((plain[0], STATE), (adaptation.run_id, ADAPTATION_STATE)):
        store.save_state(subject, name, b"whole")
        Path(store.root, "running", subject, name).write_bytes(b"torn")

    process = start_sweep(Path(spec.path))
    output = process.finish()
    assert process.driver.returncode == 1, output
    failures = {failure.trial_id: failure for failure in store.failures()}
    assert failures.keys() == {plain[0], adaptation.run_id, *children}
    assert {failure.kind for failure in failures.values()} == {"code"}
    for child in children:
        message = failures[child].message
        assert message.startswith("60k LM adaptation failed: DefectError: store")
    assert store.done(plain) == set(plain[1:])
    before = attempts(store)

    store.clear_state(plain[0])
    store.clear_state(adaptation.run_id)
    process = start_sweep(Path(spec.path))
    assert f"tiny: all {len(configs)} trials are done" in process.finish()
    assert process.driver.returncode == 0
    assert before.items() <= attempts(store).items()


def test_what_has_no_room_is_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that no step of fits, found out when its turn comes, hours later."""
    small = replace(this_machine(), cpus=2, memory_gb=0.1, gpu=None, gpus=0)
    monkeypatch.setattr(sweep_run, "this_machine", lambda: small)
    spec = tiny(tmp_path, PLAIN, seeds=[0])
    with pytest.raises(ValueError, match="nothing was started, for lack of room") as told:
        run(spec)
    assert "with one row at a time" in str(told.value)
    assert list(Store(spec.execution.store).manifests()) == []


def test_a_gpu_of_unknown_speed_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: SweepSpec
) -> None:
    """The newest GPU, of which no data sheet is known, on which then nothing can be run."""
    new = replace(this_machine(), gpu="Z9000", gpus=1, gpu_memory_gb=80.0)
    monkeypatch.setattr(sweep_run, "this_machine", lambda: new)
    execution = replace(spec.execution, gpus_per_worker=1.0, store=str(tmp_path / "store"))
    sweep_run._refuse_misfits(survey(replace(spec, execution=execution)))

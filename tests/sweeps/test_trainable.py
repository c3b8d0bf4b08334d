"""The worker, in this process and without Ray: what it does with a pack and what it says."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from runners.catalogue import Catalogue
from runners.config import TrialConfig, adaptation_of, from_mapping
from runners.model.family import shipped
from runners.store import Store
from sweeps.execution import Execution
from sweeps.failures import PackError
from sweeps.packs import Pack, cost_of
from sweeps.trainable import PackTrainable
from tests.sweeps.small_trials import ADAPTED, BASE

Work = Callable[[Pack], list[dict[str, Any]]]


def trials(*seeds: int, **changes: Any) -> tuple[TrialConfig, ...]:
    """A trial of each seed."""
    return tuple(from_mapping({**BASE, "seed": seed, **changes}) for seed in seeds)


def pack_of(*configs: TrialConfig) -> Pack:
    """A pack whose trials share the batch two at a time."""
    costs = tuple(cost_of(config, shipped()["nano"]) for config in configs)
    return Pack(name="pack", cost=sum(costs), trials=configs, costs=costs, slots=2)


def driven(store: Store) -> Store:
    """A store to which a driver has written."""
    store.write_manifest("driven", {})
    return store


@pytest.fixture
def store(store: Store) -> Store:
    """The store of the workers."""
    return driven(store)


@pytest.fixture
def work(store: Store, monkeypatch: pytest.MonkeyPatch) -> Work:
    """Gives packs to one worker, which reports after every step; returns its reports."""
    monkeypatch.setattr("sweeps.trainable.REPORT_SECONDS", 0.0)
    execution = Execution(store=store.root, checkpoint_seconds=0.001)
    # Without Ray's own constructor, which wants a running Ray.
    worker = object.__new__(PackTrainable)

    def run(pack: Pack) -> list[dict[str, Any]]:
        assert worker.reset_config({"pack": pack, "execution": execution, "catalogue": Catalogue()})
        reports = [worker.step()]
        while not reports[-1]["done"]:
            reports.append(worker.step())
        return reports

    return run


def test_a_pack_is_trained_and_committed(work: Work, store: Store) -> None:
    """A pack whose last trial is forgotten, or a share that jumps back."""
    configs = trials(0, 1, 2)
    reports = work(pack_of(*configs))
    assert store.done(config.trial_id for config in configs) == {c.trial_id for c in configs}
    shares = [report["share"] for report in reports]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, pytest.approx(1.0))
    seen = [(report["committed"], report["running"]) for report in reports]
    assert (0, 2) in seen
    assert (2, 1) in seen
    assert seen[-1] == (3, 0)
    assert max(running for _, running in seen) == 2
    assert store.running() == set()


def test_a_worker_takes_the_threads_that_it_holds(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray starts workers with one thread, or torch takes all cores of the machine for each."""
    asked: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    worker = object.__new__(PackTrainable)
    execution = Execution(store=store.root, threads=3)
    pack = pack_of(*trials(0))
    worker.reset_config({"pack": pack, "execution": execution, "catalogue": Catalogue()})
    worker.step()
    assert asked == [3]


def test_what_is_done_is_not_trained_again(work: Work, store: Store) -> None:
    """A pack that is taken again starts over, or its done trials are lost from the count."""
    configs = trials(0, 1)
    work(pack_of(configs[0]))
    before = store.get(configs[0].trial_id)
    reports = work(pack_of(*configs))
    assert reports[0]["committed"] == 1
    assert reports[-1]["committed"] == 2
    assert store.get(configs[0].trial_id) == before
    assert list(store.discards()) == []
    again = work(pack_of(*configs))
    assert [(report["share"], report["committed"]) for report in again] == [(1.0, 2)] * 2


def test_a_pack_left_in_the_middle_goes_on_from_its_checkpoints(
    work: Work, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lost worker that costs its pack from the first step on."""
    config = trials(0)[0]
    execution = Execution(store=store.root, checkpoint_seconds=1e-9)
    left = object.__new__(PackTrainable)
    left.setup({"pack": pack_of(config), "execution": execution, "catalogue": Catalogue()})
    while left.step()["share"] < 0.7:
        pass
    assert store.running() == {config.trial_id}
    reports = work(pack_of(config))
    assert [report["share"] for report in reports] == [0.0, 1.0, 1.0]
    assert reports[0]["resumed"] == 0.0
    assert 0.6 < reports[-1]["resumed"] < 1.0


@pytest.mark.parametrize(
    ("device", "gpus", "asked"),
    [("auto", 0.0, "cpu"), ("cpu", 0.0, "cpu"), ("auto", 0.5, "auto"), ("cuda", 1.0, "cuda")],
)
def test_a_worker_without_a_gpu_uses_none(
    store: Store, monkeypatch: pytest.MonkeyPatch, device: str, gpus: float, asked: str
) -> None:
    """Catches a worker on the GPU of another, and a GPU that is held and not used."""
    seen: list[str] = []

    def choose(word: str) -> torch.device:
        seen.append(word)
        return torch.device("cpu")

    monkeypatch.setattr("sweeps.trainable.choose", choose)
    execution = Execution(store=store.root, device=device, gpus_per_worker=gpus)
    (config,) = trials(0)
    worker = object.__new__(PackTrainable)
    worker.setup({"pack": pack_of(config), "execution": execution, "catalogue": Catalogue()})
    while not worker.step()["done"]:
        pass
    assert seen == [asked]
    record = store.get(config.trial_id)
    assert record is not None
    assert record.provenance["device"] == "cpu"


@pytest.mark.parametrize("adapts", [False, True])
def test_a_gpu_that_is_not_there_is_told_before_anything_is_trained(
    store: Store, monkeypatch: pytest.MonkeyPatch, adapts: bool
) -> None:
    """Catches a sweep that was to be on GPUs and is trained on the cores."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("runners.model.loading.load_backbone", lambda *_: pytest.fail("loaded"))
    execution = Execution(store=store.root, device="cuda", gpus_per_worker=1.0)
    (config,) = trials(0, **ADAPTED)
    pack = pack_of(config)
    if adapts:
        pack = Pack(name="p", cost=1.0, adaptation=adaptation_of(config), milestones=(2,))
    worker = object.__new__(PackTrainable)
    worker.setup({"pack": pack, "execution": execution, "catalogue": Catalogue()})
    with pytest.raises(PackError) as caught:
        worker.step()
    said = "ValueError: device: 'cuda' is not here, for torch finds no GPU; give auto or cpu"
    assert caught.value.loss.message.startswith(said)
    assert list(store.records()) == []


def test_a_trial_that_diverges_is_counted(work: Work, store: Store) -> None:
    """A worker that reports a failed trial as missing for ever."""
    good, bad = trials(0)[0], trials(1, learning_rate=1e39)[0]
    last = work(pack_of(good, bad))[-1]
    assert (last["committed"], last["failed"]) == (1, 1)
    assert [failure.kind for failure in store.failures()] == ["diverged"]


def test_an_adaptation_makes_milestones_that_trials_start_from(work: Work, store: Store) -> None:
    """A milestone under an id that no trial asks for."""
    config = trials(0, **ADAPTED)[0]
    adaptation = adaptation_of(config)
    assert adaptation is not None
    pack = Pack(name="a", cost=1.0, adaptation=adaptation, milestones=(1, 2))
    shares = [report["share"] for report in work(pack)]
    assert shares == [0.5, 1.0, 1.0]
    record = store.get(adaptation.milestone_id(2))
    assert record is not None
    work(pack_of(config))
    trained = store.get(config.trial_id)
    assert trained is not None


def test_a_node_without_the_shared_folder_trains_nothing(
    work: Work, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that joins late, fills a folder of its own, and is believed to have done it all.

    Or whose trials have failed, where others could have trained them.
    """
    monkeypatch.setattr("sweeps.trainable.MOUNT_SECONDS", 0.1)
    monkeypatch.setattr("sweeps.trainable.LOOK_SECONDS", 0.01)
    shutil.rmtree(store.root)
    with pytest.raises(PackError, match="does not see what the driver wrote there; mount") as error:
        work(pack_of(*trials(0)))
    assert error.value.loss.kind == "lost_worker"
    assert not Path(store.root).exists()


def test_errors_come_out_in_words(work: Work) -> None:
    """An error class that the driver may not be able to rebuild."""
    with pytest.raises(PackError, match="is not in the store") as caught:
        work(pack_of(*trials(0, **ADAPTED)))
    assert caught.value.loss.kind == "code"


def test_taking_a_pack_loads_nothing_heavy(tmp_path: Path) -> None:
    """Workers that load torch before they are up: Tune ends those that are slower to start."""
    code = (
        "import sys\n"
        "from runners.catalogue import Catalogue\n"
        "from sweeps.execution import Execution\n"
        "from sweeps.packs import Pack\n"
        "from sweeps.trainable import PackTrainable\n"
        "worker = object.__new__(PackTrainable)\n"
        f"execution = Execution(store={str(tmp_path)!r})\n"
        "pack = Pack(name='p', cost=1.0)\n"
        "worker.setup({'pack': pack, 'execution': execution, 'catalogue': Catalogue()})\n"
        "print(sorted({'torch', 'transformers', 'datasets'} & set(sys.modules)))\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("adapts", [False, True])
def test_compiling_and_static_shapes_reach_the_model(
    adapts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A setting that is read and forgotten, in one of the ways to train."""
    [config] = trials(0, **(ADAPTED if adapts else {}))
    pack = pack_of(config)
    if adapts:
        adaptation = adaptation_of(config)
        pack = Pack(name="adapts", cost=1.0, adaptation=adaptation, milestones=(2,))
    compiled: list[bool] = []
    padded: list[int] = []

    def noted(backbone: Any, *, static: bool) -> Any:
        compiled.append(static)
        return backbone

    def lengthened(longest: int) -> int:
        padded.append(longest)
        return longest

    monkeypatch.setattr("runners.training.layout.compiling", noted)
    monkeypatch.setattr("runners.data.batching.static_length", lengthened)
    for compiles, static in ((False, False), (True, False), (False, True), (True, True)):
        store = driven(Store(str(tmp_path / f"{compiles}{static}")))
        worker = object.__new__(PackTrainable)
        execution = Execution(store=store.root, compile=compiles, static_shapes=static)
        worker.setup({"pack": pack, "execution": execution, "catalogue": Catalogue()})
        while not worker.step()["done"]:
            pass
        assert compiled == ([static] if compiles else [])
        assert bool(padded) == static
        compiled.clear()
        padded.clear()


@pytest.mark.parametrize("method", ["prompt_tuning", "model_tuning", "lm_adaptation"])
def test_activation_checkpointing_reaches_the_model_and_changes_nothing(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A setting that one of the ways to train never reads, or that changes what a record says."""
    fields = {"method": method, "dropout": 0.1, "prompt_length": None, "prompt_init": None}
    changes = {"prompt_tuning": {"dropout": 0.1}, "model_tuning": fields, "lm_adaptation": ADAPTED}
    [config] = trials(0, **changes[method])
    adaptation = adaptation_of(config)
    pack = pack_of(config)
    if adaptation is not None:
        pack = Pack(name="adapts", cost=1.0, adaptation=adaptation, milestones=(2,))
    calls: list[str] = []

    def noted(call: Any) -> Any:
        def again(name: str, *read: Any) -> Any:
            calls.append(name)
            return call(name, *read)

        return again

    found = {}
    for recomputes in (False, True):
        monkeypatch.setattr("runners.model.recomputation.recomputed", noted)
        store = driven(Store(str(tmp_path / str(recomputes))))
        execution = Execution(store=store.root, activation_checkpointing=recomputes)
        worker = object.__new__(PackTrainable)
        worker.setup({"pack": pack, "execution": execution, "catalogue": Catalogue()})
        while not worker.step()["done"]:
            pass
        assert bool(calls) == recomputes
        subject = adaptation.milestone_id(2) if adaptation else config.trial_id
        record = store.get(subject)
        assert record is not None
        found[recomputes] = record.metrics
    assert found[True] == found[False]

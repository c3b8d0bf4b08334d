"""What a worker holds from pack to pack, in this process and without Ray."""

import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from runners.catalogue import Catalogue
from runners.config import TrialConfig, adaptation_of, from_mapping
from runners.model.loading import CPU, Loaded, load_pretrained
from runners.store import Store
from runners.training.layout import PLAIN, Layout
from runners.training.memory import Room, Rooms
from runners.training.session import Session
from sweeps.execution import Execution
from sweeps.held import Held
from sweeps.packs import Pack
from sweeps.trainable import PackTrainable
from tests.sweeps.small_trials import ADAPTED
from tests.sweeps.small_trials import BASE as SMALL

BASE = {**SMALL, "seed": 0, "train_steps": 2}
MODEL_TUNING = {"method": "model_tuning", "prompt_length": None, "prompt_init": None}
Train = Callable[..., Session]


def pack_of(config: TrialConfig) -> Pack:
    """A pack of one trial."""
    return Pack(name="pack", cost=1.0, trials=(config,), costs=(1.0,))


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was compiled, by its source; nothing is."""
    found: list[str] = []

    def noted(backbone: Loaded, *, static: bool) -> Loaded:
        assert static
        found.append(backbone.source)
        return replace(backbone)

    monkeypatch.setattr("runners.training.layout.compiling", noted)
    return found


@pytest.fixture
def worker(store: Store) -> PackTrainable:
    """A worker of a store to which a driver has written."""
    store.write_manifest("driven", {})
    # Without Ray's own constructor, which wants a running Ray.
    return object.__new__(PackTrainable)


@pytest.fixture
def give(worker: PackTrainable, store: Store) -> Callable[[Pack], None]:
    """Gives a pack to the worker, which does all of it."""
    execution = Execution(
        store=store.root, compile=True, static_shapes=True, micro_batch_positions=900
    )

    def run(pack: Pack) -> None:
        worker.reset_config({"pack": pack, "execution": execution, "catalogue": Catalogue()})
        while not worker.step()["done"]:
            pass

    return run


@pytest.fixture
def train(give: Callable[[Pack], None], monkeypatch: pytest.MonkeyPatch) -> Train:
    """Gives the worker a trial with any fields replaced; returns its session."""
    begun: list[Session] = []

    def noted(**told: Any) -> Session:
        begun.append(Session(**told))
        return begun[-1]

    monkeypatch.setattr("runners.training.session.Session", noted)

    def run(**changes: Any) -> Session:
        give(pack_of(from_mapping({**BASE, **changes})))
        return begun[-1]

    return run


def test_packs_of_one_model_share_what_was_laid_out(train: Train, compiled: list[str]) -> None:
    """Catches layers that are compiled again for every pack, and weights that go to a GPU again."""
    first, second = train().backbone, train(seed=1).backbone
    tuned = train(**MODEL_TUNING).backbone
    other = train(model_size="200k").backbone
    again = train(seed=2).backbone
    assert first is second is tuned
    assert (first.fingerprint == again.fingerprint) and first is not again
    assert other.fingerprint != first.fingerprint
    assert compiled == [first.source, other.source, first.source]


def test_what_memory_has_taught_outlasts_a_pack(train: Train, compiled: list[str]) -> None:
    """Catches a batch that is too large, and runs out of memory again in every pack.

    Or a room that was found with all weights in training, and holds for prompts.
    """
    begun = Rooms(training=Room(most=900, is_static=True))
    rooms = train().rooms
    assert rooms == begun
    rooms.training.most = 300
    assert train(seed=1).rooms is rooms
    assert train(**MODEL_TUNING).rooms == begun
    assert train(seed=2).rooms is rooms
    assert train(model_size="200k").rooms == begun
    assert train(seed=3).rooms == begun


def test_an_adaptation_has_the_room_to_itself(
    give: Callable[[Pack], None], train: Train, compiled: list[str]
) -> None:
    """Catches a frozen model on a GPU beside one of which all trains."""
    train()
    adaptation = adaptation_of(from_mapping({**BASE, **ADAPTED}))
    give(Pack(name="adapts", cost=1.0, adaptation=adaptation, milestones=(2,)))
    train(seed=1)
    assert len(compiled) == 3


def test_another_model_takes_the_place_of_the_one_before() -> None:
    """Catches two models on a GPU that has room for one."""
    made: list[weakref.ref[Any]] = []

    class Noted(Layout):
        def of(self, backbone: Loaded, device: torch.device) -> Any:
            assert [each() for each in made] == [None] * len(made)
            laid_out = replace(backbone)
            made.append(weakref.ref(laid_out))
            return laid_out

    held = Held()
    for size in ("60k", "200k", "60k"):
        held.laid_out(load_pretrained(Catalogue(), "nano", size, "float32"), Noted(), CPU)
    assert len(made) == 3


def test_everything_that_decides_a_layout_is_looked_at() -> None:
    """Catches float32 for a trial in bfloat16, or a model that stays on another device."""
    read = load_pretrained(Catalogue(), "nano", "60k", "float32")
    halved = {name: weight.bfloat16() for name, weight in read.weights.items()}
    asked: list[tuple[Loaded, Layout, torch.device]] = [
        (read, PLAIN, CPU),
        (replace(read, dtype=torch.bfloat16), PLAIN, CPU),
        (replace(read, dtype=torch.bfloat16, weights=halved), PLAIN, CPU),
        (replace(read, fingerprint="another"), PLAIN, CPU),
        (read, Layout(recomputes=True), CPU),
        (read, PLAIN, torch.device("meta")),
    ]
    held = Held()
    found = [held.laid_out(*each) for each in asked]
    assert len({id(each) for each in found}) == len(asked)
    assert held.laid_out(*asked[-1]) is found[-1]

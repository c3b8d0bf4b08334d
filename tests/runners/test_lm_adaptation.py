"""LM adaptation: one run, every milestone."""

import pytest
import torch
from safetensors.torch import load

from runners import lm_adaptation as module
from runners.config import AdaptationConfig
from runners.lm_adaptation import STATE, adapt
from runners.model.backbone import T5Backbone
from runners.model.catalogue import WEIGHTS
from runners.store import Store

CONFIG = AdaptationConfig(
    model_family="nano", model_size="60k", batch_size=4, learning_rate=0.003, seed=0
)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch, backbone: T5Backbone) -> None:
    """Adapt the random test model on few documents."""
    monkeypatch.setattr(module, "load_pretrained", lambda *_: backbone)
    monkeypatch.setattr(module, "DOCUMENTS", 200)


def _weights(store: Store, steps: int) -> dict[str, torch.Tensor]:
    return load(store.read(CONFIG.milestone_id(steps), WEIGHTS))


def _same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[n], right[n]) for n in left)


def _run(store: Store, *milestones: int) -> list[tuple[int, int]]:
    return list(adapt(CONFIG, milestones, store))


def test_a_milestone_does_not_depend_on_how_far_the_run_goes(store: Store) -> None:
    """Catches a schedule that knows the last step: 10 of 100 steps would not be 10 of 10."""
    other = Store(f"{store.root}-other")
    _run(store, 2)
    _run(other, 2, 5)
    assert _same(_weights(store, 2), _weights(other, 2))
    assert not _same(_weights(other, 2), _weights(other, 5))


def test_milestones_are_committed_with_their_losses(store: Store, backbone: T5Backbone) -> None:
    """Catches a milestone that appears only at the end, or without its numbers."""
    steps = adapt(CONFIG, [2, 4], store)
    for done, last in steps:
        assert last == 4
        assert (store.get(CONFIG.milestone_id(2)) is not None) == (done >= 2)
    record = store.get(CONFIG.milestone_id(4))
    assert record is not None
    assert record.stage == "lm_adaptation"
    assert record.config["lm_adaptation_steps"] == 4
    assert 0 < record.metrics["held_out_loss"] < 20
    assert record.provenance["base_checkpoint"] == backbone.fingerprint


def test_nothing_is_run_where_every_milestone_is_there(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches an adaptation that is paid for twice."""
    _run(store, 2)
    monkeypatch.setattr(module, "load_pretrained", lambda *_: pytest.fail("ran again"))
    assert _run(store, 2) == []


def test_a_run_that_was_cut_off_ends_at_the_same_weights(store: Store) -> None:
    """Catches a lost second moment or a batch seen twice."""
    whole = Store(f"{store.root}-whole")
    _run(whole, 6)
    steps = adapt(CONFIG, [6], store, checkpoint_seconds=0.0)
    for _ in range(3):
        next(steps)
    del steps
    assert [done for done, _ in _run(store, 6)] == [4, 5, 6]
    assert _same(_weights(store, 6), _weights(whole, 6))
    assert store.load_state(CONFIG.run_id, STATE) is None


def test_a_later_milestone_goes_through_the_same_path(store: Store) -> None:
    """Catches a grown sweep whose new milestone is not on the path of the old ones."""
    whole = Store(f"{store.root}-whole")
    _run(whole, 2, 5)
    _run(store, 2)
    _run(store, 2, 5)
    assert _same(_weights(store, 5), _weights(whole, 5))

"""LM adaptation: one run, every milestone."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load

from runners.catalogue import Catalogue
from runners.catalogue_section import add_text
from runners.config import AdaptationConfig
from runners.model.checkpoint import WEIGHTS
from runners.model.t5_backbone import T5Backbone
from runners.store import Store
from runners.training import adaptation as module
from runners.training.adaptation import STATE, adapt
from runners.training.trial import Diverged

pytestmark = pytest.mark.usefixtures("small_adaptations")

CONFIG = AdaptationConfig(
    model_family="nano",
    model_size="60k",
    batch_size=4,
    learning_rate=0.003,
    seed=0,
    compute_dtype="float32",
)


def _weights(store: Store, steps: int) -> dict[str, torch.Tensor]:
    return load(store.read(CONFIG.milestone_id(steps), WEIGHTS))


def _same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[n], right[n]) for n in left)


def _run(store: Store, *milestones: int) -> list[tuple[int, int]]:
    return list(adapt(CONFIG, milestones, store, Catalogue()))


def test_an_adaptation_is_where_its_weights_are(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a state, a row or a loss of an adaptation that is made without saying where.

    Where the default device holds no numbers, the run and the one that goes on from
    its checkpoint write the weights of a plain run.
    """
    other = Store(f"{store.root}-other")
    _run(store, 3)
    torch.set_default_device("meta")
    try:
        for step, _ in adapt(CONFIG, [3], other, Catalogue(), checkpoint_seconds=0.0):
            if step == 2:
                break
        assert other.running() == {CONFIG.run_id}
        _run(other, 3)
    finally:
        torch.set_default_device(None)
    assert _same(_weights(store, 3), _weights(other, 3))
    record = other.get(CONFIG.milestone_id(3))
    assert record is not None
    assert record.provenance["device"] == "cpu"
    assert record.provenance["threads"] == torch.get_num_threads()


def test_a_milestone_does_not_depend_on_how_far_the_run_goes(store: Store) -> None:
    """Catches a schedule that knows the last step: 10 of 100 steps would not be 10 of 10."""
    other = Store(f"{store.root}-other")
    _run(store, 2)
    _run(other, 2, 5)
    assert _same(_weights(store, 2), _weights(other, 2))
    assert not _same(_weights(other, 2), _weights(other, 5))


def test_milestones_are_committed_with_their_losses(store: Store, backbone: T5Backbone) -> None:
    """Catches a milestone that appears only at the end, or without its numbers."""
    steps = adapt(CONFIG, [2, 4], store, Catalogue())
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
    monkeypatch.setattr(module, "load_pretrained", lambda *_, **__: pytest.fail("ran again"))
    assert _run(store, 2) == []


def test_a_run_that_was_cut_off_ends_at_the_same_weights(store: Store) -> None:
    """Catches a lost second moment or a batch seen twice."""
    whole = Store(f"{store.root}-whole")
    _run(whole, 6)
    steps = adapt(CONFIG, [6], store, Catalogue(), checkpoint_seconds=0.0)
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


def test_a_milestone_behind_the_checkpoint_is_made_too(store: Store) -> None:
    """Catches a grown sweep that waits for ever for a milestone that its resumed run passed."""
    steps = adapt(CONFIG, [6], store, Catalogue(), checkpoint_seconds=0.0)
    for _ in range(3):
        next(steps)
    del steps
    assert [done for done, _ in _run(store, 2, 6)] == [1, 2, 3, 4, 5, 6]
    assert store.done(map(CONFIG.milestone_id, (2, 6))) == set(map(CONFIG.milestone_id, (2, 6)))


def test_a_checkpoint_of_another_model_is_not_gone_on_from(
    store: Store, backbone: T5Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a milestone that is half of a ladder that was since pre-trained anew."""
    steps = adapt(CONFIG, [4], store, Catalogue(), checkpoint_seconds=0.0)
    next(steps)
    del steps
    other = replace(backbone, fingerprint="another")
    monkeypatch.setattr(module, "load_pretrained", lambda *_, **__: other)
    assert [done for done, _ in _run(store, 4)] == [1, 2, 3, 4]


def test_a_milestone_of_another_model_is_not_gone_on_from(
    store: Store, backbone: T5Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches an axis whose first milestone is of the old ladder and whose last is of the new."""
    _run(store, 2)
    other = replace(backbone, fingerprint="another")
    monkeypatch.setattr(module, "load_pretrained", lambda *_, **__: other)
    with pytest.raises(ValueError, match="was adapted from checkpoint random, and"):
        _run(store, 2, 4)


def test_a_run_without_finite_numbers_diverges(store: Store) -> None:
    """Catches a milestone of NaNs from which hundreds of trials start."""
    wild = replace(CONFIG, learning_rate=1e38)
    with pytest.raises(Diverged, match="is not finite at step"):
        list(adapt(wild, [3], store, Catalogue()))
    assert list(store.records()) == []


def test_an_adaptation_to_text_that_was_cut_off_ends_at_the_same_weights(
    store: Store, text_folder: Path
) -> None:
    """Catches windows that depend on where a run began."""
    catalogue, fingerprint = add_text(Catalogue(), text_folder)
    config = replace(CONFIG, text=fingerprint)
    whole = Store(f"{store.root}-whole")
    list(adapt(config, [4], whole, catalogue))
    steps = adapt(config, [4], store, catalogue, checkpoint_seconds=0.0)
    for _ in range(2):
        next(steps)
    del steps
    assert [done for done, _ in adapt(config, [4], store, catalogue)] == [3, 4]
    left, right = (each.read(config.milestone_id(4), WEIGHTS) for each in (store, whole))
    assert left == right

"""Where memory runs out: smaller parts, the same results, and a note."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from runners.catalogue import Catalogue
from runners.config import TrialConfig
from runners.data.batching import Encoded
from runners.model.t5_backbone import T5Backbone
from runners.prompt.soft_prompt import Prompted
from runners.store import Store
from runners.training.language_model import gradients
from runners.training.memory import Room, Rooms, is_out_of_memory
from runners.training.pack import start, train_step
from runners.training.session import Session

Make = Callable[..., TrialConfig]
ERRORS = (
    torch.OutOfMemoryError("CUDA out of memory"),
    MemoryError(),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
)


class Small(T5Backbone):
    """A T5 on a machine on which so many positions fit, and no more."""

    fits = 200
    error: Exception = ERRORS[0]

    def losses(self, weights: Any, embedded: Tensor, *rest: Any, **more: Any) -> Tensor:
        """As ever, or out of memory."""
        self._check(embedded, **more)
        return super().losses(weights, embedded, *rest, **more)

    def generate(self, weights: Any, embedded: Tensor, *rest: Any, **more: Any) -> Tensor:
        """As ever, or out of memory."""
        self._check(embedded, **more)
        return super().generate(weights, embedded, *rest, **more)

    def _check(self, embedded: Tensor, prompts: Prompted | None = None, **_: Any) -> None:
        before = prompts.bank.positions if prompts else 0
        if embedded.shape[0] * (before + embedded.shape[1]) > self.fits:
            raise self.error


def _small(backbone: T5Backbone, error: Exception = ERRORS[0], fits: int = 200) -> Small:
    small = Small(**vars(backbone))
    object.__setattr__(small, "error", error)
    object.__setattr__(small, "fits", fits)
    return small


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_step_that_does_not_fit_is_taken_in_parts(
    backbone: T5Backbone, config: Make, error: Exception
) -> None:
    """Catches a trial lost to a batch that is too large, and gradients counted twice."""
    configs = [config(task=task, batch_size=8) for task in ("cb", "copa")]
    whole = [start([each], backbone, Catalogue()) for each in configs]
    parted = [start([each], backbone, Catalogue()) for each in configs]
    room = Room()
    losses = train_step(_small(backbone, error), parted, room)
    torch.testing.assert_close(losses, train_step(backbone, whole), rtol=1e-4, atol=1e-6)
    for one, other in zip(parted, whole, strict=True):
        ours, theirs = one.parameters["prompt"].grad, other.parameters["prompt"].grad
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    assert room.halvings > 0
    assert room.most is not None and room.most <= 2 * Small.fits
    halved = room.halvings
    train_step(_small(backbone, error), parted, room)
    assert room.halvings == halved


def test_a_row_that_does_not_fit_alone_is_an_error(backbone: T5Backbone, config: Make) -> None:
    """Catches a step that is tried for ever."""
    run = start([config(task="cb")], backbone, Catalogue())
    with pytest.raises(torch.OutOfMemoryError):
        train_step(_small(backbone, fits=5), [run], Room())


def test_another_error_is_not_taken_for_want_of_memory(backbone: T5Backbone, config: Make) -> None:
    """Catches a mistake in the code that is tried again in silence."""
    run = start([config(task="cb")], backbone, Catalogue())
    room = Room()
    with pytest.raises(RuntimeError, match="shapes"):
        train_step(_small(backbone, RuntimeError("shapes"), fits=5), [run], room)
    assert room == Room()
    assert not is_out_of_memory(ValueError("can't allocate memory"))


def test_trials_come_through_where_memory_is_short_and_say_so(
    backbone: T5Backbone, store: Store, config: Make
) -> None:
    """Catches answers that run out of memory, and a record that hides how it was made."""
    trial = config(task="cb", dev_examples=12)
    session = Session(backbone=_small(backbone), store=store, catalogue=Catalogue(), slots=1)
    for _ in session.train([trial]):
        pass
    record = store.get(trial.trial_id)
    assert record is not None
    noted = record.provenance["micro_batch_positions"]
    assert noted == session.rooms.noted()
    assert set(noted) == {"evaluation"} or set(noted) == {"training", "evaluation"}
    assert all(0 < most <= 2 * Small.fits for most in noted.values())


def test_a_bound_that_is_given_is_kept(backbone: T5Backbone, config: Make) -> None:
    """Catches execution.micro_batch_positions that nobody reads."""
    run = start([config(task="cb", batch_size=8)], backbone, Catalogue())
    rooms = Rooms(training=Room(most=200))
    train_step(_small(backbone), [run], rooms.training)
    assert rooms == Rooms(training=Room(most=200))
    assert rooms.noted() == {"training": 200}


def test_whole_models_learn_in_parts_too(backbone: T5Backbone, config: Make) -> None:
    """Catches LM adaptation that does not fit, or that weighs its parts by their number."""
    rows: list[Encoded] = start([config(task="cb")], backbone, Catalogue()).rows() * 3
    weights = {n: w.float().clone().requires_grad_() for n, w in backbone.weights.items()}
    exact = replace(backbone, dtype=torch.float32)
    loss, expected = gradients(exact, weights, rows)
    room = Room()
    found_loss, found = gradients(_small(exact), weights, rows, room)
    assert room.halvings > 0
    assert found_loss == pytest.approx(loss, rel=1e-5)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_long_targets_are_bounded_too(backbone: T5Backbone, config: Make) -> None:
    """Catches rows of one input token, all of which go through the decoder at once."""
    end = np.array([1])
    rows = [Encoded(input_ids=end, target_ids=np.arange(3, size)) for size in (43, 23, 33, 13)]
    weights = {n: w.float().clone().requires_grad_() for n, w in backbone.weights.items()}
    seen: list[torch.Size] = []

    class Noted(T5Backbone):
        def losses(self, weights: Any, embedded: Any, mask: Any, targets: Any, *rest: Any,
                   **more: Any) -> Tensor:  # fmt: skip
            seen.append(targets.shape)
            return super().losses(weights, embedded, mask, targets, *rest, **more)

    loss, expected = gradients(backbone, weights, rows)
    noted = Noted(**vars(backbone))
    found_loss, found = gradients(noted, weights, rows, Room(most=80))
    assert seen == [(2, 40), (2, 20)]
    assert found_loss == pytest.approx(loss, rel=1e-5)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    run = start([config(batch_size=4)], backbone, Catalogue())
    run.train = rows
    del seen[:]
    in_parts, whole = (train_step(noted, [run], Room(most=most)) for most in (80, None))
    assert seen == [(2, 40), (2, 20), (4, 40)]
    assert in_parts == pytest.approx(whole, rel=1e-5)

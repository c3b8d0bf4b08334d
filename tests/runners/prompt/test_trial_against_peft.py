"""A whole trial, from the first step to its score, against PEFT and `transformers.Adafactor`.

The two agree on the optimizer where the prompt is one flat parameter, which
`transformers` does not factor, and where its decay is ours over the learning rate.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor
from transformers.optimization import Adafactor

from runners.catalogue import Catalogue
from runners.config import TrialConfig
from runners.data.batching import Encoded, Order
from runners.data.source import TaskData, load_task_data
from runners.training.pack import run_pack
from runners.training.trial import Member, TrialRun

if TYPE_CHECKING:
    from tests.runners.prompt.conftest import Oracle, Subject

# PEFT says so of the positions that `transformers` itself hands to `generate`.
pytestmark = pytest.mark.filterwarnings("ignore:Position ids are not supported")

STEPS = 5
APART = {torch.float32: 1e-4, torch.float64: 1e-10}
"""How far prompts may be apart after all steps, relative and absolute."""


class _Silent:
    """An observer that only sees that nothing diverges."""

    def finished(self, run: TrialRun) -> None:
        """Nothing."""

    def diverged(self, run: TrialRun, reason: str) -> None:
        """Fail."""
        raise AssertionError(reason)


def _trial(config: Callable[..., TrialConfig], task: str) -> TrialConfig:
    return config(task=task, train_steps=STEPS, eval_every=STEPS, dev_examples=4, seed=3)


def _ours(subject: "Subject", trial: TrialConfig, data: TaskData, prompt: Tensor) -> TrialRun:
    run = TrialRun(
        members=(Member(config=trial, data=data),), train=data.train, data=data.fingerprint,
        parameters={"prompt": prompt.detach().clone()}, kept=frozenset({"prompt"}),
    )  # fmt: skip
    for _ in run_pack(subject.backbone, iter([run]), slots=1, observer=_Silent()):
        pass
    return run


def _batches(trial: TrialConfig, data: TaskData) -> list[list[Encoded]]:
    assert trial.training is not None
    batch_size = trial.training.batch_size
    order = Order(examples=len(data.train), batch_size=batch_size, seed=trial.seed)
    return [[data.train[index] for index in order.batch(step)] for step in range(STEPS)]


def _train(oracle: "Oracle", trial: TrialConfig, data: TaskData) -> list[float]:
    """Move PEFT's prompt by the same batches, one row a time; returns each step's loss.

    A step's loss is the mean over all target tokens of its batch. The optimizer
    moves a flat view of the prompt.
    """
    losses = []
    flat = torch.nn.Parameter(oracle.prompt.data.view(-1))
    assert trial.training is not None
    rate = trial.training.learning_rate
    optimizer = Adafactor(
        [flat], lr=rate, weight_decay=trial.training.weight_decay / rate,
        scale_parameter=False, relative_step=False,
    )  # fmt: skip
    for batch in _batches(trial, data):
        tokens = sum(len(row.target_ids) for row in batch)
        parts = [oracle.losses(row).sum() / tokens for row in batch]
        losses.append(sum(float(part.detach()) for part in parts))
        for part in parts:
            part.backward()
        assert oracle.prompt.grad is not None
        flat.grad = oracle.prompt.grad.view(-1).clone()
        oracle.prompt.grad = None
        optimizer.step()
    return losses


# The targets of RTE have two tokens or four; ReCoRD is scored by two metrics.
@pytest.mark.parametrize("task", ["rte", "record"])
def test_a_trial(subject: "Subject", config: Callable[..., TrialConfig], task: str) -> None:
    """Catches a loss, an order of data, an update or a decoding that is not what it says it is."""
    trial = _trial(config, task)
    data = load_task_data(trial, subject.backbone.codec, Catalogue())
    start = subject.prompt(5)
    run, oracle = _ours(subject, trial, data, start), subject.oracle(start)
    losses = _train(oracle, trial, data)
    assert run.members[0].history[-1]["train_loss"] == pytest.approx(sum(losses) / STEPS, rel=1e-4)
    apart = APART[subject.precision.dtype]
    ours = run.parameters["prompt"].detach()
    torch.testing.assert_close(ours, oracle.prompt.data, rtol=apart, atol=apart)
    assert float((ours - start.detach()).abs().min()) > 0
    said = [oracle.answer(row, limit=data.target_limit) for row in data.dev]
    metrics, answers = data.score(said)
    best = run.members[0].best
    assert best is not None
    assert (best.metrics, best.predictions) == (metrics, answers)


def test_only_the_prompt_learns(subject: "Subject", config: Callable[..., TrialConfig]) -> None:
    """Catches a frozen weight that moves or keeps a gradient, or optimizer state for one."""
    trial = _trial(config, "boolq")
    data = load_task_data(trial, subject.backbone.codec, Catalogue())
    before = {name: weight.clone() for name, weight in subject.backbone.weights.items()}
    run = _ours(subject, trial, data, subject.prompt(5))
    for name, weight in subject.module.named_parameters():
        assert torch.equal(weight, before[name]), name
        assert weight.grad is None and not weight.requires_grad
        assert torch.equal(subject.backbone.weights[name], before[name]), name
    assert all(weight.grad is None for weight in subject.backbone.weights.values())
    assert {name: tuple(p.shape) for name, p in run.parameters.items()} == {
        "prompt": (5, subject.backbone.width)
    }
    assert {name: tuple(s.shape) for name, s in run.state.items()} == {
        "prompt": (5, subject.backbone.width)
    }


def test_peft_trains_as_many_parameters(subject: "Subject") -> None:
    """Catches an oracle that trains something else beside the prompt."""
    oracle = subject.oracle(subject.prompt(5))
    trained = [p for p in oracle.model.parameters() if p.requires_grad]
    assert [tuple(p.shape) for p in trained] == [(5, subject.backbone.width)]

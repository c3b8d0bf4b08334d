"""The shared trainer: any number of trials of one frozen model side by side in one batch.

Notation: K live trials, b rows of each, B rows of all, P prompt positions,
T input tokens, D target tokens, H model width.

The model is frozen and rows never mix, so the gradient of the summed losses
with respect to one trial's prompt is the gradient of that trial's own loss.
A trial that finishes or diverges leaves, and the next in the queue takes its
rows.
"""

import itertools
import time
from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from runners.catalogue import Catalogue
from runners.config import TrialConfig
from runners.data.batching import collate
from runners.data.source import load_task_data
from runners.evaluation import Questions, answer
from runners.model.backbone import IGNORED, Backbone
from runners.model.dropout import NONE, Dropout, row_keys
from runners.prompt.soft_prompt import prepend, stack
from runners.training.method import METHODS, Method
from runners.training.trial import Diverged, TrialRun


class Observer(Protocol):
    """What a pack tells the one who runs it."""

    def finished(self, run: TrialRun) -> None:
        """All steps of a trial are done and its best point is known."""

    def diverged(self, run: TrialRun, reason: str) -> None:
        """A trial left the pack because its numbers are not finite."""


def start(config: TrialConfig, backbone: Backbone, catalogue: Catalogue) -> TrialRun:
    """A trial at step 0."""
    data = load_task_data(config, backbone.codec, catalogue)
    return TrialRun(
        config=config,
        data=data,
        parameters=METHODS[config.method].parameters(config, backbone, data),
    )


def run_pack(
    backbone: Backbone, queue: Iterator[TrialRun], *, slots: int, observer: Observer
) -> Iterator[Sequence[TrialRun]]:
    """Train the trials of a queue, `slots` at a time; yields the live ones after each step of all.

    All trials are of one method; one whose trials change the model runs alone.
    A caller that stops asking leaves every live trial at a whole step.
    """
    live: list[TrialRun] = []
    while True:
        live += itertools.islice(queue, slots - len(live))
        if not live:
            return
        live = _advance(backbone, live, observer)
        yield live


def _advance(backbone: Backbone, live: list[TrialRun], observer: Observer) -> list[TrialRun]:
    """One step of every live trial; returns those that go on."""
    began = time.perf_counter()
    todo = [run for run in live if not run.finished]
    healthy = [run for run in live if run.finished]
    losses = train_step(backbone, todo) if todo else []
    for run, loss in zip(todo, losses, strict=True):
        try:
            run.update(loss)
            healthy.append(run)
        except Diverged as reason:
            observer.diverged(run, str(reason))
    evaluate(backbone, [run for run in healthy if run.due])
    share = (time.perf_counter() - began) / len(live)
    for run in healthy:
        run.seconds += share
        if run.finished:
            observer.finished(run)
    return [run for run in healthy if not run.finished]


def train_step(backbone: Backbone, runs: Sequence[TrialRun]) -> list[float]:
    """Gradients of every trial's own mean loss on its own next rows.

    Returns the losses in nats a token.
    """
    method = _method(runs)
    rows = [run.rows() for run in runs]
    batch = collate([row for own in rows for row in own], backbone.codec)
    owner = torch.repeat_interleave(
        torch.arange(len(runs)), torch.tensor([len(own) for own in rows])
    )
    weights = method.weights(backbone, runs[0].parameters)
    embedded, mask = backbone.embed(weights, batch.input_ids), batch.mask
    prompts = [prompt for run in runs if (prompt := method.prompt(run.parameters)) is not None]
    positions = 0
    if prompts:
        bank = stack(prompts)
        positions = bank.positions
        embedded, mask = prepend(bank, owner, embedded, mask)  # [B, P + T, H]
    token_losses = backbone.losses(
        weights, embedded, mask, batch.targets, _dropout(runs, rows, positions)
    )
    losses = _trial_means(token_losses, batch.targets != IGNORED, owner, len(runs))  # [K]
    losses.sum().backward()
    return [float(loss) for loss in losses.detach()]


def evaluate(backbone: Backbone, runs: Sequence[TrialRun]) -> None:
    """Score every trial on its dev rows and let it note the result."""
    if not runs:
        return
    method = _method(runs)
    asked = [
        Questions(
            prompt=_detached(method.prompt(run.parameters)),
            rows=run.data.dev,
            limit=run.data.target_limit,
        )
        for run in runs
    ]
    weights = method.weights(backbone, runs[0].parameters)
    for run, generated in zip(runs, answer(backbone, weights, asked), strict=True):
        metrics, predictions = run.data.score(generated)
        run.evaluated(metrics, predictions)


def _method(runs: Sequence[TrialRun]) -> Method:
    method = METHODS[runs[0].config.method]
    assert all(METHODS[run.config.method] is method for run in runs)
    assert method.shares_model or len(runs) == 1
    return method


def _detached(prompt: Tensor | None) -> Tensor | None:
    return None if prompt is None else prompt.detach()


def _trial_means(token_losses: Tensor, counted: Tensor, owner: Tensor, trials: int) -> Tensor:
    """Mean loss a target token of each trial: [B, D] -> [K]."""
    sums = torch.zeros(trials, dtype=token_losses.dtype).index_add(
        0, owner, token_losses.sum(dim=1)
    )
    tokens = torch.zeros(trials, dtype=torch.int64).index_add(0, owner, counted.sum(dim=1))
    return sums / tokens


def _dropout(runs: Sequence[TrialRun], rows: Sequence[Sequence[object]], positions: int) -> Dropout:
    rate = runs[0].config.dropout
    assert all(run.config.dropout == rate for run in runs)
    if not rate:
        return NONE
    keys = [
        row_keys(int(run.config.trial_id, 16), run.step, len(own))
        for run, own in zip(runs, rows, strict=True)
    ]
    return Dropout(rate=rate, keys=torch.cat(keys), prompt=positions)

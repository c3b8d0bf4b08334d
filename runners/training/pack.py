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
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from runners.catalogue import Catalogue
from runners.config import TrialConfig
from runners.data.batching import Encoded, collate
from runners.data.source import DevData, load_task_data, load_transfer_data
from runners.evaluation import Questions, answer, log_likelihoods
from runners.model.backbone import Backbone, Weights, device_of
from runners.model.dropout import NONE, Dropout, row_keys
from runners.prompt.soft_prompt import prepend, stack
from runners.training.method import METHODS, Method
from runners.training.micro_batches import micro_batches
from runners.training.trial import Diverged, Member, TrialRun


class Observer(Protocol):
    """What a pack tells the one who runs it."""

    def finished(self, run: TrialRun) -> None:
        """All steps of a trial are done and its best point is known."""

    def diverged(self, run: TrialRun, reason: str) -> None:
        """A trial left the pack because its numbers are not finite."""


def start(configs: Sequence[TrialConfig], backbone: Backbone, catalogue: Catalogue) -> TrialRun:
    """The run of one trial, or of several trials of one mixture, at step 0."""
    members = tuple(
        Member(
            config=config,
            data=load_task_data(config, backbone.codec, catalogue),
            transfer=load_transfer_data(config, backbone.codec, catalogue),
        )
        for config in configs
    )
    first = members[0]
    method = METHODS[first.config.method]
    # Put together, tasks are mixed in proportion to their examples, as T5 does without
    # a limit (Raffel et al. 2020, 3.5.2).
    mixed = [first.data]
    if first.config.mixture is not None:
        each = catalogue.mixture_of(first.config)
        mixed = [load_task_data(config, backbone.codec, catalogue) for config in each]
    parameters = method.parameters(first.config, backbone, first.data)
    # What is judged once more at the end has to be there then.
    transfers = any(member.transfer for member in members)
    return TrialRun(
        members=members,
        train=[row for data in mixed for row in data.train],
        data="-".join(data.fingerprint for data in mixed),
        parameters=parameters,
        kept=frozenset(parameters) if transfers else method.kept,
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
    evaluate(backbone, [run for run in live if run.due_on_start])
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
    evaluate_transfer(backbone, [run for run in healthy if run.finished])
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
    rows = [run.rows() for run in runs]
    owners = [k for k, own in enumerate(rows) for _ in own]
    every = [row for own in rows for row in own]
    tokens = [sum(len(row.target_ids) for row in own) for own in rows]
    losses = [0.0] * len(runs)
    for part in micro_batches(
        [len(row.input_ids) for row in every],
        prompt_length=max(run.config.prompt_length or 0 for run in runs),
        parameters=backbone.parameter_count,
    ):
        held = [owners[place] for place in part]
        sums = _loss_sums(backbone, runs, [every[place] for place in part], held, part)
        shares = sums / torch.tensor(tokens, device=sums.device)
        shares.sum().backward()
        losses = [loss + share for loss, share in zip(losses, shares.tolist(), strict=True)]
    return losses


def _loss_sums(
    backbone: Backbone, runs: Sequence[TrialRun], rows: Sequence[Encoded], owners: Sequence[int],
    places: Sequence[int],
) -> Tensor:  # fmt: skip
    """Summed losses of each trial's rows among these: [K].

    `owners` says which run each row is of, and `places` where it stands in the step.
    """
    method = _method(runs)
    weights = method.weights(backbone, runs[0].parameters)
    device = device_of(weights)
    batch = collate(rows, backbone.codec, device=device)
    owner = torch.tensor(owners, device=device)  # [B]
    embedded, mask = backbone.embed(weights, batch.input_ids), batch.mask
    prompts = [prompt for run in runs if (prompt := method.prompt(run.parameters)) is not None]
    positions = 0
    if prompts:
        bank = stack(prompts)
        positions = bank.positions
        embedded, mask = prepend(bank, owner, embedded, mask)  # [B, P + T, H]
    dropout = _dropout(runs, places, positions, device)
    token_losses = backbone.losses(weights, embedded, mask, batch.targets, dropout)  # [B, D]
    sums = torch.zeros(len(runs), dtype=token_losses.dtype, device=device)
    return sums.index_add(0, owner, token_losses.sum(dim=1))


def evaluate(backbone: Backbone, runs: Sequence[TrialRun]) -> None:
    """Score every trial on its dev rows and let it note the result."""
    if not runs:
        return
    method = _method(runs)
    exams = [
        (_detached(method.prompt(run.parameters)), member.data)
        for run in runs
        for member in run.members
    ]
    weights = method.weights(backbone, runs[0].parameters)
    judged = iter(_judged(backbone, weights, exams, runs[0].config.answer_by))
    for run in runs:
        run.evaluated(list(itertools.islice(judged, len(run.members))))


def evaluate_transfer(backbone: Backbone, runs: Sequence[TrialRun]) -> None:
    """Judge the best points of finished runs on the transfer tasks of their members."""
    members = [member for run in runs for member in run.members if member.transfer]
    if not members:
        return
    method = _method(runs)
    # Where the model trains, members that are at their best at other steps have other models.
    for group in [members] if method.shares_model else [[member] for member in members]:
        bests = [_on_device(member.best.parameters, backbone) for member in group if member.best]
        exams = [
            (method.prompt(best), data)
            for member, best in zip(group, bests, strict=True)
            for data in member.transfer.values()
        ]
        weights = method.weights(backbone, bests[0])
        judged = iter(_judged(backbone, weights, exams, group[0].config.answer_by))
        for member in group:
            found = itertools.islice(judged, len(member.transfer))
            member.transferred = dict(zip(member.transfer, found, strict=True))


Judged = list[tuple[dict[str, float], list[str]]]
"""Metrics and predictions of each trial."""


def _judged(
    backbone: Backbone,
    weights: Weights,
    exams: Sequence[tuple[Tensor | None, DevData]],
    answer_by: str,
) -> Judged:
    """What comes of asking each prompt, or the bare model, the questions beside it."""
    asked = [
        Questions(prompt=prompt, rows=data.dev, limit=data.target_limit) for prompt, data in exams
    ]
    answering = _chosen if answer_by == "likelihood" else _generated
    return answering(backbone, weights, asked, [data for _, data in exams])


def _generated(
    backbone: Backbone, weights: Weights, asked: Sequence[Questions], data: Sequence[DevData]
) -> Judged:
    answers = answer(backbone, weights, asked)
    return [each.score(generated) for each, generated in zip(data, answers, strict=True)]


def _chosen(
    backbone: Backbone, weights: Weights, asked: Sequence[Questions], data: Sequence[DevData]
) -> Judged:
    """Judges the likeliest choice of each dev row; of equals, the first."""
    found = log_likelihoods(backbone, weights, asked, [each.choices() for each in data])
    return [
        each.judge(
            [
                example.choices[scores.index(max(scores))]
                for example, scores in zip(each.dev_examples, rows, strict=True)
            ]
        )
        for each, rows in zip(data, found, strict=True)
    ]


def _method(runs: Sequence[TrialRun]) -> Method:
    method = METHODS[runs[0].config.method]
    assert all(METHODS[run.config.method] is method for run in runs)
    assert len({run.config.answer_by for run in runs}) == 1
    assert method.shares_model or len(runs) == 1
    return method


def _on_device(parameters: Mapping[str, Tensor], backbone: Backbone) -> dict[str, Tensor]:
    """Parameters that were kept on the cores, where the model computes."""
    device = device_of(backbone.weights)
    return {name: parameter.to(device) for name, parameter in parameters.items()}


def _detached(prompt: Tensor | None) -> Tensor | None:
    return None if prompt is None else prompt.detach()


def _dropout(
    runs: Sequence[TrialRun], places: Sequence[int], positions: int, device: torch.device
) -> Dropout:
    """Dropout of the rows that stand at `places` in the step of all runs."""
    rate = runs[0].config.dropout or 0.0
    assert all(run.config.dropout == runs[0].config.dropout for run in runs)
    if not rate:
        return NONE
    keys = [
        row_keys(
            int(run.config.training_id, 16), run.step, run.config.batch_size or 0, device=device
        )
        for run in runs
    ]
    return Dropout(rate=rate, keys=torch.cat(keys)[list(places)], prompt=positions)

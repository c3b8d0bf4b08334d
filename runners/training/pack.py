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
from runners.data.batching import Encoded, collate
from runners.data.positions import check_positions
from runners.data.source import load_task_data, load_transfer_data
from runners.model.backbone import Backbone, device_of
from runners.model.dropout import NONE, Dropout, row_keys
from runners.prompt.soft_prompt import Prompted, stack
from runners.training.judging import evaluate, evaluate_transfer, method_of
from runners.training.memory import Room, Rooms
from runners.training.method import METHODS
from runners.training.micro_batches import Parts, in_parts
from runners.training.trial import Diverged, Member, TrialRun


class Observer(Protocol):
    """What a pack tells the one who runs it."""

    def finished(self, run: TrialRun) -> None:
        """All steps of a trial are done and its best point is known."""

    def diverged(self, run: TrialRun, reason: str) -> None:
        """A trial left the pack because its numbers are not finite."""


def start(configs: Sequence[TrialConfig], backbone: Backbone, catalogue: Catalogue) -> TrialRun:
    """The run of one trial, or of several trials of one mixture, at step 0.

    Raises ValueError for data that does not fit the trial or its model.
    """
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
    each = catalogue.mixture_of(first.config)
    mixed = [load_task_data(config, backbone.codec, catalogue) for config in each]
    for member in members:
        check_positions(member.config, [*mixed, *member.transfer.values()], backbone.positions)
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
    backbone: Backbone, queue: Iterator[TrialRun], *, slots: int, observer: Observer,
    rooms: Rooms | None = None,
) -> Iterator[Sequence[TrialRun]]:  # fmt: skip
    """Train the trials of a queue, `slots` at a time; yields the live ones after each step of all.

    All trials are of one method; one whose trials change the model runs alone.
    A caller that stops asking leaves every live trial at a whole step.
    """
    rooms = rooms or Rooms()
    live: list[TrialRun] = []
    while True:
        live += itertools.islice(queue, slots - len(live))
        if not live:
            return
        live = _advance(backbone, live, observer, rooms)
        yield live


def _advance(
    backbone: Backbone, live: list[TrialRun], observer: Observer, rooms: Rooms
) -> list[TrialRun]:
    """One step of every live trial; returns those that go on."""
    began = time.perf_counter()
    evaluate(backbone, [run for run in live if run.due_on_start], rooms.evaluation)
    todo = [run for run in live if not run.finished]
    healthy = [run for run in live if run.finished]
    losses = train_step(backbone, todo, rooms.training) if todo else []
    for run, loss in zip(todo, losses, strict=True):
        try:
            run.update(loss)
            healthy.append(run)
        except Diverged as reason:
            observer.diverged(run, str(reason))
    evaluate(backbone, [run for run in healthy if run.due], rooms.evaluation)
    evaluate_transfer(backbone, [run for run in healthy if run.finished], rooms.evaluation)
    share = (time.perf_counter() - began) / len(live)
    for run in healthy:
        run.seconds += share
        if run.finished:
            observer.finished(run)
    return [run for run in healthy if not run.finished]


def train_step(
    backbone: Backbone, runs: Sequence[TrialRun], room: Room | None = None
) -> list[float]:
    """Gradients of every trial's own mean loss on its own next rows.

    The rows go through the model in parts that have room. Returns the losses
    in nats a token.
    """
    room = room or Room()
    static = room.is_static
    rows = [run.rows() for run in runs]
    # A prompt that is read once a part is no work of its rows, and wants parts of many rows.
    once = backbone.reads_prompts_once
    along = 0 if once else max(run.config.prompt_length or 0 for run in runs)
    owners = [k for k, own in enumerate(rows) for _ in own]
    return in_parts(
        lambda parts: _gradients(backbone, runs, rows, owners, parts, static=static),
        [row.width(along, static=static) for own in rows for row in own],
        parameters=backbone.parameter_count,
        device=device_of(backbone.weights),
        room=room,
        owners=owners if once else None,
    )


def _gradients(
    backbone: Backbone, runs: Sequence[TrialRun], rows: Sequence[Sequence[Encoded]],
    owners: Sequence[int], parts: Parts, *, static: bool,
) -> list[float]:  # fmt: skip
    """Adds up losses and gradients over parts, which say where their rows stand among all.

    `owners` says which run each of all rows is of.
    """
    for parameter in (p for run in runs for p in run.parameters.values()):
        parameter.grad = None
    every = [row for own in rows for row in own]
    tokens = torch.tensor(
        [sum(len(row.target_ids) for row in own) for own in rows],
        device=device_of(backbone.weights),
    )
    losses = [0.0] * len(runs)
    for part in parts:
        held = [owners[place] for place in part]
        of_part = [every[place] for place in part]
        shares = _loss_sums(backbone, runs, of_part, held, part, static=static) / tokens
        shares.sum().backward()
        losses = [loss + share for loss, share in zip(losses, shares.tolist(), strict=True)]
    return losses


def _loss_sums(
    backbone: Backbone, runs: Sequence[TrialRun], rows: Sequence[Encoded], owners: Sequence[int],
    places: Sequence[int], *, static: bool,
) -> Tensor:  # fmt: skip
    """Summed losses of each trial's rows among these: [K].

    `owners` says which run each row is of, and `places` where it stands in the step.
    """
    method = method_of(runs)
    weights = method.weights(backbone, runs[0].parameters)
    device = device_of(weights)
    batch = collate(rows, backbone.codec, device=device, static=static)
    owner = torch.tensor(owners, device=device)  # [B]
    embedded, mask = backbone.embed(weights, batch.input_ids), batch.mask
    each = [prompt for run in runs if (prompt := method.prompt(run.parameters)) is not None]
    prompts = Prompted(bank=stack(each), of_row=owner) if each else None
    dropout = _dropout(runs, places, prompts.bank.positions if prompts else 0, device)
    token_losses = backbone.losses(
        weights, embedded, mask, batch.targets, dropout, prompts=prompts
    )  # [B, D]
    sums = torch.zeros(len(runs), dtype=token_losses.dtype, device=device)
    return sums.index_add(0, owner, token_losses.sum(dim=1))


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

"""Answers of many trials over one model, in shared batches: generated, or the likeliest choice.

Notation: K trials, B rows, N choices of them, T input tokens, D tokens of a choice, H model
width.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from runners.data.batching import Encoded, collate, pad
from runners.model.backbone import IGNORED, Backbone, Weights, device_of
from runners.prompt.soft_prompt import PromptBank, Prompted, stack
from runners.training.batch_sizes import answered_at_once


@dataclass(frozen=True, kw_only=True)
class Questions:
    """What one trial is asked: its prompt [P, H] or None, its rows, and the tokens of an answer.

    An answer is cut at `limit` tokens, end-of-sequence included.
    """

    prompt: Tensor | None
    rows: Sequence[Encoded]
    limit: int


def tokens_a_batch(backbone: Backbone) -> int:
    """Prompt and input positions of one evaluation batch of a model, where there is room."""
    return answered_at_once(
        backbone.parameter_count, on_gpu=device_of(backbone.weights).type != "cpu",
        reads_prompts_once=backbone.reads_prompts_once,
    )  # fmt: skip


@torch.no_grad()
def answer(
    backbone: Backbone, weights: Weights, asked: Sequence[Questions], *, tokens: int | None = None
) -> list[list[list[int]]]:  # fmt: skip
    """Generated token ids of every row of every trial, in the order asked.

    Rows of all trials are sorted by length and share batches; a row's answer
    depends on its own prompt and input alone. It ends with its end-of-sequence
    id, or without one where it was cut. A batch has at most so many `tokens`, by default
    those of `tokens_a_batch`.
    """
    tokens = tokens or tokens_a_batch(backbone)
    answers: list[list[list[int]]] = [[[]] * len(questions.rows) for questions in asked]
    bank = _bank(asked)
    for places in _batches(asked, bank, tokens=tokens):
        rows = [asked[k].rows[i] for k, i in places]
        embedded, mask, prompts = embed_rows(backbone, weights, bank, rows, [k for k, _ in places])
        limit = max(asked[k].limit for k, _ in places)
        generated = backbone.generate(weights, embedded, mask, limit=limit, prompts=prompts)
        for (k, i), ids in zip(places, generated.tolist(), strict=True):
            answers[k][i] = ended(ids[: asked[k].limit], backbone.codec.end_id)
    return answers


Choices = Sequence[Sequence[Sequence[int]]]
"""For every row the token ids of each of its choices, end-of-sequence included."""


@torch.no_grad()
def log_likelihoods(
    backbone: Backbone, weights: Weights, asked: Sequence[Questions], choices: Sequence[Choices],
    *, tokens: int | None = None,
) -> list[list[list[float]]]:  # fmt: skip
    """The log-likelihood in nats of every choice of every row of every trial.

    That of a choice is the sum over its tokens; `tokens` are as those of `answer`.
    """
    tokens = tokens or tokens_a_batch(backbone)
    found: list[list[list[float]]] = [[[]] * len(questions.rows) for questions in asked]
    bank = _bank(asked)
    most = max((len(each) for rows in choices for each in rows), default=0)
    for places in _batches(asked, bank, tokens=tokens, copies=most):
        rows = [asked[k].rows[i] for k, i in places]
        owners, offered = [k for k, _ in places], [choices[k][i] for k, i in places]
        likelihoods = likelihoods_of_batch(backbone, weights, bank, rows, owners, offered)
        for (k, i), each in zip(places, likelihoods, strict=True):
            found[k][i] = each
    return found


@torch.no_grad()
def likelihoods_of_batch(
    backbone: Backbone, weights: Weights, bank: PromptBank | None, rows: Sequence[Encoded],
    owners: Sequence[int], choices: Choices,
) -> list[list[float]]:  # fmt: skip
    """As `log_likelihoods`, of rows of one batch, which are read once for all of their choices.

    `owners` is that of `embed_rows`.
    """
    embedded, mask, prompts = embed_rows(backbone, weights, bank, rows, owners)
    every = [(row, choice) for row, offered in enumerate(choices) for choice in offered]
    targets = pad([np.asarray(choice) for _, choice in every], fill=IGNORED)  # [N, D]
    losses = backbone.losses(
        weights, embedded, mask, targets.to(mask.device), prompts=prompts,
        of_row=torch.tensor([row for row, _ in every], device=mask.device),
    )  # fmt: skip
    sums = iter(losses.sum(dim=1).tolist())
    return [[-next(sums) for _ in offered] for offered in choices]


def _bank(asked: Sequence[Questions]) -> PromptBank | None:
    prompts = [questions.prompt for questions in asked if questions.prompt is not None]
    assert len(prompts) in {0, len(asked)}
    return stack(prompts) if prompts else None


def embed_rows(
    backbone: Backbone, weights: Weights, bank: PromptBank | None, rows: Sequence[Encoded],
    owners: Sequence[int],
) -> tuple[Tensor, Tensor, Prompted | None]:  # fmt: skip
    """Rows as an embedded batch [B, T, H] with its mask [B, T], and their prompts.

    `owners` says which prompt of `bank` each row has; without a bank none has one.
    """
    batch = collate(rows, backbone.codec, device=device_of(weights))
    embedded = backbone.embed(weights, batch.input_ids)
    if not bank:
        return embedded, batch.mask, None
    of_row = torch.tensor(owners, device=batch.mask.device)
    return embedded, batch.mask, Prompted(bank=bank, of_row=of_row)


def ended(ids: list[int], end_id: int) -> list[int]:
    """`ids` without the padding after end-of-sequence, whose length is the batch's."""
    return ids[: ids.index(end_id) + 1] if end_id in ids else ids


def _batches(
    asked: Sequence[Questions], bank: PromptBank | None, *, tokens: int, copies: int = 1
) -> Iterator[list[tuple[int, int]]]:
    """Places (trial, row) by rising input length, cut where a batch would hold more `tokens`.

    Each place stands in its batch so many times.
    """
    positions = bank.positions if bank else 0
    places = [(k, i) for k, questions in enumerate(asked) for i in range(len(questions.rows))]
    places.sort(key=lambda place: len(asked[place[0]].rows[place[1]].input_ids))
    batch: list[tuple[int, int]] = []
    for k, i in places:
        width = copies * (positions + len(asked[k].rows[i].input_ids))
        if batch and width * (len(batch) + 1) > tokens:
            yield batch
            batch = []
        batch.append((k, i))
    if batch:
        yield batch


if __name__ == "__main__":
    import sys

    from runners.ensemble import main

    sys.exit(main())

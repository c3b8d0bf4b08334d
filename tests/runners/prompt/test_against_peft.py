"""Prompt tuning as PEFT does it with `num_transformer_submodules=1`, and as this project does it.

Ours is one padded batch in which rows carry prompts of their own; PEFT's is one
unpadded row after another. Tolerances, relative and absolute, are 1e-5 in
float32 and 1e-12 in float64, where `conftest.py` keeps `transformers` from
rounding its norms and softmax to float32.
"""

from typing import TYPE_CHECKING

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from runners.data.batching import Encoded, collate
from runners.model.backbone import IGNORED

if TYPE_CHECKING:
    from tests.runners.prompt.conftest import Oracle, Subject

# PEFT says so of the positions that `transformers` itself hands to `generate`.
pytestmark = pytest.mark.filterwarnings("ignore:Position ids are not supported")

LENGTHS = (1, 5, 20)
LIMIT = 6


def _gradient(prompt: Tensor) -> Tensor:
    assert prompt.grad is not None
    return prompt.grad


@pytest.mark.parametrize("length", LENGTHS)
def test_losses_and_the_prompts_gradient(
    subject: "Subject", rows: list[Encoded], length: int
) -> None:
    """Catches a mask, a position, a shift of targets or a cut that PEFT has elsewhere."""
    prompt = subject.prompt(length)
    ours = subject.losses([prompt], [0] * len(rows), rows)
    ours.sum().backward()
    oracle = subject.oracle(prompt)
    for found, row in zip(ours, rows, strict=True):
        expected = oracle.losses(row)
        expected.sum().backward()
        subject.precision.close(found[: len(expected)], expected)
        assert not found[len(expected) :].any()
    subject.precision.close(_gradient(prompt), _gradient(oracle.prompt))


@pytest.mark.parametrize("length", LENGTHS)
def test_mean_loss(subject: "Subject", rows: list[Encoded], length: int) -> None:
    """Catches a mean over rows, or over padding, where PEFT's is over target tokens.

    `transformers` takes this mean in float32, so 1e-5 holds for float64 as well.
    """
    prompt = subject.prompt(length)
    ours = subject.losses([prompt], [0] * len(rows), rows).detach()
    oracle = subject.oracle(prompt)
    for found, row in zip(ours, rows, strict=True):
        expected = float(oracle.mean_loss(row).detach())
        assert float(found.sum()) / len(row.target_ids) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("length", LENGTHS)
def test_greedy_answers(subject: "Subject", rows: list[Encoded], length: int) -> None:
    """Catches a prompt that training reads and decoding does not, or another end of an answer."""
    prompt = subject.prompt(length).detach()
    ours = subject.answers([prompt], [0] * len(rows), rows, limit=LIMIT)
    oracle = subject.oracle(prompt)
    _same_answers(ours, [oracle.answer(row, limit=LIMIT) for row in rows])


def _same_answers(ours: list[list[int]], theirs: list[list[int]]) -> None:
    assert [found[: len(said)] for found, said in zip(ours, theirs, strict=True)] == theirs
    assert not any(any(found[len(said) :]) for found, said in zip(ours, theirs, strict=True))


def test_answers_end_early_and_late(subject: "Subject", rows: list[Encoded]) -> None:
    """Catches a comparison of answers above that are all alike."""
    oracle = subject.oracle(subject.prompt(5))
    lengths = {len(oracle.answer(row, limit=LIMIT)) for row in rows}
    assert len(lengths) > 1


@pytest.mark.parametrize("owner", [(2, 0, 1, 0, 2), (2, 0, 0, 2, 2)], ids=["three", "two"])
def test_prompts_of_many_lengths_in_one_batch(
    subject: "Subject", rows: list[Encoded], owner: tuple[int, ...]
) -> None:
    """Catches a row that reads, trains or feels the prompt of its neighbour or its padding.

    Row i carries prompt `owner[i]`; PEFT has one model for each prompt. A decoder-only
    model reads two prompts once for five rows, and three along with each row.
    """
    prompts = [subject.prompt(length) for length in LENGTHS]
    ours = subject.losses(prompts, owner, rows)
    ours.sum().backward()
    oracles = [subject.oracle(prompt) for prompt in prompts]
    for found, row, own in zip(ours, rows, owner, strict=True):
        expected = oracles[own].losses(row)
        expected.sum().backward()
        subject.precision.close(found[: len(expected)], expected)
    for prompt, oracle in zip(prompts, oracles, strict=True):
        trained = oracle.prompt.grad
        nothing = torch.zeros_like(prompt)
        subject.precision.close(_gradient(prompt), nothing if trained is None else trained)
    _same_answers(
        subject.answers([prompt.detach() for prompt in prompts], owner, rows, limit=LIMIT),
        [oracles[own].answer(row, limit=LIMIT) for row, own in zip(rows, owner, strict=True)],
    )


def test_pefts_own_padded_batch(subject: "Subject", rows: list[Encoded]) -> None:
    """Catches a decoder-only row whose prompt moves away from its input as a neighbour grows.

    PEFT drops the positions that it is given, so a decoder counts its own over
    the padding between prompt and input. Ours are counted over what is seen.
    """
    prompt = subject.prompt(5).detach()
    oracle = subject.oracle(prompt)
    padded = _padded(oracle, subject, rows)
    ours = subject.losses([prompt], [0] * len(rows), rows)
    longest = 4
    if oracle.continues:
        subject.precision.close(padded[longest], ours[longest])
        assert float((padded - ours)[:longest].abs().max()) > 0.1
    else:
        subject.precision.close(padded, ours)


@torch.no_grad()
def _padded(oracle: "Oracle", subject: "Subject", rows: list[Encoded]) -> Tensor:
    """Losses [B, D] of PEFT on all rows at once, padded as ours are."""
    batch = collate(rows, subject.backbone.codec)
    ids, mask = batch.input_ids, batch.mask
    if oracle.continues:
        read = batch.targets[:, :-1]
        ids = torch.cat((ids, read.clamp(min=0)), dim=1)
        mask = torch.cat((mask, (read != IGNORED).to(mask.dtype)), dim=1)
        scores = oracle.model(input_ids=ids, attention_mask=mask).logits
    else:
        scores = oracle.model(input_ids=ids, attention_mask=mask, labels=batch.targets).logits
    last = scores[:, -batch.targets.shape[1] :].transpose(1, 2)  # [B, V, D]
    return F.cross_entropy(last, batch.targets, reduction="none")

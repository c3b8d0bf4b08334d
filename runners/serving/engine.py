"""One batch of questions through the frozen model, each row behind the prompt of its own task.

Notation: B rows, P prompt positions, T input tokens, D target tokens, H model width. The forward
pass is that of training and evaluation. A row sees neither its neighbours nor its
padding; what they change is how products are rounded. In float32 that is in the last
digits. In bfloat16 a log-likelihood moves by up to 0.2 nats as measured, and a written
answer may differ where two tokens are as near to each other (docs/serving.md).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from runners.data.batching import Encoded
from runners.evaluation import embed_rows, likelihoods_of_batch
from runners.model.backbone import Backbone
from runners.prompt.soft_prompt import PromptBank, stack
from runners.serving.protocol import Answer, Query


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """A query with its prompt [P, H], which stays with it whatever the bank does."""

    query: Query
    prompt: Tensor

    @property
    def positions(self) -> int:
        """P."""
        return self.prompt.shape[0]

    @property
    def tokens(self) -> int:
        """T."""
        return len(self.query.input_ids)

    @property
    def targets(self) -> int:
        """D: tokens of the longest choice, or the most that may be written."""
        return max(map(len, self.query.choices), default=self.query.limit)

    @property
    def copies(self) -> int:
        """Rows of the batch: one for each choice."""
        return max(1, len(self.query.choices))

    @property
    def chooses(self) -> bool:
        """Whether the answer is chosen; such queries and those that write share no batch."""
        return bool(self.query.choices)


Emit = Callable[[int, int], None]
"""Is told each token as it is written: the place of its query in the batch, and its id."""


def _nobody(place: int, token: int) -> None:
    """Nobody reads along."""


def respond(backbone: Backbone, asked: Sequence[Asked], emit: Emit = _nobody) -> list[Answer]:
    """The answers to one batch, all of it written or all of it chosen, in the order asked."""
    assert len({each.chooses for each in asked}) == 1
    prompts = len({id(each.prompt) for each in asked})
    if asked[0].chooses:
        scores = _choose(backbone, asked)
        return [
            Answer(log_likelihoods=tuple(each), batch=len(asked), prompts=prompts)
            for each in scores
        ]
    written = _write(backbone, asked, emit)
    return [Answer(ids=tuple(ids), batch=len(asked), prompts=prompts) for ids in written]


def _rows(asked: Sequence[Asked]) -> list[Encoded]:
    nothing = np.array([0])
    return [
        Encoded(input_ids=np.asarray(each.query.input_ids), target_ids=nothing) for each in asked
    ]


@torch.no_grad()
def _write(backbone: Backbone, asked: Sequence[Asked], emit: Emit) -> list[list[int]]:
    """Greedy answers, each ended or at its own limit."""
    weights, (bank, owners) = backbone.weights, _bank(asked)
    embedded, mask, prompts = embed_rows(backbone, weights, bank, _rows(asked), owners)
    written: list[list[int]] = [[] for _ in asked]
    going = set(range(len(asked)))
    limits = [each.query.limit for each in asked]
    for step in backbone.continuations(weights, embedded, mask, limits=limits, prompts=prompts):
        tokens = step.tolist()
        for row in sorted(going):
            written[row].append(tokens[row])
            emit(row, tokens[row])
            if tokens[row] == backbone.codec.end_id or len(written[row]) == limits[row]:
                going.discard(row)
    return written


def _choose(backbone: Backbone, asked: Sequence[Asked]) -> list[list[float]]:
    """The log-likelihood of every choice of every query."""
    bank, owners = _bank(asked)
    choices = [each.query.choices for each in asked]
    return likelihoods_of_batch(backbone, backbone.weights, bank, _rows(asked), owners, choices)


def _bank(asked: Sequence[Asked]) -> tuple[PromptBank, list[int]]:
    """The prompts that are asked for, each once, and the place of each query's own."""
    distinct = {id(each.prompt): each.prompt for each in asked}
    places = {key: place for place, key in enumerate(distinct)}
    return stack(list(distinct.values())), [places[id(each.prompt)] for each in asked]

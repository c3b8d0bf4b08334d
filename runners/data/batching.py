"""Rows of token ids as padded tensors.

Notation: B rows, T input tokens, D target tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from runners.data.span_corruption import Ids
from runners.model.backbone import IGNORED
from runners.model.codec import Codec


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """One example as token ids, end-of-sequence included in both."""

    input_ids: Ids
    target_ids: Ids

    @classmethod
    def ended(cls, inputs: Ids, targets: Ids, end_id: int) -> "Encoded":
        """Both halves of an example that have no end-of-sequence yet."""
        return cls(input_ids=np.append(inputs, end_id), target_ids=np.append(targets, end_id))

    def width(self, prompt: int = 0, *, static: bool = False) -> int:
        """Positions that a row takes up in its batch, `prompt` before its input: its longer side.

        The two go through stacks of their own in a T5, and targets are mostly short beside
        inputs: their sum would cut a step elsewhere for a few positions of each row. With
        `static` both are as long as `collate` makes them then.
        """
        inputs, targets = len(self.input_ids), len(self.target_ids)
        if static:
            inputs, targets = static_length(inputs), static_length(targets)
        return max(prompt + inputs, targets)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """input_ids [B, T], mask [B, T] of ones and zeros, targets [B, D] with -100 for padding."""

    input_ids: Tensor
    mask: Tensor
    targets: Tensor


class Rows(Protocol):
    """What a run reads: a function of the step alone, so that it can go on from any step."""

    def batch(self, step: int) -> Sequence[Encoded]:
        """The rows of one step, counted from 0."""


def collate(
    rows: Sequence[Encoded], codec: Codec, *, device: torch.device | str = "cpu",
    static: bool = False,
) -> Batch:  # fmt: skip
    """Rows padded to the longest of them, on `device`; with `static` to its `static_length`.

    Inputs that targets go on from are padded on the left, so that all end at
    the last position; the others, and all targets, on the right.
    """
    inputs, answers = [row.input_ids for row in rows], [row.target_ids for row in rows]
    longest, longest_answer = max(map(len, inputs)), max(map(len, answers))
    if static:
        longest, longest_answer = static_length(longest), static_length(longest_answer)
    input_ids = pad(inputs, fill=codec.pad_id, longest=longest).to(device)
    targets = pad(answers, fill=IGNORED, longest=longest_answer).to(device)
    lengths = torch.tensor([len(row.input_ids) for row in rows], device=device)
    places = torch.arange(longest, device=device)
    if codec.continues:
        gaps = (longest - lengths)[:, None]
        input_ids = input_ids.gather(1, (places - gaps) % longest)
        mask = places >= gaps
    else:
        mask = places < lengths[:, None]
    return Batch(input_ids=input_ids, mask=mask.to(torch.int64), targets=targets)


def static_length(longest: int) -> int:
    """The bucket of a length of 1 or more: the next of 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, ...

    Powers of two, and those half as long again: 18 lengths up to 512, of which less than a third is
    padding. Batches then have few shapes, for which code is compiled or kernels chosen once.
    """
    power = 1 << (longest - 1).bit_length()
    between = power * 3 // 4
    return between if longest <= between else power


def pad(rows: Sequence[Ids], *, fill: int, longest: int | None = None) -> Tensor:
    """Rows of ids as one tensor [B, longest], filled on the right.

    It is as long as the longest row where nothing is said.
    """
    padded = np.full((len(rows), longest or max(map(len, rows))), fill, dtype=np.int64)
    for place, row in enumerate(rows):
        padded[place, : len(row)] = row
    return torch.from_numpy(padded)


@dataclass(frozen=True, kw_only=True)
class Order:
    """Which examples each step sees: a new permutation each epoch, a function of the seed alone.

    Nothing is kept between steps, so a run that resumes at any step sees what
    it would have seen. Epochs follow each other without a short batch.
    """

    examples: int
    batch_size: int
    seed: int

    def batch(self, step: int) -> Ids:
        """The example indices [batch_size] of step `step`, counted from 0."""
        places = np.arange(step * self.batch_size, (step + 1) * self.batch_size)
        epochs = places // self.examples
        chosen = np.empty(self.batch_size, dtype=np.int64)
        for epoch in np.unique(epochs):
            permutation = np.random.default_rng([self.seed, int(epoch)]).permutation(self.examples)
            chosen[epochs == epoch] = permutation[places[epochs == epoch] % self.examples]
        return chosen


@dataclass(frozen=True, kw_only=True)
class Buckets:
    """Which examples each step sees, those of like length together, so that few tokens are padding.

    Every `batches` steps share the examples that `Order` gives them, sorted by
    `lengths` and dealt out in a random order of batches. A function of step and
    seed alone; 1 batch is `Order` itself.
    """

    lengths: Ids
    batch_size: int
    batches: int
    seed: int

    def batch(self, step: int) -> Ids:
        """The example indices [batch_size] of step `step`, counted from 0."""
        round_, place = divmod(step, self.batches)
        order = Order(
            examples=len(self.lengths), batch_size=self.batch_size * self.batches, seed=self.seed
        )
        chosen = order.batch(round_)
        if self.batches == 1:
            return chosen
        dealt = np.random.default_rng([self.seed, round_, 3]).permutation(self.batches)
        by_length = chosen[np.argsort(self.lengths[chosen], kind="stable")]
        first = int(dealt[place]) * self.batch_size
        return by_length[first : first + self.batch_size]

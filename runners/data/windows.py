"""Text as rows of the two self-supervised objectives: windows of documents laid end to end.

As T5 reads its text (the preprocessors `reduce_concat_tokens` and `split_tokens`
of its code): documents follow each other without a mark between them, windows of
one length are cut from that, and no token is padding.

Notation: a stream of N token ids, a window of L of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from runners.data.batching import Encoded, Order
from runners.data.prefix_lm import split_prefix
from runners.data.span_corruption import MEAN_SPAN, NOISE_DENSITY, Ids, corrupt, random_spans
from runners.data.text import Text
from runners.model.codec import Codec

Stream = NDArray[np.int32]
"""The ids of documents, one after another [N]."""
DOCUMENTS_AT_ONCE = 1_000
"""Documents that the tokenizer is given at a time."""
MINIMUM = 2
"""Tokens of the shortest window: one to read and one to write."""


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Which windows each step sees: a function of step and seed alone.

    Every epoch begins at a random place of the stream, goes round it once, and
    deals its windows out in a random order; what is left over is less than a
    window.
    """

    stream: Stream
    length: int
    """L, `MINIMUM` or more and N or less."""
    batch_size: int
    seed: int

    def batch(self, step: int) -> Iterator[Ids]:
        """The windows [L] of step `step`, counted from 0."""
        order = Order(examples=self.an_epoch, batch_size=self.batch_size, seed=self.seed)
        rows = range(step * self.batch_size, (step + 1) * self.batch_size)
        for row, number in zip(rows, order.batch(step), strict=True):
            yield self._window(int(number), epoch=row // self.an_epoch)

    @property
    def an_epoch(self) -> int:
        """Windows of one way round the stream."""
        return len(self.stream) // self.length

    def _window(self, number: int, *, epoch: int) -> Ids:
        start = int(np.random.default_rng([self.seed, epoch, 4]).integers(len(self.stream)))
        places = np.arange(self.length) + start + number * self.length
        return self.stream[places % len(self.stream)].astype(np.int64)


def train_windows(text: Text, codec: Codec, *, length: int, batch_size: int, seed: int) -> Windows:
    """Windows of the documents to train on; raises ValueError where they fill none."""
    stream = _stream(text.train, codec)
    if len(stream) < length:
        raise ValueError(
            f"text: '{text.folder}' has {len(stream):,} tokens to train on, less than a window of "
            f"{length}; give more text, or a smaller window"
        )
    return Windows(stream=stream, length=length, batch_size=batch_size, seed=seed)


def held_out_windows(text: Text, codec: Codec, *, length: int, batch_size: int) -> Windows:
    """Windows of the held-out documents, shorter where these do not fill one.

    Raises ValueError where they have less than 2 tokens.
    """
    stream = _stream(text.held_out, codec)
    if len(stream) < MINIMUM:
        raise ValueError(
            f"text: '{text.folder}' has less than {MINIMUM} held-out tokens; give more text"
        )
    length = min(length, len(stream))
    return Windows(stream=stream, length=length, batch_size=batch_size, seed=0)


def _stream(documents: Sequence[str], codec: Codec) -> Stream:
    parts = (
        list(documents[start : start + DOCUMENTS_AT_ONCE])
        for start in range(0, len(documents), DOCUMENTS_AT_ONCE)
    )
    rows = (
        np.asarray(row, dtype=np.int32)
        for part in parts
        for row in codec.tokenizer(part, add_special_tokens=False)["input_ids"]
    )
    return np.concatenate(list(rows))


@dataclass(frozen=True, kw_only=True)
class CorruptedWindows:
    """Batches of span corruption with random spans (Raffel et al. 2020, 3.1.4)."""

    windows: Windows
    end_id: int
    first_sentinel: int

    def batch(self, step: int) -> list[Encoded]:
        """The rows of one step, counted from 0."""
        rng = np.random.default_rng([self.windows.seed, step, 2])
        return [self._row(window, rng) for window in self.windows.batch(step)]

    def _row(self, ids: Ids, rng: np.random.Generator) -> Encoded:
        mask = random_spans(len(ids), noise_density=NOISE_DENSITY, mean_span=MEAN_SPAN, rng=rng)
        inputs, targets = corrupt(ids, mask, first_sentinel=self.first_sentinel)
        return Encoded.ended(inputs, targets, self.end_id)


@dataclass(frozen=True, kw_only=True)
class PrefixWindows:
    """Batches of prefix language modelling: a window is cut anywhere, and goes on to its end.

    Every place is alike, as in T5's `prefix_lm` (Raffel et al. 2020, 3.2.1): text
    has no answers that are worth more than the rest of it.
    """

    windows: Windows
    end_id: int

    def batch(self, step: int) -> list[Encoded]:
        """The rows of one step, counted from 0."""
        rng = np.random.default_rng([self.windows.seed, step, 1])
        halves = [
            split_prefix(window, rng, longest=len(window)) for window in self.windows.batch(step)
        ]
        return [Encoded.ended(inputs, targets, self.end_id) for inputs, targets in halves]

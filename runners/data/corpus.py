"""Documents of the embedded world as rows, for span corruption and prefix language modelling.

Notation: a document of N token ids.
"""

import functools
import itertools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedTokenizerBase

from runners.data.batching import Buckets, Encoded, Order
from runners.data.prefix_lm import split_prefix
from runners.data.span_corruption import MEAN_SPAN, NOISE_DENSITY, Ids, corrupt, random_spans
from runners.microworld.documents import sample_documents
from runners.microworld.exchanges import WORLD, Mix
from runners.microworld.writer import Document


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """One document: ids [N], and for each token the number of the answer it is in, from 1, or 0."""

    ids: Ids
    answer: Ids


def read_microworld(
    tokenizer: PreTrainedTokenizerBase, *, seed: int, documents: int, mix: Mix = WORLD
) -> list[Tokens]:
    """The first documents of a seed's stream, encoded without end-of-sequence."""
    return encode(tokenizer, itertools.islice(sample_documents(seed, mix), documents))


def encode(tokenizer: PreTrainedTokenizerBase, documents: Iterable[Document]) -> list[Tokens]:
    """Documents as tokens; a token belongs to the answer whose characters it overlaps."""
    kept = list(documents)
    encoded = tokenizer(
        [document.text for document in kept], add_special_tokens=False, return_offsets_mapping=True
    )
    rows = zip(kept, encoded["input_ids"], encoded["offset_mapping"], strict=True)
    return [Tokens(ids=np.asarray(ids), answer=_owners(each, places)) for each, ids, places in rows]


def _owners(document: Document, offsets: list[tuple[int, int]]) -> Ids:
    """For each token, the number of the answer whose characters it overlaps, from 1, or 0."""
    owners = np.zeros(len(offsets), dtype=np.int64)
    starts, ends = np.asarray(offsets).T
    for number, (start, end) in enumerate(document.answers, start=1):
        owners[(ends > start) & (starts < end)] = number
    return owners


@dataclass(frozen=True, kw_only=True)
class PrefixRows:
    """Batches of prefix language modelling: a function of step and seed alone.

    A share `salient` of the documents is cut where an answer begins and ends
    with it; the others are cut anywhere in their last `longest` tokens and go on
    to their end.
    """

    documents: list[Tokens]
    batch_size: int
    seed: int
    end_id: int
    salient: float
    longest: int

    def batch(self, step: int) -> list[Encoded]:
        """The rows of one step, counted from 0."""
        order = Order(examples=len(self.documents), batch_size=self.batch_size, seed=self.seed)
        rng = np.random.default_rng([self.seed, step, 1])
        pairs = [self._split(self.documents[i], rng) for i in order.batch(step)]
        return [Encoded.ended(inputs, targets, self.end_id) for inputs, targets in pairs]

    def _split(self, document: Tokens, rng: np.random.Generator) -> tuple[Ids, Ids]:
        if document.answer.any() and rng.random() < self.salient:
            number = rng.integers(1, document.answer.max() + 1)
            places = np.flatnonzero(document.answer == number)
            return document.ids[: places[0]], document.ids[places[0] : places[-1] + 1]
        return split_prefix(document.ids, rng, longest=self.longest)


@dataclass(frozen=True, kw_only=True)
class CorruptedRows:
    """Batches of span corruption: a function of step and seed alone.

    A share `salient` of the documents loses all its answers in place of random
    spans (salient span masking, Guu et al. 2020, 3.4).
    """

    documents: list[Tokens]
    batch_size: int
    batches: int
    """Batches among which documents are sorted by length (`Buckets`); 1 sorts none."""
    seed: int
    end_id: int
    first_sentinel: int
    salient: float

    def batch(self, step: int) -> list[Encoded]:
        """The rows of one step, counted from 0."""
        rng = np.random.default_rng([self.seed, step, 2])
        return [self._row(self.documents[i], rng) for i in self._order.batch(step)]

    @functools.cached_property
    def _order(self) -> Buckets:
        return Buckets(
            lengths=np.array([len(document.ids) for document in self.documents]),
            batch_size=self.batch_size,
            batches=self.batches,
            seed=self.seed,
        )

    def _row(self, document: Tokens, rng: np.random.Generator) -> Encoded:
        ids = document.ids
        if document.answer.any() and rng.random() < self.salient:
            mask = document.answer > 0
        else:
            mask = random_spans(len(ids), noise_density=NOISE_DENSITY, mean_span=MEAN_SPAN, rng=rng)
        inputs, targets = corrupt(ids, mask, first_sentinel=self.first_sentinel)
        return Encoded.ended(inputs, targets, self.end_id)

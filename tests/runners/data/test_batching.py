"""Batches and the order of examples."""

import numpy as np
import pytest

from runners.data.batching import Buckets, Encoded, Order, collate, static_length
from runners.model.codec import Codec
from runners.model.t5_backbone import T5Backbone


@pytest.fixture
def codec(backbone: T5Backbone) -> Codec:
    """Of an encoder-decoder: padding is id 0."""
    return backbone.codec


def test_padding_is_masked_and_ignored(codec: Codec) -> None:
    """Catches padding that is attended to or learned."""
    rows = [
        Encoded(input_ids=np.array([5, 6, 1]), target_ids=np.array([7, 1])),
        Encoded(input_ids=np.array([5, 1]), target_ids=np.array([7, 8, 1])),
    ]
    batch = collate(rows, codec)
    assert batch.input_ids.tolist() == [[5, 6, 1], [5, 1, 0]]
    assert batch.mask.tolist() == [[1, 1, 1], [1, 1, 0]]
    assert batch.targets.tolist() == [[7, 1, -100], [7, 8, 1]]


def test_inputs_that_targets_go_on_from_end_together(codec: Codec) -> None:
    """Catches a first target token that is predicted from padding."""
    rows = [
        Encoded(input_ids=np.array(ids), target_ids=np.array(targets))
        for ids, targets in [([5, 6, 7], [8]), ([9], [8, 1]), ([2, 3], [4])]
    ]
    batch = collate(rows, Codec(tokenizer=codec.tokenizer, continues=True))
    assert batch.input_ids.tolist() == [[5, 6, 7], [0, 0, 9], [0, 2, 3]]
    assert batch.mask.tolist() == [[1, 1, 1], [0, 0, 1], [0, 1, 1]]
    assert batch.targets.tolist() == [[8, -100], [8, 1], [4, -100]]


def test_a_row_is_as_wide_as_its_longer_side() -> None:
    """Catches a row of one input token and 511 of target that counts as one position."""
    row = Encoded(input_ids=np.array([5, 1]), target_ids=np.array([7, 8, 9, 1]))
    assert [row.width(prompt) for prompt in (0, 1, 2, 3)] == [4, 4, 4, 5]


def test_lengths_are_few_and_little_of_them_is_padding() -> None:
    """Catches a length that is cut, and buckets so wide that most of a batch is padding."""
    found = [static_length(length) for length in range(1, 513)]
    assert sorted({*found})[:10] == [1, 2, 3, 4, 6, 8, 12, 16, 24, 32]
    assert len({*found}) == 18
    assert found == sorted(found)
    for length, padded in enumerate(found, start=1):
        assert length <= padded < 1.5 * length
        assert static_length(padded) == padded


def test_batches_of_few_shapes_are_padded_on_their_own_side(codec: Codec) -> None:
    """Catches padding between an input and its target, and padding that counts as read."""
    rows = [Encoded(input_ids=np.arange(5, 10), target_ids=np.array([7, 8, 7, 8, 1]))]
    batch = collate(rows, codec, static=True)
    assert batch.input_ids.tolist() == [[5, 6, 7, 8, 9, 0]]
    assert batch.mask.tolist() == [[1, 1, 1, 1, 1, 0]]
    assert batch.targets.tolist() == [[7, 8, 7, 8, 1, -100]]
    behind = collate(rows, Codec(tokenizer=codec.tokenizer, continues=True), static=True)
    assert behind.input_ids.tolist() == [[0, 5, 6, 7, 8, 9]]
    assert behind.mask.tolist() == [[0, 1, 1, 1, 1, 1]]
    assert behind.targets.tolist() == batch.targets.tolist()
    assert rows[0].width(2, static=True) == 8


def test_a_pad_id_within_an_input_is_still_seen(codec: Codec) -> None:
    """Catches a mask made by comparing ids with the padding."""
    rows = [Encoded(input_ids=np.array([5, 0, 1]), target_ids=np.array([1]))]
    assert collate(rows, codec).mask.tolist() == [[1, 1, 1]]


def test_every_epoch_sees_every_example_once() -> None:
    """Catches sampling with replacement, and a short batch dropped at the end of an epoch."""
    order = Order(examples=7, batch_size=3, seed=0)
    seen = np.concatenate([order.batch(step) for step in range(7)])
    for epoch in range(3):
        assert sorted(seen[7 * epoch : 7 * epoch + 7]) == list(range(7))
    assert seen[:7].tolist() != seen[7:14].tolist()


def test_a_step_can_be_asked_for_alone() -> None:
    """Catches an order that depends on what was asked before, which no checkpoint could restore."""
    order = Order(examples=50, batch_size=8, seed=3)
    forward = [order.batch(step).tolist() for step in range(20)]
    assert Order(examples=50, batch_size=8, seed=3).batch(13).tolist() == forward[13]
    assert Order(examples=50, batch_size=8, seed=4).batch(13).tolist() != forward[13]


def test_buckets_hold_what_their_order_gives_with_little_padding() -> None:
    """Catches an example lost or read twice, and batches that come from short to long."""
    lengths = np.random.default_rng(0).permutation(400)
    buckets = Buckets(lengths=lengths, batch_size=10, batches=20, seed=0)
    order = Order(examples=400, batch_size=200, seed=0)
    for part in (0, 1):
        steps = [buckets.batch(step) for step in range(20 * part, 20 * part + 20)]
        assert sorted(np.concatenate(steps)) == sorted(order.batch(part))
        spans = [lengths[step].max() - lengths[step].min() for step in steps]
        assert max(spans) < 50
        longest = [lengths[step].max() for step in steps]
        assert longest != sorted(longest)


def test_one_batch_is_not_sorted() -> None:
    """Catches a run without buckets that can no longer be made again."""
    buckets = Buckets(lengths=np.arange(50), batch_size=8, batches=1, seed=3)
    order = Order(examples=50, batch_size=8, seed=3)
    assert [buckets.batch(s).tolist() for s in range(9)] == [
        order.batch(s).tolist() for s in range(9)
    ]

"""The lean T5 against `transformers`, whose modules are the reference throughout."""

import dataclasses
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from transformers import T5ForConditionalGeneration
from transformers.models.t5.modeling_t5 import T5Attention

from runners.model import t5
from runners.model.backbone import IGNORED, Weights
from runners.model.dropout import NONE, Dropout
from runners.model.sizes import reads_source
from runners.model.t5 import (
    Cache,
    Layer,
    T5Dimensions,
    decode,
    encode,
    memory_of,
    relative_buckets,
    remember,
)
from runners.model.t5_backbone import T5Backbone

FEW, MANY = 2, 5
"""Target positions that read the encoder's output itself, and those that read keys and values."""
either_way = pytest.mark.parametrize("positions", [FEW, MANY])


def test_both_ways_to_read_the_encoder_are_tested(backbone: T5Backbone) -> None:
    """Catches a model or a rule under which one of them is compared with nothing."""
    assert reads_source(FEW, backbone.shape.head_width)
    assert not reads_source(MANY, backbone.shape.head_width)


def _batch(positions: int = MANY) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(3, 600, (4, 40), generator=generator)
    mask = (torch.arange(40) < torch.tensor([[40], [30], [7], [22]])).long()
    targets = torch.randint(3, 600, (4, 5), generator=generator)
    targets = targets[:, :positions].contiguous()
    targets[1, (positions + 1) // 2 :] = IGNORED
    return ids, mask, targets


@either_way
def test_losses_and_input_gradients_are_those_of_transformers(
    model: T5ForConditionalGeneration, backbone: T5Backbone, positions: int
) -> None:
    """Catches any slip of the arithmetic: a scale, a norm, a bias, a mask, a shift of targets."""
    ids, mask, targets = _batch(positions)
    ours = backbone.embed(backbone.weights, ids).requires_grad_()
    losses = backbone.losses(backbone.weights, ours, mask, targets)
    losses.sum().backward()
    theirs = model.get_input_embeddings()(ids).detach().requires_grad_()
    logits = model(inputs_embeds=theirs, attention_mask=mask, labels=targets).logits
    expected = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
    expected.sum().backward()
    torch.testing.assert_close(losses, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-6)


@either_way
def test_weight_gradients_are_those_of_transformers(
    model: T5ForConditionalGeneration, backbone: T5Backbone, positions: int
) -> None:
    """Catches a weight that is detached or read twice, which model tuning would not learn."""
    ids, mask, targets = _batch(positions)
    weights = {name: w.clone().requires_grad_() for name, w in backbone.weights.items()}
    backbone.losses(weights, backbone.embed(weights, ids), mask, targets).sum().backward()
    model.zero_grad()
    logits = model(input_ids=ids, attention_mask=mask, labels=targets).logits
    F.cross_entropy(logits.transpose(1, 2), targets, reduction="sum").backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(weights[name].grad, parameter.grad, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("limit", [FEW, MANY + 1])
def test_greedy_answers_are_those_of_generate(
    model: T5ForConditionalGeneration, backbone: T5Backbone, limit: int
) -> None:
    """Catches a start token, an end or a position that differs between training and decoding."""
    ids, mask, _ = _batch()
    embedded = backbone.embed(backbone.weights, ids)
    expected = model.generate(
        inputs_embeds=embedded, attention_mask=mask, max_new_tokens=limit, do_sample=False
    )
    found = backbone.generate(backbone.weights, embedded, mask, limit=limit)
    assert found.tolist() == expected[:, 1:].tolist()


def test_a_row_does_not_feel_its_padding(backbone: T5Backbone) -> None:
    """Catches attention that leaks into padding, so that a longer neighbour changes a row."""
    ids, _, targets = _batch()
    mask = torch.ones(4, 20, dtype=torch.long)
    embedded = backbone.embed(backbone.weights, ids)
    alone = backbone.losses(backbone.weights, embedded[:, :20], mask, targets)
    padded = backbone.losses(backbone.weights, embedded, F.pad(mask, (0, 20)), targets)
    torch.testing.assert_close(alone, padded, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("bidirectional", [True, False])
def test_relative_buckets_are_those_of_transformers(bidirectional: bool) -> None:
    """Catches an off-by-one in the buckets, which would misread every pre-trained bias."""
    distance = torch.arange(-300, 301)[None]
    expected = T5Attention._relative_position_bucket(
        distance, bidirectional=bidirectional, num_buckets=32, max_distance=128
    )
    found = relative_buckets(distance, buckets=32, max_distance=128, bidirectional=bidirectional)
    assert torch.equal(found, expected)


@either_way
def test_a_decoder_with_a_cache_says_what_it_says_without(
    backbone: T5Backbone, positions: int
) -> None:
    """Catches a cached position, a bias or a mask that is one off, which greedy ids may hide."""
    ids, mask, targets = _batch()
    weights, shape = backbone.weights, backbone.shape
    encoded = encode(shape, weights, backbone.embed(weights, ids), mask, NONE)
    memory = remember(shape, weights, encoded, mask, positions=positions)
    read = targets.clamp(min=0)
    whole = decode(shape, weights, read, memory, NONE)
    for cuts in ((1, 1, 1, 1, 1), (2, 3), (4, 1)):
        cache = Cache()
        parts = [decode(shape, weights, part, memory, NONE, cache) for part in read.split(cuts, 1)]
        torch.testing.assert_close(torch.cat(parts, dim=1), whole, rtol=1e-5, atol=1e-5)
        assert cache.positions == 5


def test_continuations_end_with_the_last_row(backbone: T5Backbone) -> None:
    """Catches steps that are computed for nobody, or a limit that is not kept."""
    ids, mask, _ = _batch()
    embedded = backbone.embed(backbone.weights, ids)
    steps = [*backbone.continuations(backbone.weights, embedded, mask, limits=[4] * 4)]
    assert len(steps) == 4
    assert all(step.shape == (4,) for step in steps)
    output = torch.zeros_like(backbone.weights["lm_head.weight"])
    silent = {**backbone.weights, "lm_head.weight": output}
    first = int(next(backbone.continuations(silent, embedded, mask, limits=[4] * 4))[0])
    ending = dataclasses.replace(backbone, codec=_Ending(first))
    assert len([*ending.continuations(silent, embedded, mask, limits=[4] * 4)]) == 1


@pytest.mark.parametrize(
    ("limits", "computed"),
    [
        ((1, 1, 1, 5), [4, 1, 1, 1, 1]),
        ((5, 1, 3, 1), [4, 2, 2, 1, 1]),
        ((5, 5, 2, 5), [4, 4, 4, 4, 4]),
        ((2, 2, 2, 2), [4, 4]),
    ],
)
def test_rows_that_have_ended_are_left_out_and_the_others_go_on_as_they_were(
    backbone: T5Backbone, limits: tuple[int, ...], computed: list[int]
) -> None:
    """Catches rows that are computed for nobody, and a row that goes on as another one.

    None of them writes its end-of-sequence within five tokens.
    """
    ids, mask, _ = _batch()
    embedded = backbone.embed(backbone.weights, ids)
    rows: list[int] = []

    def counted(name: str, layer: Layer, weights: Weights, dropout: Dropout, *read: Any) -> Any:
        if name == "decoder.block.0" and read[0].shape[1] == 1:
            rows.append(len(read[0]))
        return layer(name, weights, dropout, *read)

    noted = dataclasses.replace(backbone, call=counted)
    steps = [*noted.continuations(backbone.weights, embedded, mask, limits=limits)]
    assert rows == computed
    whole = backbone.generate(backbone.weights, embedded, mask, limit=5)
    assert not (whole == backbone.codec.end_id).any()
    for row, limit in enumerate(limits):
        said = [int(step[row]) for step in steps]
        assert said[:limit] == whole[row, :limit].tolist()
        assert said[limit:] == [backbone.codec.pad_id] * (len(steps) - limit)


def test_what_a_decoder_reads_lies_as_it_is_multiplied(backbone: T5Backbone) -> None:
    """Catches a copy of every row's keys and values at every token that is written."""
    ids, mask, _ = _batch()
    encoded = encode(
        backbone.shape, backbone.weights, backbone.embed(backbone.weights, ids), mask, NONE
    )
    memory = remember(backbone.shape, backbone.weights, encoded, mask, positions=MANY)
    for each in (memory, memory.of_rows(torch.tensor([2, 0]))):
        for read in map(each.of_layer, range(backbone.shape.decoder_layers)):
            assert all(part.is_contiguous() for part in read)


def test_dropout_is_the_same_whichever_way_the_encoder_is_read(backbone: T5Backbone) -> None:
    """Catches shares that are dropped for other heads or positions, or once too often."""
    ids, mask, targets = _batch(FEW)
    weights, shape = backbone.weights, backbone.shape
    encoded = encode(shape, weights, backbone.embed(weights, ids), mask, NONE)
    dropout = Dropout(rate=0.3, keys=torch.arange(4))
    found = [
        decode(
            shape, weights, targets.clamp(min=0),
            remember(shape, weights, encoded, mask, positions=positions), dropout,
        )
        for positions in (FEW, MANY)
    ]  # fmt: skip
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-5)


def test_few_positions_have_no_keys_and_values_made_for_them(backbone: T5Backbone) -> None:
    """Catches work on every input position in each decoder layer, for a short answer."""
    ids, mask, _ = _batch()
    embedded = backbone.embed(backbone.weights, ids)
    encoded = encode(backbone.shape, backbone.weights, embedded, mask, NONE)
    memory = memory_of(encoded, mask)
    read = torch.zeros(4, FEW, dtype=torch.int64)
    with FlopCounterMode(display=False) as counter:
        decode(backbone.shape, backbone.weights, read, memory, NONE)
    made = 2 * 2 * encoded.numel() * backbone.shape.heads * backbone.shape.head_width
    assert counter.get_total_flops() < backbone.shape.decoder_layers * made


@pytest.mark.parametrize("of_row", [None, torch.tensor([3, 1, 1, 0])], ids=["rows", "choices"])
def test_padding_of_targets_goes_through_no_output_layer(
    backbone: T5Backbone, monkeypatch: pytest.MonkeyPatch, of_row: Tensor | None
) -> None:
    """Catches a score of every piece for positions without a token, and losses at other places."""
    ids, mask, targets = _batch()
    embedded = backbone.embed(backbone.weights, ids)
    seen: list[int] = []
    output = t5.logits

    def counted(shape: T5Dimensions, weights: Weights, hidden: Tensor) -> Tensor:
        seen.append(hidden.shape[:-1].numel())
        return output(shape, weights, hidden)

    monkeypatch.setattr(t5, "logits", counted)
    found = backbone.losses(backbone.weights, embedded, mask, targets, of_row=of_row)
    assert seen == [int((targets != IGNORED).sum())]
    assert seen[0] < targets.numel()
    for row, target in enumerate(targets):
        own = target[target != IGNORED][None]
        read = row if of_row is None else int(of_row[row])
        alone = backbone.losses(backbone.weights, embedded[read, None], mask[read, None], own)
        torch.testing.assert_close(found[row, : own.shape[1]], alone[0], rtol=1e-5, atol=1e-5)
        assert not found[row, own.shape[1] :].any()


class _Ending:
    """A codec that ends with the one token that a silent model writes."""

    pad_id = 0

    def __init__(self, end_id: int) -> None:
        self.end_id = end_id

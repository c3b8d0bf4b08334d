"""T5 as a pure function of its weights, exact against `transformers` and lean.

Notation: B rows, T input positions (prompt included), D target positions,
H model width, N heads, C width of a head, V vocabulary.

Weights come as a mapping of checkpoint names to tensors, so that the same code
serves a frozen model (weights cast once) and one that trains (float32 weights,
cast where they are used). T5 1.1 has a gated feed-forward layer and an output
layer of its own; T5 1.0 has neither. Every sum over positions is masked, so a row feels
neither its padding nor its neighbours.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from runners.model import products
from runners.model.backbone import Weights, at_least_float32
from runners.model.dropout import NONE, Dropout
from runners.model.sizes import reads_source

MASKED = -1e9
"""Added to the attention score of a position that may not be seen."""
ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "gelu_new": partial(F.gelu, approximate="tanh"),
    "relu": F.relu,
    "silu": F.silu,
}
"""Activations of the feed-forward layer by their names in `transformers`."""


@dataclass(frozen=True, kw_only=True)
class T5Dimensions:
    """What the arithmetic needs to know of a T5 checkpoint's config.json."""

    layers: int
    decoder_layers: int
    heads: int
    head_width: int
    buckets: int
    max_distance: int
    epsilon: float
    start_id: int
    activation: str = "gelu_new"
    """A key of `ACTIVATIONS`."""
    gated: bool = True
    """Whether the activation gates a second projection, as in T5 1.1."""
    tied: bool = False
    """Whether the output layer is the input embedding, as in T5 1.0, and its input is scaled."""


KeysValues = tuple[Tensor, Tensor]
"""Keys and values of one layer, each [B, N, T, C]."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What the decoder reads of the encoder.

    `read` is the encoder's output [B, T, H], which every layer reads, or keys and values
    of it for each layer; a bias [B, 1, 1, T] hides padding.
    """

    read: Tensor | tuple[KeysValues, ...]
    bias: Tensor

    def of_layer(self, number: int) -> Tensor | KeysValues:
        """What a layer of the decoder reads."""
        return self.read if isinstance(self.read, Tensor) else self.read[number]

    def of_rows(self, places: Tensor) -> "Memory":
        """That of some rows, by their places."""
        if isinstance(self.read, Tensor):
            return Memory(read=self.read[places], bias=self.bias[places])
        read = tuple((keys[places], values[places]) for keys, values in self.read)
        return Memory(read=read, bias=self.bias[places])


class Layer(Protocol):
    """A layer of either stack."""

    def __call__(self, name: str, weights: Weights, dropout: Dropout, *read: Any) -> Any:
        """What it makes of tensors, with the weights and the places of dropout under `name`."""


class Call(Protocol):
    """How a layer is called: at once, compiled, once more for its gradients, with other weights."""

    def __call__(
        self, name: str, layer: Layer, weights: Weights, dropout: Dropout, *read: Any
    ) -> Any:
        """What `layer` makes of tensors, with those of the weights that are under `name`."""


def at_once(name: str, layer: Layer, weights: Weights, dropout: Dropout, *read: Any) -> Any:
    """The layer as it is, which keeps what its gradients need."""
    return layer(name, weights, dropout, *read)


PLACES = tuple(
    f".layer.{number}{what}"
    for number in range(3)
    for what in ("", ".SelfAttention", ".EncDecAttention", ".inner")
)
"""Where a layer may drop something, behind its name."""


def encode(
    shape: T5Dimensions, weights: Weights, embedded: Tensor, mask: Tensor, dropout: Dropout,
    call: Call = at_once,
) -> Tensor:  # fmt: skip
    """The encoder over embedded inputs [B, T, H] with mask [B, T] of ones and zeros: [B, T, H]."""
    hidden = dropout(embedded, "encoder.in")
    bias = _position_bias(shape, weights, "encoder", mask.shape[1], bidirectional=True)
    bias = (bias + _mask_bias(mask)).to(hidden.dtype)  # [B, N, T, T]
    layer = partial(_encoder_layer, shape)
    for number in range(shape.layers):
        hidden = call(f"encoder.block.{number}", layer, weights, dropout, hidden, bias)
    return dropout(_norm(shape, weights, "encoder.final_layer_norm", hidden), "encoder.out")


def _encoder_layer(
    shape: T5Dimensions, name: str, weights: Weights, dropout: Dropout, hidden: Tensor, bias: Tensor
) -> Tensor:
    name = f"{name}.layer"
    normed = _norm(shape, weights, f"{name}.0.layer_norm", hidden)
    own = _keys_values(shape, f"{name}.0.SelfAttention", weights, normed)
    attended = _attend(shape, weights, f"{name}.0.SelfAttention", normed, own, bias, dropout)
    hidden = hidden + dropout(attended, f"{name}.0")
    return _feed_forward(shape, weights, f"{name}.1", hidden, dropout)


def memory_of(encoded: Tensor, mask: Tensor) -> Memory:
    """The encoder's output as what the decoder reads, which makes of it what it needs."""
    return Memory(read=encoded, bias=_mask_bias(mask).to(encoded.dtype))


def remember(
    shape: T5Dimensions, weights: Weights, encoded: Tensor, mask: Tensor, *, positions: int,
    call: Call = at_once,
) -> Memory:  # fmt: skip
    """What the decoder reads in a call for each of so many positions at most, one after another.

    Keys and values of each layer, once for all calls, unless they are never made.
    """
    memory = memory_of(encoded, mask)
    if reads_source(positions, shape.head_width):
        return memory
    layer = partial(_what_is_read, shape)
    keys_values = tuple(
        call(f"decoder.block.{number}", layer, weights, NONE, encoded)
        for number in range(shape.decoder_layers)
    )
    return replace(memory, read=keys_values)


def _what_is_read(
    shape: T5Dimensions, name: str, weights: Weights, dropout: Dropout, encoded: Tensor
) -> tuple[Tensor, Tensor]:
    """The part of a decoder layer that comes before there is anything to decode.

    Each head lies in one piece, or every call would copy all of it to multiply it.
    """
    keys, values = _keys_values(shape, f"{name}.layer.1.EncDecAttention", weights, encoded)
    return keys.contiguous(), values.contiguous()


@dataclass(kw_only=True)
class Cache:
    """What the decoder has computed of its own past: keys and values of each layer [B, N, S, C].

    S counts the positions so far. It grows with every call of `decode` that it is given to.
    """

    keys_values: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    @property
    def positions(self) -> int:
        """S."""
        return self.keys_values[0][0].shape[2] if self.keys_values else 0

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of the past with those of new positions, which the cache keeps."""
        if layer == len(self.keys_values):
            self.keys_values.append((keys, values))
        else:
            past_keys, past_values = self.keys_values[layer]
            whole = torch.cat((past_keys, keys), dim=2), torch.cat((past_values, values), dim=2)
            self.keys_values[layer] = whole
        return self.keys_values[layer]

    def of_rows(self, places: Tensor) -> "Cache":
        """That of some rows, by their places."""
        kept = [(keys[places], values[places]) for keys, values in self.keys_values]
        return Cache(keys_values=kept)


def decode(
    shape: T5Dimensions, weights: Weights, decoder_ids: Tensor, memory: Memory, dropout: Dropout,
    cache: Cache | None = None, call: Call = at_once,
) -> Tensor:  # fmt: skip
    """The decoder over shifted target ids: [B, D] -> [B, D, H], before the output layer.

    With a cache the ids are those after the positions that it has.
    """
    hidden = embed(weights, decoder_ids).to(memory.bias.dtype)
    hidden = dropout(hidden, "decoder.in")
    new, past = decoder_ids.shape[1], cache.positions if cache else 0
    length = past + new
    causal = torch.full((new, length), MASKED, device=hidden.device).triu(1 + past)
    bias = _position_bias(shape, weights, "decoder", length, bidirectional=False, queries=new)
    bias = (bias + causal).to(hidden.dtype)  # [1, N, D, S + D]
    for number in range(shape.decoder_layers):
        extend = partial(cache.extend, number) if cache else None
        layer = partial(_decoder_layer, shape, extend)
        read = (bias, memory.bias), memory.of_layer(number)
        hidden = call(f"decoder.block.{number}", layer, weights, dropout, hidden, *read)
    return dropout(_norm(shape, weights, "decoder.final_layer_norm", hidden), "decoder.out")


def _decoder_layer(
    shape: T5Dimensions, extend: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None,
    name: str, weights: Weights, dropout: Dropout,
    hidden: Tensor, biases: tuple[Tensor, Tensor], read: Tensor | KeysValues,
) -> Tensor:  # fmt: skip
    """A layer: [B, D, H] -> [B, D, H].

    `biases` are for its own positions and for those that it reads; `extend` puts keys
    and values behind those of the past.
    """
    bias, read_bias = biases
    name = f"{name}.layer"
    normed = _norm(shape, weights, f"{name}.0.layer_norm", hidden)
    own = _keys_values(shape, f"{name}.0.SelfAttention", weights, normed)
    own = extend(*own) if extend else own
    attended = _attend(shape, weights, f"{name}.0.SelfAttention", normed, own, bias, dropout)
    hidden = hidden + dropout(attended, f"{name}.0")
    normed = _norm(shape, weights, f"{name}.1.layer_norm", hidden)
    cross = f"{name}.1.EncDecAttention"
    if isinstance(read, Tensor) and not reads_source(normed.shape[1], shape.head_width):
        read = _keys_values(shape, cross, weights, read)
    if isinstance(read, Tensor):
        attended = _attend_source(shape, weights, cross, normed, read, read_bias, dropout)
    else:
        attended = _attend(shape, weights, cross, normed, read, read_bias, dropout)
    hidden = hidden + dropout(attended, f"{name}.1")
    return _feed_forward(shape, weights, f"{name}.2", hidden, dropout)


def embed(weights: Weights, ids: Tensor) -> Tensor:
    """Rows of the input embedding: ids [B, T] -> [B, T, H]."""
    return F.embedding(ids, weights["shared.weight"])


def logits(shape: T5Dimensions, weights: Weights, hidden: Tensor) -> Tensor:
    """The output layer, its scores in float32 or more: hidden [..., H] -> [..., V]."""
    if shape.tied:
        hidden, name = hidden * hidden.shape[-1] ** -0.5, "shared.weight"
    else:
        name = "lm_head.weight"
    return at_least_float32(_linear(hidden, weights[name]))


def _linear(x: Tensor, weight: Tensor) -> Tensor:
    return products.linear(x, weight.to(x.dtype))


def _norm(shape: T5Dimensions, weights: Weights, name: str, x: Tensor) -> Tensor:
    weight = weights[f"{name}.weight"]
    return F.rms_norm(x, x.shape[-1:], weight.to(x.dtype), shape.epsilon)


def _heads(shape: T5Dimensions, x: Tensor) -> Tensor:
    return x.view(*x.shape[:2], shape.heads, shape.head_width).transpose(1, 2)  # [B, N, T, C]


def _keys_values(
    shape: T5Dimensions, name: str, weights: Weights, source: Tensor
) -> tuple[Tensor, Tensor]:
    keys = _heads(shape, _linear(source, weights[f"{name}.k.weight"]))
    return keys, _heads(shape, _linear(source, weights[f"{name}.v.weight"]))


def _attend(
    shape: T5Dimensions,
    weights: Weights,
    name: str,
    x: Tensor,
    keys_values: tuple[Tensor, Tensor],
    bias: Tensor,
    dropout: Dropout,
) -> Tensor:
    """T5 attention, whose scores are not divided by a root: [B, D, H] -> [B, D, H]."""
    keys, values = keys_values
    queries = _heads(shape, _linear(x, weights[f"{name}.q.weight"]))
    scores = products.matmul(queries, keys.transpose(2, 3)) + bias
    shares = dropout.attention(F.softmax(scores, dim=-1), name)
    read = products.matmul(shares, values).transpose(1, 2).flatten(2)  # [B, D, N * C]
    return _linear(read, weights[f"{name}.o.weight"])


def _attend_source(
    shape: T5Dimensions,
    weights: Weights,
    name: str,
    x: Tensor,
    source: Tensor,
    bias: Tensor,
    dropout: Dropout,
) -> Tensor:
    """`_attend` to keys and values of a source [B, T, H], which are never made.

    q . (W_k s) = (W_k^T q) . s, and the shares' mean of W_v s is W_v of their mean of s; so what
    is as long as the source is multiplied by D * N vectors of a row and by no weights.
    """
    by_head = (shape.heads, shape.head_width, source.shape[2])
    to_keys = weights[f"{name}.k.weight"].to(x.dtype).view(by_head)  # [N, C, H]
    to_values = weights[f"{name}.v.weight"].to(x.dtype).view(by_head)
    rows, positions = x.shape[:2]
    queries = _linear(x, weights[f"{name}.q.weight"]).view(-1, *by_head[:2]).transpose(0, 1)
    asked = products.matmul(queries, to_keys).view(shape.heads, rows, positions, -1)
    asked = asked.transpose(0, 1).flatten(1, 2)  # [B, N * D, H]
    scores = products.matmul(asked, source.transpose(1, 2))
    scores = scores.view(rows, shape.heads, positions, -1) + bias
    shares = dropout.attention(F.softmax(scores, dim=-1), name)
    means = products.matmul(shares.flatten(1, 2), source)  # [B, N * D, H]
    means = means.view(rows, shape.heads, positions, -1).transpose(0, 1).flatten(1, 2)
    read = products.matmul(means, to_values.transpose(1, 2))  # [N, B * D, C]
    read = read.view(shape.heads, rows, positions, -1).permute(1, 2, 0, 3).flatten(2)
    return _linear(read, weights[f"{name}.o.weight"])


def _feed_forward(
    shape: T5Dimensions, weights: Weights, name: str, hidden: Tensor, dropout: Dropout
) -> Tensor:
    normed = _norm(shape, weights, f"{name}.layer_norm", hidden)
    dense, activate = f"{name}.DenseReluDense", ACTIVATIONS[shape.activation]
    if shape.gated:
        inner = activate(_linear(normed, weights[f"{dense}.wi_0.weight"]))
        inner = inner * _linear(normed, weights[f"{dense}.wi_1.weight"])
    else:
        inner = activate(_linear(normed, weights[f"{dense}.wi.weight"]))
    inner = dropout(inner, f"{name}.inner")
    return hidden + dropout(_linear(inner, weights[f"{dense}.wo.weight"]), name)


def _mask_bias(mask: Tensor) -> Tensor:
    return (1.0 - mask[:, None, None, :].float()) * MASKED  # [B, 1, 1, T]


def _position_bias(
    shape: T5Dimensions, weights: Weights, stack: str, length: int, *, bidirectional: bool,
    queries: int | None = None,
) -> Tensor:  # fmt: skip
    """The bias of the last `queries` positions, or of all, towards each: [1, N, queries, T]."""
    table = weights[f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"]
    places = torch.arange(length, device=table.device)
    first = 0 if queries is None else length - queries
    buckets = relative_buckets(
        places[None, :] - places[first:, None],
        buckets=shape.buckets,
        max_distance=shape.max_distance,
        bidirectional=bidirectional,
    )
    return F.embedding(buckets, at_least_float32(table)).permute(2, 0, 1)[None]


def relative_buckets(
    distance: Tensor, *, buckets: int, max_distance: int, bidirectional: bool
) -> Tensor:
    """T5's buckets of key position minus query position: exact near, logarithmic far.

    Raffel et al. 2020, 2.1; of any shape, and the result is of the same.
    """
    offset = torch.zeros_like(distance)
    if bidirectional:
        buckets //= 2
        offset = (distance > 0).long() * buckets
        distance = distance.abs()
    else:
        distance = (-distance).clamp(min=0)
    exact = buckets // 2
    scale = (buckets - exact) / math.log(max_distance / exact)
    far = exact + (torch.log(distance.float().clamp(min=1) / exact) * scale).long()
    return offset + torch.where(distance < exact, distance, far.clamp(max=buckets - 1))

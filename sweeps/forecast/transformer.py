"""A model's dimensions, and what one pass through it costs: operations, bytes, kernels, memory.

Notation: B rows, T input positions (prompt included), D target tokens, H model
width, A attention width, F feed-forward width, N heads, V vocabulary.

Operations are those of the matrix products, exactly. Bytes that are moved beside
them, kernels, and bytes that are kept for the backward pass were counted on torch's
`meta` tensors, which hold no numbers, with runners.model.t5; tests count again.
"""

import math
from dataclasses import dataclass

from runners.model.family import Family, Rung
from runners.model.sizes import reads_source

BYTES = {"float32": 4, "bfloat16": 2}
"""Of one number, by `compute_dtype`."""
_VOCABULARY = {"t5": 32128, "causal": 50_000}
"""V where a family file gives no shape: T5's, and about that of Pythia and SmolLM2."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a computation asks of a machine."""

    operations: float = 0.0
    """Floating-point operations of matrix products; an addition and a product are two."""
    traffic: float = 0.0
    """Bytes that everything else reads and writes."""
    kernels: float = 0.0
    """Kernels that are started one after another."""

    def __add__(self, other: "Work") -> "Work":
        return Work(
            operations=self.operations + other.operations,
            traffic=self.traffic + other.traffic,
            kernels=self.kernels + other.kernels,
        )

    def __mul__(self, times: float) -> "Work":
        return Work(
            operations=times * self.operations,
            traffic=times * self.traffic,
            kernels=times * self.kernels,
        )


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Rows that go through a model at once: B, T and D."""

    rows: float
    positions: float
    targets: float


@dataclass(frozen=True, kw_only=True)
class Precision:
    """How a pass computes; both decide bytes."""

    dtype: str
    dropout: bool
    recomputes: bool = False
    """Whether the backward pass computes the activations of each layer again."""

    @property
    def bytes(self) -> int:
        """Of one number."""
        return BYTES[self.dtype]


@dataclass(frozen=True, kw_only=True)
class Transformer:
    """Dimensions; a decoder-only model is a stack of `encoder` layers that reads everything."""

    vocabulary: int
    width: int
    attention: int
    feed_forward: int
    """F, of the three matrices H x F that a gated layer has."""
    heads: int
    encoder: int
    decoder: int
    parameters: int

    def forward(self, batch: Batch, precision: Precision) -> Work:
        """One forward pass with an answer of D tokens read at once."""
        weights, attention = self._operations(batch)
        return Work(
            operations=batch.rows * (weights + attention),
            traffic=self._traffic(batch, precision) / 3,
            kernels=20 + 40 * self.encoder + 62 * self.decoder,
        )

    def step(self, batch: Batch, precision: Precision, *, tunes_model: bool) -> Work:
        """Forward and backward pass of one training step, without the optimizer.

        Weights that are frozen need no gradient of their own, which saves a third;
        attention has no weights, and its backward pass is always twice the forward one.
        """
        weights, attention = self._operations(batch)
        passes = 3 if tunes_model else 2
        first, each, crossed = (306, 336, 520) if precision.dropout else (80, 87, 138)
        if tunes_model:
            first, each, crossed = first + 55, each + 32, crossed + 50
        step = Work(
            operations=batch.rows * (passes * weights + 3 * attention),
            traffic=self._traffic(batch, precision),
            kernels=first + each * self.encoder + crossed * self.decoder,
        )
        return step + self.forward(batch, precision) if precision.recomputes else step

    def generate(self, batch: Batch, precision: Precision) -> Work:
        """Greedy answers of D tokens; keys and values are kept from token to token."""
        read = self.forward(batch, precision)
        again = 62 * self.decoder if self.decoder else 40 * self.encoder
        kernels = read.kernels + again * (batch.targets - 1)
        return Work(operations=read.operations, traffic=read.traffic, kernels=kernels)

    def saved(self, batch: Batch, precision: Precision, *, tunes_model: bool) -> float:
        """Bytes that a training step keeps for its backward pass, and those of its busiest moment.

        For each layer and row: inputs of norms in float32, queries, keys and values,
        both halves of the gate, attention shares, and a mask for each place of dropout;
        where weights train, the inputs of every product as well.
        """
        size, drops, trains = precision.bytes, int(precision.dropout), int(tunes_model)
        norm = 8 + 2 * size * drops + trains * (8 + 2 * size)
        projected, gated = size * (3 + trains), size * (3 + drops + trains)
        shares = size * (1 + 2 * drops)
        t, d, h = batch.positions, batch.targets, self.width
        a, f, n, v = self.attention, self.feed_forward, self.heads, self.vocabulary
        encoder = t * (norm * h + projected * a + gated * f) + shares * n * t * t
        decoder = d * (1.5 * norm * h + (4 + 2 * trains) * size * a + gated * f)
        decoder += shares * n * d * (t + d)
        decoder += size * (2 * n * d * h if self._reads_source(d) else 2 * t * a)
        ends = t * h * (8 + 4 * size) + d * v * 10
        hashed = n * t * t * (9 + 2 * size) if precision.dropout else n * t * t * 3 * size
        busiest = max(hashed, d * v * 8, t * f * 4 * size)
        layers = self.encoder * encoder + self.decoder * decoder
        if precision.recomputes:
            # What goes into each layer, and all of one layer at a time.
            layers = size * h * (self.encoder * t + self.decoder * (t + d)) + encoder + decoder
        return batch.rows * (layers + ends + busiest)

    def answering(self, batch: Batch, precision: Precision) -> float:
        """Bytes of a batch that is answered: attention of a layer, and what the decoder reads."""
        size, t, d = precision.bytes, batch.positions, batch.targets
        layers = self.decoder or self.encoder
        read = size * t * (self.width if self._reads_source(d) else 2 * self.attention * layers)
        layer = 4 * size * self.heads * t * t + 4 * size * t * self.feed_forward
        return batch.rows * (read + layer + 8 * size * t * self.width + 6 * d * self.vocabulary)

    def _operations(self, batch: Batch) -> tuple[float, float]:
        """Of one row forward: products with weights, and products of attention."""
        t, d, h, a, f = (
            batch.positions,
            batch.targets,
            self.width,
            self.attention,
            self.feed_forward,
        )
        weights = self.encoder * 2 * t * (4 * h * a + 3 * h * f)
        weights += self.decoder * 2 * d * (6 * h * a + 3 * h * f)
        weights += 2 * d * h * self.vocabulary
        attention = self.encoder * 4 * t * t * a + self.decoder * 4 * d * d * a
        if self._reads_source(d):
            # Each head attends to vectors of width H, and they come from and go through weights.
            weights += self.decoder * 4 * d * h * a
            attention += self.decoder * 4 * d * t * h * self.heads
        else:
            weights += self.decoder * 4 * t * h * a
            attention += self.decoder * 4 * d * t * a
        return weights, attention

    def _reads_source(self, targets: float) -> bool:
        """As `runners.model.sizes.reads_source`; a decoder-only model has nothing else to read."""
        return bool(self.decoder) and reads_source(targets, self.attention / self.heads)

    def _traffic(self, batch: Batch, precision: Precision) -> float:
        size, t, d = precision.bytes, batch.positions, batch.targets
        shares, wide, gated = 10 * size, 300, 14 * size
        if precision.dropout:
            # A mask is a hash in 32 bits of every element, in about ten operations.
            shares, wide, gated = 62 + 22 * size, 500, 70 + 26 * size
        h, f, n = self.width, self.feed_forward, self.heads
        encoder = t * (wide * h + gated * f) + shares * n * t * t
        decoder = d * (1.6 * wide * h + gated * f) + shares * n * d * (t + d)
        moved = self.encoder * encoder + self.decoder * decoder + 20 * size * d * self.vocabulary
        return batch.rows * moved


def transformer_of(family: Family, size: str) -> Transformer:
    """The dimensions of a rung, exact where its family file gives a shape.

    Elsewhere those of a usual model with as many weights: A = H, and 8 H^2
    weights in each feed-forward layer.
    """
    rung = family.rungs[size]
    shape = rung.shape
    if shape is None:
        return _usual(rung, family.architecture)
    return Transformer(
        vocabulary=shape.vocabulary, width=shape.d_model, attention=shape.heads * shape.d_kv,
        feed_forward=shape.d_ff, heads=shape.heads, encoder=shape.encoder_layers,
        decoder=shape.decoder_layers, parameters=rung.parameters,
    )  # fmt: skip


def _usual(rung: Rung, architecture: str) -> Transformer:
    h, vocabulary = rung.width, _VOCABULARY[architecture]
    body = max(rung.parameters - vocabulary * h, rung.parameters / 4)
    # Layers of an encoder-decoder come in pairs of 12 and 16 H^2, others have 12 H^2.
    pair = 28 if architecture == "t5" else 12
    layers = max(1, round(body / (pair * h * h)))
    return Transformer(
        vocabulary=vocabulary, width=h, attention=h, feed_forward=math.ceil(8 * h / 3),
        heads=max(1, h // 64), encoder=layers,
        decoder=layers if architecture == "t5" else 0, parameters=rung.parameters,
    )  # fmt: skip

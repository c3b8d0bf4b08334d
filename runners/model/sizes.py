"""The shape of a T5, how many weights it has, and which way its decoder reads the encoder.

A leaf: it imports neither torch nor transformers, so that a spec can be checked
and planned without them.

Notation: V vocabulary, H model width, A attention width (heads x head width),
F feed-forward width.
"""

from dataclasses import dataclass

_THIN = 3
"""What a multiplication costs in products of a few rows, to that in products by weights.

Measured on one core in float32: with heads of 64 either way takes the same from 24 to 48
positions on, with heads of 32 from 16 to 24, forward and backward as token by token.
"""


def reads_source(positions: float, head_width: float) -> bool:
    """Whether so few decoder positions D read the encoder's output itself, for less work.

    Keys and values of T positions take 2 T H A multiplications, whoever reads them. Each
    position that attends to the output as it is takes 2 T H for every head; so it is
    D heads against A, times what products of few rows cost more.
    """
    return positions * _THIN <= head_width


@dataclass(frozen=True, kw_only=True)
class T5Shape:
    """A T5 1.1 encoder-decoder: gated GELU, untied embeddings, relative positions."""

    vocabulary: int
    """V, rows of the embedding, padding rows included."""
    d_model: int
    """H, the width of a hidden state and of a prompt vector."""
    d_ff: int
    """F, the width of each of the two halves of the gated feed-forward layer."""
    heads: int
    """Attention heads of every layer."""
    d_kv: int
    """Width of one head; A = heads * d_kv need not be H."""
    encoder_layers: int
    decoder_layers: int
    relative_buckets: int = 32
    """Rows of each stack's table of relative positions (T5's default)."""

    def parameter_count(self) -> int:
        """N, every weight of the model; layers have no biases (Raffel et al. 2020, 2.1)."""
        attention = 4 * self.d_model * self.heads * self.d_kv
        feed_forward = 3 * self.d_model * self.d_ff
        encoder_layer = attention + feed_forward + 2 * self.d_model
        decoder_layer = 2 * attention + feed_forward + 3 * self.d_model
        return (
            2 * self.vocabulary * self.d_model
            + self.encoder_layers * encoder_layer
            + self.decoder_layers * decoder_layer
            + 2 * self.d_model  # the norm that ends each stack
            + 2 * self.relative_buckets * self.heads
        )

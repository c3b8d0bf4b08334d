"""The shape of a T5, and how many weights it has.

A leaf: it imports neither torch nor transformers, so that a spec can be checked
and planned without them.

Notation: V vocabulary, H model width, A attention width (heads x head width),
F feed-forward width.
"""

from dataclasses import dataclass


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

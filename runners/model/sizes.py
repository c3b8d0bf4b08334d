"""The ladders of frozen models: the name and the shape of every rung.

A leaf: it imports neither torch nor transformers, so that a spec can be checked
and planned without them.

Notation: V vocabulary, H model width, A attention width (heads x head width),
F feed-forward width.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

from runners.rules import nearest

Named = TypeVar("Named")


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


def _nano(*, d_model: int, layers: int, d_ff: int, heads: int, d_kv: int) -> T5Shape:
    return T5Shape(
        vocabulary=700, d_model=d_model, d_ff=d_ff, heads=heads, d_kv=d_kv,
        encoder_layers=layers, decoder_layers=layers,
    )  # fmt: skip


NANO: Mapping[str, T5Shape] = MappingProxyType(
    {
        "60k": _nano(d_model=32, layers=1, d_ff=64, heads=2, d_kv=16),
        "200k": _nano(d_model=48, layers=2, d_ff=128, heads=3, d_kv=16),
        "600k": _nano(d_model=80, layers=3, d_ff=160, heads=3, d_kv=32),
        "2m": _nano(d_model=128, layers=4, d_ff=256, heads=4, d_kv=32),
    }
)
"""The rungs that a laptop trains, smallest first; each about three times the last."""

LADDERS: Mapping[str, Mapping[str, T5Shape]] = MappingProxyType({"nano": NANO})
"""Every model family by name, each with its rungs, smallest first."""


def shape_of(family: str, size: str) -> T5Shape:
    """The shape of one rung.

    Raises ValueError naming the nearest family or size where there is none.
    """
    ladder = _named("model_family", family, LADDERS)
    return _named(f"model_size of family {family}", size, ladder)


def _named(subject: str, name: str, known: Mapping[str, Named]) -> Named:
    if name in known:
        return known[name]
    near = nearest(name, known)
    remedy = f"did you mean {near!r}?" if near else "use one of these"
    raise ValueError(f"{subject}: {name!r} is not one of {', '.join(known)}; {remedy}")

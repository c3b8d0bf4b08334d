"""The ladder's shapes: parameter counts against `transformers`."""

import itertools

import pytest
import torch
from transformers import T5Config, T5ForConditionalGeneration

from runners.model.family import shipped
from runners.model.sizes import T5Shape

NANO = {name: rung.shape for name, rung in shipped()["nano"].rungs.items()}

WIDE = T5Shape(
    vocabulary=96, d_model=8, d_ff=24, heads=3, d_kv=4,
    encoder_layers=1, decoder_layers=3, relative_buckets=16,
)  # fmt: skip


def transformers_count(shape: T5Shape) -> int:
    """Weights of the same T5 1.1 in `transformers`, built without memory.

    Its state lists the shared embedding thrice and the output layer once, and
    the output layer is a matrix of its own in T5 1.1.
    """
    config = T5Config(
        vocab_size=shape.vocabulary, d_model=shape.d_model, d_kv=shape.d_kv, d_ff=shape.d_ff,
        num_heads=shape.heads, num_layers=shape.encoder_layers,
        num_decoder_layers=shape.decoder_layers, feed_forward_proj="gated-gelu",
        relative_attention_num_buckets=shape.relative_buckets,
    )  # fmt: skip
    with torch.device("meta"):
        state = T5ForConditionalGeneration(config).state_dict()
    copies = {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"}
    assert copies | {"shared.weight", "lm_head.weight"} <= set(state)
    return sum(weight.numel() for name, weight in state.items() if name not in copies)


@pytest.mark.parametrize("shape", [*NANO.values(), WIDE], ids=[*NANO, "uneven"])
def test_counts_are_those_of_transformers(shape: T5Shape) -> None:
    """A count that differs from the model would place its scores at the wrong size."""
    assert shape.parameter_count() == transformers_count(shape)


def test_each_rung_is_about_three_times_the_last() -> None:
    """Rungs in another order, or too close, would bend the curve over sizes."""
    counts = [shape.parameter_count() for shape in NANO.values()]
    ratios = [after / before for before, after in itertools.pairwise(counts)]
    assert all(2 < ratio < 4.5 for ratio in ratios)
    assert 5e4 < counts[0] < counts[-1] < 3e6


@pytest.mark.parametrize("name", NANO)
def test_names_say_the_size(name: str) -> None:
    """A rung whose name is far off its count would mislead every table."""
    said = float(name[:-1]) * {"k": 1e3, "m": 1e6}[name[-1]]
    assert NANO[name].parameter_count() == pytest.approx(said, rel=0.35)

"""Work and memory by formula, against a step on `meta` tensors that is counted as it goes."""

from collections.abc import Callable
from typing import Any

import pytest

from runners.model.family import shipped
from runners.model.sizes import T5Shape
from sweeps.forecast.transformer import Batch, Precision, Transformer, transformer_of

Count = Callable[..., Any]
T5 = shipped()["t5"]
STEP = {"rows": 4, "positions": 612, "targets": 24}
"""Of so many targets that keys and values are made of the encoder's output."""
FEW = {**STEP, "targets": 4}
"""Of so few that they are not."""
either_way = pytest.mark.parametrize(("dtype", "asked"), [("bfloat16", STEP), ("float32", FEW)])


def dimensions(shape: T5Shape) -> Transformer:
    """Of a shape."""
    return Transformer(
        vocabulary=shape.vocabulary, width=shape.d_model, attention=shape.heads * shape.d_kv,
        feed_forward=shape.d_ff, heads=shape.heads, encoder=shape.encoder_layers,
        decoder=shape.decoder_layers, parameters=shape.parameter_count(),
    )  # fmt: skip


@either_way
@pytest.mark.parametrize("tunes_model", [False, True])
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_a_step_costs_what_the_formulas_say(
    count: Count, dtype: str, asked: dict[str, int], dropout: float, tunes_model: bool
) -> None:
    """A term that is forgotten: cross-attention, the output layer, a second backward product."""
    shape = T5.rungs["base"].shape
    assert shape is not None
    found = count(shape, **asked, dtype=dtype, dropout=dropout, tunes_model=tunes_model)
    said = dimensions(shape).step(
        Batch(**asked), Precision(dtype=dtype, dropout=bool(dropout)), tunes_model=tunes_model
    )
    assert said.operations == pytest.approx(found.operations, rel=0.005)
    assert said.traffic == pytest.approx(found.traffic, rel=0.35)
    assert said.kernels == pytest.approx(found.kernels, rel=0.35)


@either_way
@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("size", ["small", "base"])
def test_prompt_tuning_holds_what_the_formula_says(
    count: Count, size: str, dtype: str, asked: dict[str, int], dropout: float
) -> None:
    """A pack that is said to fit and does not, or a GPU left half empty."""
    shape = T5.rungs[size].shape
    assert shape is not None
    found = count(shape, **asked, dtype=dtype, dropout=dropout, tunes_model=False)
    precision = Precision(dtype=dtype, dropout=bool(dropout))
    said = dimensions(shape).saved(Batch(**asked), precision, tunes_model=False)
    assert 0.95 < said / found.peak < 1.2


def test_frozen_weights_save_a_third(count: Count) -> None:
    """A forecast that makes prompt tuning as dear as model tuning, or half as dear."""
    model = transformer_of(T5, "xl")
    batch, precision = Batch(**STEP), Precision(dtype="bfloat16", dropout=False)
    prompt = model.step(batch, precision, tunes_model=False)
    tuned = model.step(batch, precision, tunes_model=True)
    assert 0.66 < prompt.operations / tuned.operations < 0.75


@pytest.mark.parametrize("family", ["t5_efficient", "smollm2", "pythia"])
def test_a_family_without_shapes_gets_layers_that_hold_its_weights(family: str) -> None:
    """A model of 2.8 billion weights that is planned with those of its embedding alone."""
    for size, rung in shipped()[family].rungs.items():
        model = transformer_of(shipped()[family], size)
        layer = 4 * model.width * model.attention + 3 * model.width * model.feed_forward
        crossed = layer + 4 * model.width * model.attention if model.decoder else 0
        body = model.encoder * layer + model.decoder * crossed
        assert 0.2 < body / rung.parameters < 1.1, size

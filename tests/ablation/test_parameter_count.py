"""Parameter counts against Lester et al. 2021, Table 4, digit by digit."""

import pytest

from ablation.parameter_count import (
    prompt_share,
    trained_by_model_tuning,
    trained_by_prompt_tuning,
)
from ablation.published import published
from runners.model.family import shipped

LENGTHS = (1, 5, 20, 50, 100, 150)


T5 = shipped()["t5"].rungs
FROZEN = {
    "small": 76_961_152,
    "base": 247_577_856,
    "large": 783_150_080,
    "xl": 2_849_757_184,
    "xxl": 11_135_332_352,
}
TABLE_4 = {
    (number.model_size, number.prompt_length, number.metric): number
    for number in published()
    if number.quantity == "table_4"
}


@pytest.mark.parametrize("size", T5)
def test_frozen_parameters_of_every_size(size: str) -> None:
    """A forgotten norm, table or embedding would move Figure 1 along its axis."""
    assert trained_by_model_tuning(T5[size]) == FROZEN[size]


@pytest.mark.parametrize("size", T5)
@pytest.mark.parametrize("length", LENGTHS)
def test_table_4(size: str, length: int) -> None:
    """Prompt parameters or shares that differ from the published ones, misprints aside."""
    trained, total, share = (
        TABLE_4[size, length, metric].value for metric in ("trainable", "total", "percent")
    )
    rung = T5[size]
    assert trained_by_prompt_tuning(rung, length) == trained
    assert trained_by_model_tuning(rung) + trained_by_prompt_tuning(rung, length) == total
    assert prompt_share(rung, length) == pytest.approx(share, abs=1e-5)


def test_misprints_are_misprints() -> None:
    """A whitelist that covers a sound cell, or one that grows, would hide a broken formula."""
    misprints = {key: number for key, number in TABLE_4.items() if number.printed is not None}
    assert set(misprints) == {
        ("small", 20, "trainable"), ("small", 20, "total"), ("large", 100, "percent"),
        ("xxl", 50, "total"),
    }  # fmt: skip
    assert all(number.printed != number.value for number in misprints.values())
    assert misprints["small", 20, "trainable"].printed == 10_420

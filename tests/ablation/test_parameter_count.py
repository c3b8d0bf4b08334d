"""Parameter counts against Lester et al. 2021, Table 4, digit by digit."""

import pytest

from ablation.parameter_count import (
    prompt_share,
    trained_by_model_tuning,
    trained_by_prompt_tuning,
)
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
# Table 4: for each length the prompt's parameters, all parameters, and the share in percent.
TABLE_4 = {
    "small": (
        (512, 76_961_664, 0.00067), (2_560, 76_963_712, 0.00333), (10_420, 76_971_572, 0.01330),
        (25_600, 76_986_752, 0.03325), (51_200, 77_012_352, 0.06648), (76_800, 77_037_952, 0.09969),
    ),
    "base": (
        (768, 247_578_624, 0.00031), (3_840, 247_581_696, 0.00155), (15_360, 247_593_216, 0.00620),
        (38_400, 247_616_256, 0.01551), (76_800, 247_654_656, 0.03101),
        (115_200, 247_693_056, 0.04651),
    ),
    "large": (
        (1_024, 783_151_104, 0.00013), (5_120, 783_155_200, 0.00065),
        (20_480, 783_170_560, 0.00262), (51_200, 783_201_280, 0.00654),
        (102_400, 783_252_480, 0.01907), (153_600, 783_303_680, 0.01961),
    ),
    "xl": (
        (2_048, 2_849_759_232, 0.00007), (10_240, 2_849_767_424, 0.00036),
        (40_960, 2_849_798_144, 0.00143), (102_400, 2_849_859_584, 0.00359),
        (204_800, 2_849_961_984, 0.00718), (307_200, 2_850_064_384, 0.01078),
    ),
    "xxl": (
        (4_096, 11_135_336_448, 0.00004), (20_480, 11_135_352_832, 0.00018),
        (81_920, 11_135_414_272, 0.00074), (204_800, 11_137_380_352, 0.00184),
        (409_600, 11_135_741_952, 0.00368), (614_400, 11_135_946_752, 0.00552),
    ),
}  # fmt: skip
# Cells that contradict the rest of the table: (size, P) and what arithmetic gives.
MISPRINTS = {
    ("small", 20): (10_240, 76_971_392, 0.01330),
    ("large", 100): (102_400, 783_252_480, 0.01307),
    ("xxl", 50): (204_800, 11_135_537_152, 0.00184),
}


@pytest.mark.parametrize("size", T5)
def test_frozen_parameters_of_every_size(size: str) -> None:
    """A forgotten norm, table or embedding would move Figure 1 along its axis."""
    assert trained_by_model_tuning(T5[size]) == FROZEN[size]


@pytest.mark.parametrize("size", T5)
@pytest.mark.parametrize("column", range(len(LENGTHS)), ids=lambda column: f"P={LENGTHS[column]}")
def test_table_4(size: str, column: int) -> None:
    """Prompt parameters or shares that differ from the published ones, misprints aside."""
    length, rung = LENGTHS[column], T5[size]
    trained, total, share = MISPRINTS.get((size, length), TABLE_4[size][column])
    assert trained_by_prompt_tuning(rung, length) == trained
    assert trained_by_model_tuning(rung) + trained_by_prompt_tuning(rung, length) == total
    assert prompt_share(rung, length) == pytest.approx(share, abs=1e-5)


@pytest.mark.parametrize(("size", "length"), MISPRINTS)
def test_misprints_are_misprints(size: str, length: int) -> None:
    """A whitelist that covers a sound cell would hide a broken formula."""
    assert TABLE_4[size][LENGTHS.index(length)] != MISPRINTS[size, length]

"""Numbers that others have published, each with its source and whether it was verified."""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).resolve().parent / "published.yaml"
FAMILY = "t5"
"""The ladder that the numbers of Lester et al. 2021 are of."""
MEAN = "mean"
"""What is evaluated where a number is over all tasks."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """One number: in percent, seconds or parameters; fields that do not apply are empty."""

    quantity: str
    metric: str
    value: float
    source: str
    verified: bool
    """False where it rests on memory or on a second transcription."""
    sd: float | None = None
    model_size: str = ""
    parameters: int | None = None
    evaluated: str = ""
    method: str = ""
    prompt_length: int | None = None
    printed: float | None = None
    """What is printed, where arithmetic contradicts it; `value` is recomputed then."""


@functools.cache
def published() -> tuple[Published, ...]:
    """All of them, in the order of the file."""
    rows = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return tuple(number for row in rows for number in _numbers(row))


@functools.cache
def superglue() -> frozenset[str]:
    """The tasks whose mean is the SuperGLUE score: those of Table 3."""
    return frozenset(
        number.evaluated for number in published() if number.quantity == "table_3_average"
    ) - {MEAN}


def _numbers(row: Mapping[str, Any]) -> Iterator[Published]:
    """The number of a row, or one for each prompt length that the row has."""
    shared = {name: value for name, value in row.items() if name not in _BY_LENGTH}
    if "by_prompt_length" not in row:
        yield Published(**shared)
        return
    values, sds, recomputed = (row.get(name, {}) for name in _BY_LENGTH)
    for length, value in values.items():
        right = recomputed.get(length)
        yield Published(
            **shared, prompt_length=length, sd=sds.get(length),
            value=value if right is None else right, printed=None if right is None else value,
        )  # fmt: skip


_BY_LENGTH = ("by_prompt_length", "sd_by_prompt_length", "recomputed")
"""Keys of a row that hold a number for each prompt length."""

"""Numbers that others have published, each with its source and whether it was verified."""

import functools
from dataclasses import dataclass
from pathlib import Path

import yaml

FILE = Path(__file__).resolve().parent / "published.yaml"
FAMILY = "t5"
"""The ladder that the numbers of Lester et al. 2021 are of."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """One number, in percent; fields that do not apply are empty."""

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


@functools.cache
def published() -> tuple[Published, ...]:
    """All of them, in the order of the file."""
    return tuple(Published(**each) for each in yaml.safe_load(FILE.read_text(encoding="utf-8")))

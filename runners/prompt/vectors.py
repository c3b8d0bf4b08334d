"""A prompt outside a model: float32 vectors [P, H], and what makes them a plain prompt."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
"""A prompt [P, H]: one vector for each position."""


@dataclass(frozen=True, kw_only=True)
class PromptFile:
    """A prompt as it was found in a file of another program.

    `file` names the file without the folders that it lies in, `sha256` is of
    its bytes. `about` is what else the file says, as plain values;
    `architecture` and `base_model` are what it was trained on, where it says so.
    """

    vectors: Vectors
    format: str
    file: str
    sha256: str
    about: Mapping[str, object]
    architecture: str | None = None
    base_model: str | None = None


def refusal(where: object, key: str, value: object, rule: str, remedy: str) -> ValueError:
    """The error of one value in a file: file, key, value, rule and remedy."""
    return ValueError(f"{where}: {key} {value!r} {rule}; {remedy}")


def check_plain(where: object, vectors: Vectors) -> None:
    """Raises ValueError where vectors are no prompt [P, H] of finite numbers; `where` names them.

    A prompt has at least one position and one dimension.
    """
    if vectors.ndim != 2 or 0 in vectors.shape:
        raise refusal(
            where, "shape", vectors.shape, "is not [positions, model width]",
            "give one vector for each position of the prompt",
        )  # fmt: skip
    finite = np.isfinite(vectors)
    if not finite.all():
        row, column = (int(place) for place in np.argwhere(~finite)[0])
        raise refusal(
            where, f"row {row}, column {column}:", float(vectors[row, column]),
            f"is not finite ({int((~finite).sum())} of {vectors.size} numbers are not)",
            "give the prompt of a run that did not diverge",
        )  # fmt: skip

"""What makes vectors a plain prompt."""

import re

import numpy as np
import pytest

from runners.prompt.vectors import check_plain


def test_a_plain_prompt_passes() -> None:
    """Catches a check that refuses what a trial commits."""
    check_plain("here", np.ones((1, 1), np.float32))


def _with(value: float) -> np.ndarray:
    vectors = np.zeros((3, 2), np.float32)
    vectors[1, 1] = vectors[2, 0] = value
    return vectors


SHAPE = "is not [positions, model width]; give one vector for each position of the prompt"
RUN = "give the prompt of a run that did not diverge"
BAD = [
    (np.zeros(4, np.float32), f"here: shape (4,) {SHAPE}"),
    (np.zeros((1, 2, 3), np.float32), f"here: shape (1, 2, 3) {SHAPE}"),
    (np.zeros((0, 3), np.float32), f"here: shape (0, 3) {SHAPE}"),
    (np.zeros((3, 0), np.float32), f"here: shape (3, 0) {SHAPE}"),
    (
        _with(float("nan")),
        f"here: row 1, column 1: nan is not finite (2 of 6 numbers are not); {RUN}",
    ),
    (
        _with(float("-inf")),
        f"here: row 1, column 1: -inf is not finite (2 of 6 numbers are not); {RUN}",
    ),
]


@pytest.mark.parametrize(("vectors", "message"), BAD, ids=[message for _, message in BAD])
def test_anything_else_is_refused(vectors: np.ndarray, message: str) -> None:
    """Catches NaN, or a tensor of another kind, that a model would run with."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_plain("here", vectors)

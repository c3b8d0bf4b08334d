"""The benchmark of answers as it runs, on few rows: a benchmark that breaks is seen by nobody."""

import pytest

from benchmarks.answers import differ, measure
from benchmarks.shape import FAST_NAME


# PEFT says so of the positions that `transformers` itself hands to `generate`, and asks it by a
# name that it will drop.
@pytest.mark.filterwarnings("ignore:Position ids are not supported")
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_both_sides_give_the_same_answers() -> None:
    """Catches a speed that is measured on other prompts than the peer's, or on wrong answers."""
    (line,) = measure("60k", (2,), examples=12, repeats=1)
    assert (len(line.ours), len(line.peer)) == (1, 1)
    assert f"ours {FAST_NAME}, peer float32; " in line.note
    if FAST_NAME == "float32":
        assert line.note.endswith("; 0 of 24 answers differ")


def test_answers_that_differ_are_counted() -> None:
    """Catches a comparison that finds everything equal."""
    assert differ([[[1, 2], [3]], [[4], [5]]], [[[1, 2], [3]], [[4], [6]]]) == 1
    assert differ([[[1, 2]]], [[[1, 2]]]) == 0

"""Cells: what a move along one axis brings with it."""

from dataclasses import replace

import pytest

from ablation.cell import Cell

ADAPTED = Cell(
    prompt_length=20,
    prompt_init="class_label",
    pretraining_objective="lm_adaptation",
    lm_adaptation_steps=1000,
)
SPANS = replace(ADAPTED, pretraining_objective="span_corruption", lm_adaptation_steps=0)
SENTINEL = replace(SPANS, pretraining_objective="span_corruption_sentinel")


@pytest.mark.parametrize(
    ("start", "axis", "value", "end"),
    [
        (ADAPTED, "prompt_length", 1, replace(ADAPTED, prompt_length=1)),
        (ADAPTED, "prompt_init", "sampled_vocab", replace(ADAPTED, prompt_init="sampled_vocab")),
        (ADAPTED, "lm_adaptation_steps", 10, replace(ADAPTED, lm_adaptation_steps=10)),
        (ADAPTED, "lm_adaptation_steps", 0, SPANS),
        (ADAPTED, "pretraining_objective", "span_corruption", SPANS),
        (ADAPTED, "pretraining_objective", "span_corruption_sentinel", SENTINEL),
        (ADAPTED, "pretraining_objective", "lm_adaptation", ADAPTED),
        (SPANS, "lm_adaptation_steps", 1000, ADAPTED),
        (SENTINEL, "lm_adaptation_steps", 0, SENTINEL),
        (SENTINEL, "pretraining_objective", "span_corruption", SPANS),
    ],
)
def test_moves(start: Cell, axis: str, value: int | str, end: Cell) -> None:
    """A move that left steps and objective apart would train one meaning under two ids."""
    assert start.moved(axis, value) == end


def test_steps_and_objective_agree() -> None:
    """A cell that is no model at all must not reach a grid."""
    with pytest.raises(AssertionError):
        replace(SPANS, lm_adaptation_steps=1)

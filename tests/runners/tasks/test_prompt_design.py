"""Hand-written prompts: what a frozen model reads."""

import pytest

from runners.tasks.benchmarks import BENCHMARKS
from runners.tasks.prompt_design import designed, drawn
from runners.tasks.task import Example


def _example(number: int) -> Example:
    return Example(
        input=f"sentence: s{number}", target=f"t{number}", key=(number,), references=("t",)
    )


QUESTIONS = [_example(0), _example(1)]


def test_zero_shot() -> None:
    """Catches an example that keeps its bare input, or loses its answer."""
    first, second = designed(QUESTIONS, instruction="Say t.", shots=[], gap="\n")
    assert first.input == "Say t.\nsentence: s0\nanswer:"
    assert second.input == "Say t.\nsentence: s1\nanswer:"
    assert (first.target, first.key) == ("t0", (0,))
    (bare,) = designed(QUESTIONS[:1], instruction="", shots=[], gap=" ")
    assert bare.input == "sentence: s0 answer:"


def test_few_shot() -> None:
    """Catches shots without their answers, or after the question."""
    (first,) = designed(
        QUESTIONS[:1], instruction="Say t.", shots=[_example(7), _example(8)], gap=" "
    )
    assert first.input == (
        "Say t. sentence: s7 answer: t7 sentence: s8 answer: t8 sentence: s0 answer:"
    )


def test_shots_are_drawn_by_the_seed_without_repeats() -> None:
    """Catches the same shots for every seed, or one shot twice."""
    train = [_example(number) for number in range(30)]
    first, again, other = (drawn(train, shots=8, seed=seed) for seed in (0, 0, 1))
    assert first == again != other
    assert len({shot.key for shot in first}) == 8
    with pytest.raises(ValueError, match=r"^shots: 31 is more than the 30 training examples; give"):
        drawn(train, shots=31, seed=0)


def test_every_published_task_has_words() -> None:
    """Catches a task whose zero-shot prompt asks for nothing."""
    for tasks in BENCHMARKS.values():
        for task in tasks.values():
            assert task.instruction, task.name
            for label in task.labels or ():
                assert label in task.instruction, (task.name, label)

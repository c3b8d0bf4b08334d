"""What holds for every task: majority, chance, groups, sentinels, and mistakes in scoring."""

import pytest

from runners.tasks.superglue import TASKS
from runners.tasks.task import (
    SENTINEL,
    Example,
    add_sentinel,
    first_groups,
    most_frequent_target,
    strip_sentinel,
)


def example(target: str, key: tuple[int, ...] = (0,)) -> Example:
    """An example of a task with two classes."""
    return Example(
        input="q", target=target, key=key, references=(target,), choices=("False", "True")
    )


def examples(*targets: str) -> list[Example]:
    """One example for each target, each a group of its own."""
    return [example(target, (place,)) for place, target in enumerate(targets)]


def test_majority_is_of_training() -> None:
    """Catches a baseline that peeks at dev."""
    train, dev = examples("True", "True", "False"), examples("False", "False", "False", "True")
    assert TASKS["boolq"].majority_score(train, dev) == 25.0


def test_majority_counts_both_metrics() -> None:
    """Catches a MultiRC baseline by accuracy: 'False' throughout has no F1 at all."""
    dev = [example("False", (0, 0)), example("False", (0, 0)), example("True", (0, 1))]
    assert TASKS["multirc"].majority_score(examples("False"), dev) == 25.0


def test_majority_of_free_text() -> None:
    """Catches a WSC baseline that is never a legal answer: a name that is not the candidate."""
    wrong = Example(input="q", target="Ann", key=(0,), references=(), holds=False)
    right = Example(input="q", target="Ann", key=(1,), references=("Ann",))
    train = examples("Bea", "Bea", "Ann")
    assert TASKS["wsc"].majority_score(train, [wrong, wrong, right]) == pytest.approx(200 / 3)


def test_chance_is_the_best_of_constant_answers() -> None:
    """Catches a task called learned for answering what dev has most of, where train differs."""
    train, dev = examples("False", "False", "True"), examples("True", "True", "False")
    assert TASKS["boolq"].majority_score(train, dev) == pytest.approx(100 / 3)
    assert TASKS["boolq"].chance_score(train, dev) == pytest.approx(200 / 3)


def test_chance_of_a_choice_is_to_choose_at_random() -> None:
    """Catches ReCoRD called learned for naming any entity of the passage."""
    dev = [
        Example(input="q", target=name, key=(place,), references=(name,), choices=names)
        for place, (name, names) in enumerate(
            [("Ann", ("Ann", "Bob")), ("Di", ("Ann", "Di", "Bo"))]
        )
    ]
    assert TASKS["record"].majority_score(dev[1:], dev) == 50.0
    assert TASKS["record"].chance_score(dev[1:], dev) == 50.0
    assert TASKS["record"].chance_score(examples("Cy"), dev) == pytest.approx(
        100 * (1 / 2 + 1 / 3) / 2
    )


def test_ties_do_not_depend_on_order() -> None:
    """Catches a baseline that changes when records are shuffled."""
    assert most_frequent_target(examples("b", "a", "a", "b", "c")) == "a"
    assert most_frequent_target(examples("a", "b", "b", "a", "c")) == "a"


@pytest.mark.parametrize(
    ("count", "kept"), [(0, 0), (1, 2), (2, 2), (3, 3), (4, 6), (6, 6), (99, 6)]
)
def test_first_groups(count: int, kept: int) -> None:
    """Catches a MultiRC question cut in the middle, or a group kept whole for nothing."""
    keys = [(0, 0), (0, 0), (0, 1), (1, 0), (1, 0), (1, 0)]
    rows = [example("True", key) for key in keys]
    assert first_groups(rows, count) == rows[:kept]


def test_empty_splits_have_no_score() -> None:
    """Catches a division by zero, or a score of nothing."""
    boolq = TASKS["boolq"]
    assert first_groups([], 3) == []
    with pytest.raises(ValueError, match="boolq: 0 predictions for 0 examples cannot be scored"):
        boolq.score([], [])
    with pytest.raises(ValueError, match="no target is the most frequent"):
        boolq.majority_score([], examples("True"))


@pytest.mark.parametrize("predictions", [["True"], ["True"] * 3])
def test_predictions_have_to_match_examples(predictions: list[str]) -> None:
    """Catches a score over the shorter of two lists."""
    with pytest.raises(ValueError, match=f"{len(predictions)} predictions for 2 examples"):
        TASKS["boolq"].score(predictions, examples("True", "False"))


def test_sentinel_round_trip() -> None:
    """Catches a sentinel that the span-corruption model never saw, or one left in an answer."""
    assert add_sentinel("not_entailment") == "<extra_id_0> not_entailment"
    assert strip_sentinel(add_sentinel("not_entailment")) == "not_entailment"


@pytest.mark.parametrize(
    ("prediction", "answer"),
    [
        (f"{SENTINEL}True", "True"),
        (f"{SENTINEL} \n True", "True"),
        ("  True", "True"),
        ("True ", "True "),
        (f"{SENTINEL} {SENTINEL} True", f"{SENTINEL} True"),
        ("<extra_id_1> True", "<extra_id_1> True"),
        (f" {SENTINEL} True", f"{SENTINEL} True"),
        (f"True {SENTINEL}", f"True {SENTINEL}"),
    ],
)
def test_strip_sentinel(prediction: str, answer: str) -> None:
    """Catches more being stripped than one leading sentinel and the space after it."""
    assert strip_sentinel(prediction) == answer

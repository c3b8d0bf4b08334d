"""Metrics against scikit-learn and against the SQuAD 1.1 evaluation, on answers of every kind."""

import collections
import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runners.tasks import metrics

LABELS = ("entailment", "contradiction", "neutral")
PAIRS = st.lists(
    st.tuples(st.sampled_from((*LABELS, "", "true")), st.sampled_from(LABELS)), min_size=1
)
BINARY = ("False", "True")
BINARY_PAIRS = st.lists(
    st.tuples(st.sampled_from((*BINARY, "", "yes")), st.sampled_from(BINARY)), min_size=1
)
WORDS = ("a", "An", "the", "cat", "Cat's", "dog", "...", "U.S.", "")
PHRASES = st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join)
QUESTIONS = st.lists(st.tuples(PHRASES, st.lists(PHRASES, min_size=1, max_size=3)), min_size=1)


def f1_reference(said: list[str], right: list[str], label: str) -> float:
    """F1 of a class from its precision and recall, each 0 where undefined (van Rijsbergen)."""
    of_said = [t == label for p, t in zip(said, right, strict=True) if p == label]
    of_right = [p == label for p, t in zip(said, right, strict=True) if t == label]
    precision = sum(of_said) / len(of_said) if of_said else 0.0
    recall = sum(of_right) / len(of_right) if of_right else 0.0
    both = precision + recall
    return 2 * precision * recall / both if both else 0.0


@given(PAIRS)
@settings(deadline=None, derandomize=True)
def test_accuracy_and_macro_f1(pairs: list[tuple[str, str]]) -> None:
    """Catches an invalid answer that becomes a class, or an absent class left out of the mean."""
    said, right = ([pair[side] for pair in pairs] for side in (0, 1))
    reference = sum(f1_reference(said, right, label) for label in LABELS) / 3
    assert metrics.macro_f1(said, right, LABELS) == pytest.approx(100 * reference)
    hits = [pair for pair in pairs if pair[0] == pair[1]]
    assert metrics.accuracy(said, right) == pytest.approx(100 * len(hits) / len(pairs))


@given(BINARY_PAIRS)
@settings(deadline=None, derandomize=True)
def test_binary_f1(pairs: list[tuple[str, str]]) -> None:
    """Catches an invalid answer that is no error in F1; reference: T5's f1_score_with_invalid."""
    said, right = ([pair[side] for pair in pairs] for side in (0, 1))
    judged = [p if p in BINARY else str(t == "False") for p, t in pairs]
    reference = f1_reference(judged, right, "True")
    assert metrics.binary_f1(said, right, BINARY) == pytest.approx(100 * reference)


@pytest.mark.parametrize(
    ("said", "right", "macro"),
    [
        ("ecnecn", "ecneen", 82.2222222222),
        ("eeeeee", "ecneen", 22.2222222222),
        ("e?cnn?", "ecccnn", 66.6666666667),
        ("ec", "ce", 0.0),
    ],
)
def test_macro_f1_of_scikit_learn(said: str, right: str, macro: float) -> None:
    """Catches a reference above that is wrong in the same way as the code.

    Printed by `100 * f1_score(right, said, labels=["e", "c", "n"], average="macro",
    zero_division=0)` of scikit-learn 1.9.1.
    """
    assert metrics.macro_f1([*said], [*right], "ecn") == pytest.approx(macro)


def test_invalid_costs_binary_f1_on_both_classes() -> None:
    """Catches an invalid answer to a negative that is no false positive."""
    assert metrics.binary_f1(["True", "?"], ["True", "False"], BINARY) == pytest.approx(200 / 3)
    assert metrics.binary_f1(["True", "?"], ["True", "True"], BINARY) == pytest.approx(200 / 3)


def test_grouped_exact_match() -> None:
    """Catches a mean over answers, an invalid one that passes, or groups as runs only."""
    said = ["True", "False", "False", "?", "True"]
    right = ["True", "True", "False", "False", "True"]
    assert metrics.grouped_exact_match(said, right, [1, 1, 2, 3, 2]) == pytest.approx(100 / 3)


def squad_reference(prediction: str, references: list[str]) -> tuple[float, float]:
    """Exact match and F1 of one question: evaluate-v1.1.py of SQuAD, from its description."""

    def tokens(text: str) -> list[str]:
        kept = "".join(c for c in text.lower() if c not in string.punctuation)
        return re.sub(r"\b(a|an|the)\b", " ", kept).split()

    def f1(reference: str) -> float:
        said, right = tokens(prediction), tokens(reference)
        shared = sum((collections.Counter(said) & collections.Counter(right)).values())
        if shared == 0:
            return 0.0
        precision, recall = shared / len(said), shared / len(right)
        return 2 * precision * recall / (precision + recall)

    exact = max(float(tokens(prediction) == tokens(each)) for each in references)
    return exact, max(f1(each) for each in references)


@given(QUESTIONS)
@settings(deadline=None, derandomize=True)
def test_answers_against_squad(questions: list[tuple[str, list[str]]]) -> None:
    """Catches a change of normalisation, of the best reference, or of the mean over questions."""
    said, references = ([each[side] for each in questions] for side in (0, 1))
    each = [squad_reference(*question) for question in questions]
    exact, f1 = (100 * sum(pair[side] for pair in each) / len(each) for side in (0, 1))
    assert metrics.answer_exact_match(said, references) == pytest.approx(exact)  # type: ignore[arg-type]
    assert metrics.answer_f1(said, references) == pytest.approx(f1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The  Cat's an ANT.", "cats ant"),
        ("theatre of a nation", "theatre of nation"),
        ("U.S.-led", "usled"),
        ("a", ""),
        ("“the” café", "“ ” café"),
    ],
)
def test_normalize_answer(text: str, normal: str) -> None:
    """Catches articles cut out of words, punctuation turned to spaces, or non-ASCII marks lost."""
    assert metrics.normalize_answer(text) == normal

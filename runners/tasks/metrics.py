"""Metrics over answers that are text, in percent (0 to 100), as T5's evaluation has them.

N predictions stand beside N targets. A prediction outside the labels is
invalid: it is wrong for accuracy and exact match, counts for no class in a
macro F1, and becomes the opposite of its target in a binary F1.
"""

import re
import string
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from statistics import fmean

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def accuracy(predictions: Sequence[str], targets: Sequence[str]) -> float:
    """Share of predictions that equal their target."""
    return 100 * fmean(p == t for p, t in zip(predictions, targets, strict=True))


def class_f1(predictions: Sequence[str], targets: Sequence[str], label: str) -> float:
    """F1 of one class; 0 where neither a prediction nor a target has it."""
    pairs = list(zip(predictions, targets, strict=True))
    hits = sum(p == label and t == label for p, t in pairs)
    named = sum((p == label) + (t == label) for p, t in pairs)
    return 100 * 2 * hits / named if named else 0.0


def macro_f1(predictions: Sequence[str], targets: Sequence[str], labels: Sequence[str]) -> float:
    """Unweighted mean of the F1 of every class of `labels`, absent ones included."""
    return fmean(class_f1(predictions, targets, label) for label in labels)


def binary_f1(predictions: Sequence[str], targets: Sequence[str], labels: tuple[str, str]) -> float:
    """F1 of the second label; an invalid prediction counts as the opposite of its target."""
    negative, positive = labels
    opposite = {negative: positive, positive: negative}
    judged = [p if p in labels else opposite[t] for p, t in zip(predictions, targets, strict=True)]
    return class_f1(judged, targets, positive)


def grouped_exact_match(
    predictions: Sequence[str], targets: Sequence[str], groups: Sequence[Hashable]
) -> float:
    """Share of groups in which every prediction equals its target."""
    right: defaultdict[Hashable, bool] = defaultdict(lambda: True)
    for prediction, target, group in zip(predictions, targets, groups, strict=True):
        right[group] &= prediction == target
    return 100 * fmean(right.values())


def answer_exact_match(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Share of predictions that equal one of their references once both are normalised."""
    return 100 * fmean(
        normalize_answer(prediction) in {normalize_answer(each) for each in right}
        for prediction, right in zip(predictions, references, strict=True)
    )


def answer_f1(predictions: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Mean over predictions of the best token F1 against any of their references."""
    return 100 * fmean(
        max((_token_f1(prediction, each) for each in right), default=0.0)
        for prediction, right in zip(predictions, references, strict=True)
    )


def normalize_answer(text: str) -> str:
    """Lower case without ASCII punctuation, articles and surplus spaces (SQuAD 1.1)."""
    bare = text.lower().translate(_NO_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def _token_f1(prediction: str, reference: str) -> float:
    said, right = normalize_answer(prediction).split(), normalize_answer(reference).split()
    common = (Counter(said) & Counter(right)).total()
    # Two empty answers share no token: SQuAD 1.1 scores them 0 here, and 1 as an exact match.
    return 2 * common / (len(said) + len(right)) if common else 0.0

"""GLUE's tasks in T5's formats: one worked example of each, labels, metrics, transfer."""

import pytest

from runners.tasks import question_answering
from runners.tasks.glue import TASKS
from runners.tasks.task import translated

KNOWN = {**TASKS, **question_answering.SQUAD}

RECORDS = {
    "sst2": {"idx": 4, "sentence": "a warm film . ", "label": 1},
    "mrpc": {"idx": 4, "sentence1": "He left .", "sentence2": "She left .", "label": 0},
    "qqp": {"idx": 4, "question1": "Why?", "question2": "How come?", "label": 1},
    "glue_rte": {"idx": 4, "sentence1": "It rained.", "sentence2": "It was wet.", "label": 0},
}


@pytest.mark.parametrize(
    ("task", "text", "target", "prefix"),
    [
        ("sst2", "sentence: a warm film . ", "positive", "sst2"),
        ("mrpc", "sentence1: He left . sentence2: She left .", "not_equivalent", "mrpc"),
        ("qqp", "question1: Why? question2: How come?", "duplicate", "qqp"),
        ("glue_rte", "sentence1: It rained. sentence2: It was wet.", "entailment", "rte"),
    ],
)
def test_formats(task: str, text: str, target: str, prefix: str) -> None:
    """Catches another order of fields than T5's, swapped classes, or a prefix of our own."""
    (example,) = TASKS[task].read([RECORDS[task]], split="train")
    assert (example.input, example.target, example.key) == (text, target, (4,))
    (kept,) = TASKS[task].read([RECORDS[task]], split="dev", task_prefix=True)
    assert kept.input == f"{prefix} {text}"


def test_paraphrases_are_judged_by_f1_and_accuracy() -> None:
    """Catches the F1 of the wrong class, and an invalid answer that counts as a negative."""
    rows = [{**RECORDS["mrpc"], "idx": n, "label": label} for n, label in enumerate([1, 1, 0, 0])]
    examples = TASKS["mrpc"].read(rows, split="dev")
    answers = ["equivalent", "nonsense", "equivalent", "not_equivalent"]
    scores = TASKS["mrpc"].score(answers, examples)
    # The invalid answer is the opposite of its target: one hit, one miss, one false alarm.
    assert scores["f1"] == pytest.approx(100 * 2 * 1 / (2 * 1 + 1 + 1))
    assert scores["accuracy"] == 50
    assert scores["score"] == pytest.approx((scores["f1"] + 50) / 2)
    assert scores["invalid"] == 0.25


@pytest.mark.parametrize(
    ("said", "source", "target", "meant"),
    [
        ("duplicate", "qqp", "mrpc", "equivalent"),
        ("not_duplicate", "qqp", "mrpc", "not_equivalent"),
        ("not_equivalent", "mrpc", "qqp", "not_duplicate"),
        ("positive", "qqp", "mrpc", "positive"),
        ("duplicate", "qqp", "sst2", "duplicate"),
        ("duplicate", "squad", "mrpc", "duplicate"),
    ],
)
def test_answers_are_translated_between_paraphrase_tasks(
    said: str, source: str, target: str, meant: str
) -> None:
    """Catches a transfer that scores 0 because the same verdict has another name."""
    assert translated(said, KNOWN[source], KNOWN[target]) == meant

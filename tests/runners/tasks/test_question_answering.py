"""Questions about a passage in T5's format, and SQuAD's metrics."""

import re
from typing import Any

import pytest

from runners.tasks.question_answering import MRQA, SQUAD, spaced

RECORD: dict[str, Any] = {
    "idx": 0, "question": "Who's the U.S. leader?", "context": "In 2015 (May),\nAnna led.",
    "answers": ["Anna", "Anna Lee"],
}  # fmt: skip


def test_the_format_is_t5s() -> None:
    """Catches marks without space around them, or a second right answer as the target."""
    (example,) = SQUAD["squad"].read([RECORD], split="train")
    assert example.input == (
        "question: Who ' s the U . S . leader ? context: In 2015 ( May ) , Anna led ."
    )
    assert (example.target, example.references) == ("Anna", ("Anna", "Anna Lee"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_b", "a_b"),
        ("\u201310°", "\u2013 10 °"),
        ("né, naïve", "né , naïve"),
        ("  two\t\nwords ", "two words"),
        ("e\u0301t", "e\u0301t"),
        ("½ of 3,5", "½ of 3 , 5"),
        ("", ""),
    ],
)
def test_spacing(text: str, expected: str) -> None:
    """Catches letters, accents, digits or underscores that are taken for marks."""
    assert spaced(text) == expected


def test_metrics_take_the_best_right_answer() -> None:
    """Catches an answer judged by the first of the right ones alone."""
    examples = MRQA["bioasq"].read([RECORD, {**RECORD, "idx": 1}], split="dev")
    scores = MRQA["bioasq"].score(["the Anna Lee !", "Anna led"], examples)
    assert scores["exact_match"] == 50
    # 'anna led' shares one of two tokens with 'anna': F1 of 2/3.
    assert scores["f1"] == pytest.approx(100 * (1 + 2 / 3) / 2)
    assert scores["invalid"] == 0
    assert SQUAD["squad"].score(["The !", "Anna"], examples)["invalid"] == 0.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"answers": []}, "squad record idx 0: answers: [] is empty; leave the question out"),
        ({"answers": [" "]}, "squad record idx 0: answers: [' '] is empty"),
        ({"answers": "Anna"}, "squad record idx 0: answers: 'Anna' is not a list of texts; write"),
        ({"answers": [1]}, "squad record idx 0: answers: [1] is not a list of texts"),
        ({"question": 3}, "squad record idx 0: question: 3 is not text"),
    ],
)
def test_a_bad_record_is_refused(changes: dict[str, Any], message: str) -> None:
    """Catches an unanswerable question, which SQuAD 1.1 does not have, as an empty target."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        SQUAD["squad"].read([{**RECORD, **changes}], split="train")

"""One worked example of every task's text and metrics, spelled out, on sentences of our own.

Sources: T5's preprocessors (`glue`, `record`, `multirc`, `wsc_simple`), its
postprocessors and metrics. T5's first word stays in a multi-task input (Lester
et al. 2021, 3.1), and the tasks of prompt-tuning's `super_glue.py` drop it.
"""

import re
from dataclasses import dataclass
from typing import Any

import pytest

from runners.tasks.superglue import TASKS


@dataclass(frozen=True, kw_only=True)
class Worked:
    """A record in the publisher's schema, its first input with T5's first word, its targets."""

    record: dict[str, Any]
    input: str
    targets: tuple[str, ...]


WORKED = {
    "boolq": Worked(
        record={
            "question": "do herons eat fish", "label": True, "idx": 3,
            "passage": "Heron -- A heron is a bird that hunts fish and frogs.",
        },
        input=(
            "boolq passage: Heron -- A heron is a bird that hunts fish and frogs. "
            "question: do herons eat fish"
        ),
        targets=("True",),
    ),
    "cb": Worked(
        record={
            "premise": "B: Did she say so? A: I never thought she would move out.",
            "hypothesis": "she would move out", "label": "contradiction", "idx": 8,
        },
        input=(
            "cb hypothesis: she would move out "
            "premise: B: Did she say so? A: I never thought she would move out."
        ),
        targets=("contradiction",),
    ),
    "copa": Worked(
        record={
            "premise": "The ferry stayed in the harbour.", "choice1": "The sea was rough.",
            "choice2": "The harbour was new.", "question": "cause", "label": 0, "idx": 1,
        },
        input=(
            "copa choice1: The sea was rough. choice2: The harbour was new. "
            "premise: The ferry stayed in the harbour. question: cause"
        ),
        targets=("choice1",),
    ),
    "multirc": Worked(
        record={
            "idx": 4, "version": 1.1,
            "passage": {
                "text": "<b>Sent 1: </b>Mira planted oats.<br><b>Sent 2: </b>Rain came late.<br>",
                "questions": [
                    {
                        "question": "What did <b>Mira</b> plant?", "idx": 21,
                        "answers": [
                            {"text": "Rye", "idx": 0, "label": 0},
                            {"text": "Oats<br>", "idx": 1, "label": 1},
                        ],
                    }
                ],
            },
        },
        input=(
            "multirc question: What did Mira plant? answer: Rye "
            "paragraph: Sent 1: Mira planted oats. Sent 2: Rain came late. "
        ),
        targets=("False", "True"),
    ),
    "record": Worked(
        record={
            "source": "own", "idx": 6,
            "passage": {
                "text": "Oslo (Reuters) Lund met Berg.\n@highlight\nLund leads\n@highlight\n"
                "Was it 'Berg'?\n@highlight\nNobody knows",
                "entities": [
                    {"start": 0, "end": 3}, {"start": 15, "end": 18}, {"start": 24, "end": 27},
                    {"start": 41, "end": 44},
                ],
            },
            "qas": [
                {
                    "query": "Voters trust @placeholder.", "idx": 40,
                    "answers": [
                        {"start": 41, "end": 44, "text": "Lund"},
                        {"start": 15, "end": 18, "text": "Lund"},
                        {"start": 24, "end": 27, "text": "Berg"},
                    ],
                }
            ],
        },
        input=(
            "record query: Voters trust @placeholder. entities: Berg, Lund, Oslo "
            "passage: Oslo (Reuters) Lund met Berg. Lund leads. Was it 'Berg'? Nobody knows"
        ),
        targets=("Berg", "Lund"),
    ),
    "rte": Worked(
        record={
            "premise": "The mill closed in 1911.", "hypothesis": "The mill is open.",
            "label": "not_entailment", "idx": 5,
        },
        input="rte hypothesis: The mill is open. premise: The mill closed in 1911.",
        targets=("not_entailment",),
    ),
    "wic": Worked(
        record={
            "word": "sharp", "sentence1": "A sharp knife.", "sentence2": "Sharp at noon.",
            "idx": 2, "label": False, "start1": 2, "start2": 0, "end1": 7, "end2": 5,
            "version": 1.1,
        },
        input="wic sentence1: A sharp knife. sentence2: Sharp at noon. word: sharp",
        targets=("False",),
    ),
    "wsc": Worked(
        record={
            "text": "Ida lent Ruth her scarf because she was cold .", "label": True, "idx": 9,
            "target": {
                "span1_index": 2, "span1_text": "Ruth", "span2_index": 6, "span2_text": "she",
            },
        },
        input="wsc: Ida lent Ruth her scarf because *she* was cold .",
        targets=("Ruth",),
    ),
}  # fmt: skip


def test_every_task_is_worked() -> None:
    """Catches a task whose format nobody has spelled out."""
    assert WORKED.keys() == TASKS.keys()


@pytest.mark.parametrize("task", sorted(WORKED))
def test_text(task: str) -> None:
    """Catches a key, an order, a space or a word that differs from T5's, with and without a name.

    The first word is dropped here as prompt-tuning's tasks drop it, `^[^ ]* `.
    """
    worked = WORKED[task]
    named = TASKS[task].read([worked.record], split="train", task_prefix=True)
    plain = TASKS[task].read([worked.record], split="train")
    assert named[0].input == worked.input
    assert plain[0].input == re.sub(r"^[^ ]* ", "", worked.input)
    assert tuple(example.target for example in named) == worked.targets
    assert tuple(example.target for example in plain) == worked.targets


SCORED = [
    ("boolq", ["True", "False"], ["True", "true"], {"accuracy": 50.0}),
    # F1: entailment 2/3, contradiction 2/3, and 0 for neutral, which nobody names.
    (
        "cb",
        ["entailment", "entailment", "contradiction"],
        ["entailment", "contradiction", "contradiction"],
        {"f1_macro": 100 * 4 / 9, "accuracy": 100 * 2 / 3},
    ),
    # An invalid answer is wrong, and is no answer of any class: F1 2/3, 1 and 0.
    (
        "cb",
        ["entailment", "entailment", "contradiction"],
        ["entailment", "perhaps", "contradiction"],
        {"f1_macro": 100 * 5 / 9, "accuracy": 100 * 2 / 3},
    ),
    ("copa", ["choice1", "choice2"], ["choice1", "choice1"], {"accuracy": 50.0}),
    ("rte", ["entailment", "not_entailment"], ["entailment", "entailment"], {"accuracy": 50.0}),
    ("wic", ["True", "False"], ["maybe", "False"], {"accuracy": 50.0}),
]


@pytest.mark.parametrize(("task", "labels", "said", "metrics"), SCORED)
def test_metrics_of_classes(
    task: str, labels: list[str], said: list[str], metrics: dict[str, float]
) -> None:
    """Catches another mean over classes, or an invalid answer that helps."""
    raw = {"True": True, "False": False, "choice1": 0, "choice2": 1}
    records = [WORKED[task].record | {"label": raw.get(label, label)} for label in labels]
    scores = TASKS[task].score(said, TASKS[task].read(records, split="dev"))
    expected = metrics | {"score": sum(metrics.values()) / len(metrics)}
    assert {name: scores[name] for name in expected} == pytest.approx(expected)


def _multirc(question: int, labels: list[int]) -> dict[str, Any]:
    answers = [{"text": "x", "idx": place, "label": label} for place, label in enumerate(labels)]
    questions = [{"question": "?", "idx": question, "answers": answers}]
    return {"idx": 0, "passage": {"text": "t", "questions": questions}}


def test_metrics_of_multirc() -> None:
    """Catches an exact match over answers, or F1 that is a mean over questions (F1m, not F1a).

    Question 0 is answered in full, question 1 is not: 50% exact match. Over all
    answers there are 3 hits, 1 false alarm, and 1 miss by an invalid answer: the
    F1 of 'True' is 2 * 3 / (2 * 3 + 1 + 1).
    """
    records = [_multirc(0, [1, 0]), _multirc(1, [1, 1, 1, 0])]
    examples = TASKS["multirc"].read(records, split="dev")
    said = ["True", "False", "True", "True", "yes", "True"]
    scores = TASKS["multirc"].score(said, examples)
    assert scores == pytest.approx(
        {"exact_match": 50.0, "f1": 75.0, "score": 62.5, "invalid": 1 / 6}
    )


def test_an_invalid_answer_to_a_negative_is_a_false_alarm() -> None:
    """Catches an invalid answer that counts as 'False', which T5 makes the opposite of its target.

    1 hit and 1 false alarm: F1 is 2 / (2 + 1).
    """
    examples = TASKS["multirc"].read([_multirc(0, [1, 0])], split="dev")
    scores = TASKS["multirc"].score(["True", "no"], examples)
    assert scores["f1"] == pytest.approx(100 * 2 / 3)
    assert scores["exact_match"] == 0


def test_metrics_of_record() -> None:
    """Catches a mean over the right answers where T5 takes the best, or a query asked twice.

    'the Lund!' is Lund once normalised. 'Lund Berg' has one of two words right:
    precision 1/2, recall 1, F1 2/3.
    """
    first = WORKED["record"].record
    second = first | {"idx": 7}
    examples = TASKS["record"].read([first, second], split="dev")
    assert [example.references for example in examples] == [("Berg", "Lund")] * 2
    scores = TASKS["record"].score(["the Lund!", "Lund Berg"], examples)
    assert scores["exact_match"] == 50.0
    assert scores["f1"] == pytest.approx(100 * (1 + 2 / 3) / 2)
    assert scores["score"] == pytest.approx((50.0 + 100 * 5 / 6) / 2)


def test_metrics_of_wsc() -> None:
    """Catches a score for naming the candidate where the candidate is wrong.

    Right candidate named, right candidate not named, wrong candidate not named,
    and no answer at all: 2 of 4 agree with the label.
    """
    right = WORKED["wsc"].record
    wrong = right | {"label": False, "target": right["target"] | {"span1_text": "Ida"}}
    examples = TASKS["wsc"].read([right, right, wrong, wrong], split="dev")
    scores = TASKS["wsc"].score(["ruth", "Ida", "Ruth", ""], examples)
    assert (scores["accuracy"], scores["invalid"]) == (50.0, 0.25)


# T5 writes these two out by hand, because words between spaces do not lead to the pronoun.
HAND_MADE = [
    (
        'They laughed. "Good for him," he said.', 4, "him",
        'They laughed. "Good for *him* ," he said.',
    ),
    ("Some day they might want to use it , but not now", 6, "it",
     "Some day they might want to use *it* , but not now"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "index", "pronoun", "marked"), HAND_MADE)
def test_exceptions_of_wsc(text: str, index: int, pronoun: str, marked: str) -> None:
    """Catches the mark on 'use' or a lost quotation mark where the publisher's place is off."""
    record = WORKED["wsc"].record | {
        "text": text,
        "target": {
            "span1_index": 0, "span1_text": text.split(maxsplit=1)[0],
            "span2_index": index, "span2_text": pronoun,
        },
    }  # fmt: skip
    (example,) = TASKS["wsc"].read([record], split="dev", task_prefix=True)
    assert example.input == f"wsc: {marked}"

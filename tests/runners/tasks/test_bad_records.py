"""What a reader says to a record that breaks the schema: exact messages, one for each rule."""

import copy
import re
from typing import Any

import pytest

from runners.tasks.superglue import TASKS

RECORDS: dict[str, dict[str, Any]] = {
    "boolq": {"question": "is it hot", "passage": "It boils.", "idx": 7, "label": True},
    "cb": {"premise": "Ann left.", "hypothesis": "Ann stayed", "label": "neutral", "idx": 0},
    "copa": {
        "premise": "The cup broke.", "choice1": "It fell.", "choice2": "It sang.",
        "question": "cause", "label": 0, "idx": 3,
    },
    "multirc": {
        "idx": 2,
        "passage": {
            "text": "Ann owns a cat.",
            "questions": [{"question": "Who?", "idx": 0, "answers": [{"text": "Ann", "label": 1}]}],
        },
    },
    "record": {
        "idx": 5,
        "passage": {"text": "Zed met Ann.", "entities": [{"start": 0, "end": 2}]},
        "qas": [{"query": "@placeholder met Ann.", "idx": 9, "answers": [{"text": "Zed"}]}],
    },
    "wsc": {
        "text": "Ann thanked Bea because she had helped.",
        "target": {"span1_index": 2, "span1_text": "Bea", "span2_index": 4, "span2_text": "she"},
        "label": True, "idx": 6,
    },
}  # fmt: skip
ABSENT = object()


def broken(task: str, path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    """The task's record with another value, or none, at the end of `path`."""
    record: Any = copy.deepcopy(RECORDS[task])
    inner = record
    for step in path[:-1]:
        inner = inner[step]
    if value is ABSENT:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return dict(record)


@pytest.mark.parametrize("task", sorted(RECORDS))
def test_the_whole_records_are_legal(task: str) -> None:
    """Catches a table below whose errors come from its own base record."""
    assert TASKS[task].read([RECORDS[task]], split="train")


ONE_OF_CB = 'is not one of "entailment", "contradiction", "neutral"'
ANSWER = ("passage", "questions", 0, "answers", 0)


@pytest.mark.parametrize(
    ("task", "path", "value", "message"),
    [
        ("boolq", ("passage",), ABSENT, "passage is missing; give text"),
        ("boolq", ("passage",), None, "passage: None is not text; write a JSON string"),
        ("boolq", ("label",), ABSENT, "label is missing; give false or true"),
        (
            "boolq",
            ("label",),
            1,
            "label: 1 is not one of false, true; use one of these, as JSON",
        ),
        (
            "boolq",
            ("label",),
            "true",
            "label: 'true' is not one of false, true; did you mean true?",
        ),
        (
            "cb",
            ("label",),
            "contradicts",
            f"label: 'contradicts' {ONE_OF_CB}; did you mean \"contradiction\"?",
        ),
        ("copa", ("label",), True, "label: True is not one of 0, 1; use one of these, as JSON"),
        ("copa", ("label",), 2, "label: 2 is not one of 0, 1; use one of these, as JSON"),
        (
            "copa",
            ("question",),
            "efect",
            'question: \'efect\' is not one of "cause", "effect"; did you mean "effect"?',
        ),
        ("multirc", ("passage",), "Ann", "passage: 'Ann' is not a JSON object; write {...}"),
        (
            "multirc",
            ("passage", "questions"),
            [1],
            "passage.questions: [1] is not a list of JSON objects; write [{...}, ...]",
        ),
        (
            "multirc",
            (*ANSWER, "label"),
            ABSENT,
            "passage.questions[0].answers[0].label is missing; give 0 or 1",
        ),
        (
            "record",
            ("qas", 0, "idx"),
            1.5,
            "qas[0].idx: 1.5 is not a whole number; write one, without quotes",
        ),
        (
            "record",
            ("qas", 0, "answers"),
            ABSENT,
            "qas[0].answers is missing; give a list of JSON objects",
        ),
        (
            "record",
            ("passage", "entities", 0, "end"),
            12,
            (
                "passage.entities[0].end: 12 does not end a span from 0 in a text of "
                "12 characters; give the place of its last character, from 0"
            ),
        ),
        (
            "wsc",
            ("target", "span2_index"),
            1,
            (
                "target.span2_index: 1 is not the place of 'she' in the text; "
                "count the words between single spaces, from 0"
            ),
        ),
        (
            "wsc",
            ("target", "span1_text"),
            3,
            "target.span1_text: 3 is not text; write a JSON string",
        ),
    ],
)
def test_message(task: str, path: tuple[str | int, ...], value: object, message: str) -> None:
    """Catches a bad record that is read, or an error that does not say where and what to do."""
    subject = f"{task} record idx {RECORDS[task]['idx']}"
    with pytest.raises(ValueError, match=f"^{re.escape(f'{subject}: {message}')}$"):
        TASKS[task].read([broken(task, path, value)], split="dev")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (ABSENT, "idx is missing; give a whole number"),
        ("7", "idx: '7' is not a whole number; write one, without quotes"),
        (True, "idx: True is not a whole number; write one, without quotes"),
    ],
)
def test_record_without_an_index(value: object, message: str) -> None:
    """Catches an error that names a record by the index it does not have."""
    with pytest.raises(ValueError, match=f"^{re.escape(f'boolq record number 1: {message}')}$"):
        TASKS["boolq"].read([broken("boolq", ("idx",), value)], split="dev")


def test_near_miss_of_a_missing_field() -> None:
    """Catches a misspelt field whose error does not show the spelling that is there."""
    record = {**RECORDS["boolq"], "pasage": "It boils."}
    del record["passage"]
    with pytest.raises(ValueError, match="passage is missing; did you mean 'pasage'"):
        TASKS["boolq"].read([record], split="dev")


def test_record_that_is_no_object() -> None:
    """Catches an error that counts records from 0, or names the wrong one."""
    with pytest.raises(ValueError, match=r"^boolq record number 2: \[1\] is not a JSON object"):
        TASKS["boolq"].read([RECORDS["boolq"], [1]], split="dev")


def test_long_values_are_shortened() -> None:
    """Catches an error that prints a whole passage."""
    with pytest.raises(ValueError, match="is not one of") as caught:
        TASKS["cb"].read([{**RECORDS["cb"], "label": "x" * 5000}], split="dev")
    assert len(str(caught.value)) < 200


def test_bad_record_of_the_other_class_is_not_hidden_by_training() -> None:
    """Catches a training split that skips wrong candidates before it has read them."""
    record = broken("wsc", ("target", "span1_text"), None) | {"label": False}
    with pytest.raises(ValueError, match=r"target\.span1_text: None is not text"):
        TASKS["wsc"].read([record], split="train")

"""The text formats and answers of the eight tasks, on sentences of our own.

Expected formats: T5's preprocessors, without their first word.
"""

import copy
import subprocess
import sys
from typing import Any

import pytest

from runners.tasks.superglue import TASKS
from runners.tasks.task import Example

Record = dict[str, Any]

BOOLQ: Record = {
    "question": "is the kettle hot",
    "passage": "The kettle boiled.",
    "idx": 7,
    "label": True,
}
CB: Record = {"premise": "Ann left.", "hypothesis": "Ann stayed", "label": "neutral", "idx": 0}
COPA: Record = {
    "premise": "The cup broke.",
    "choice1": "It fell.",
    "choice2": "It sang.",
    "question": "cause",
    "label": 0,
    "idx": 3,
}
MULTIRC: Record = {
    "idx": 2,
    "version": 1.1,
    "passage": {
        "text": "<b>Sent 1: </b>Ann owns a cat.<br><b>Sent 2: </b>It is grey.",
        "questions": [
            {
                "question": "What is grey?",
                "idx": 0,
                "answers": [
                    {"text": "The cat", "idx": 0, "label": 1},
                    {"text": "Ann", "idx": 1, "label": 0},
                ],
            },
            {"question": "Who?", "idx": 1, "answers": [{"text": "Bo", "idx": 0, "label": 0}]},
        ],
    },
}
STORY = 'Zed met Ann Lee. "Hi!"\n@highlight\nAnn Lee smiled\n@highlight\nZed left'
RECORD: Record = {
    "source": "test",
    "idx": 5,
    "passage": {
        "text": STORY,
        "entities": [
            {"start": 0, "end": 2},
            {"start": 8, "end": 14},
            {"start": 8, "end": 10},
            {"start": 34, "end": 40},
        ],
    },
    "qas": [
        {
            "query": "@placeholder smiled at him.",
            "idx": 9,
            "answers": [
                {"start": 8, "end": 14, "text": "Ann Lee"},
                {"start": 34, "end": 40, "text": "Ann Lee"},
                {"start": 8, "end": 10, "text": "Ann"},
            ],
        },
        {"query": "Nobody saw @placeholder.", "idx": 10, "answers": []},
    ],
}
RTE: Record = {"premise": "It rains.", "hypothesis": "It is wet.", "label": "entailment", "idx": 1}
WIC: Record = {
    "word": "bank",
    "sentence1": "The bank is steep.",
    "sentence2": "The bank is closed.",
    "idx": 4,
    "label": False,
    "start1": 4,
    "start2": 4,
    "end1": 8,
    "end2": 8,
    "version": 1.1,
}
WSC: Record = {
    "text": "Ann thanked Bea because she had helped.",
    "target": {"span1_index": 2, "span1_text": "Bea", "span2_index": 4, "span2_text": "she"},
    "label": True,
    "idx": 6,
}
RECORDS = {
    "boolq": BOOLQ,
    "cb": CB,
    "copa": COPA,
    "multirc": MULTIRC,
    "record": RECORD,
    "rte": RTE,
    "wic": WIC,
    "wsc": WSC,
}


def dev(task: str, record: Record) -> list[Example]:
    """The dev examples of one record."""
    return TASKS[task].read([record], split="dev")


@pytest.mark.parametrize(
    ("task", "text", "target"),
    [
        ("boolq", "passage: The kettle boiled. question: is the kettle hot", "True"),
        ("cb", "hypothesis: Ann stayed premise: Ann left.", "neutral"),
        (
            "copa",
            "choice1: It fell. choice2: It sang. premise: The cup broke. question: cause",
            "choice1",
        ),
        (
            "multirc",
            (
                "question: What is grey? answer: The cat "
                "paragraph: Sent 1: Ann owns a cat. Sent 2: It is grey."
            ),
            "True",
        ),
        (
            "record",
            (
                "query: @placeholder smiled at him. entities: Ann, Ann Lee, Zed "
                'passage: Zed met Ann Lee. "Hi!" Ann Lee smiled. Zed left'
            ),
            "Ann",
        ),
        ("rte", "hypothesis: It is wet. premise: It rains.", "entailment"),
        (
            "wic",
            "sentence1: The bank is steep. sentence2: The bank is closed. word: bank",
            "False",
        ),
        ("wsc", "Ann thanked Bea because *she* had helped.", "Bea"),
    ],
)
def test_format(task: str, text: str, target: str) -> None:
    """Catches a swapped key, a lost separator, or another word for a label."""
    first = dev(task, RECORDS[task])[0]
    assert (first.input, first.target) == (text, target)


@pytest.mark.parametrize("task", sorted(TASKS))
def test_task_prefix_is_the_first_word_and_nothing_else(task: str) -> None:
    """Catches a prefix that changes the text, so that dropping a word would not undo it."""
    plain = TASKS[task].read([RECORDS[task]], split="dev")
    named = TASKS[task].read([RECORDS[task]], split="dev", task_prefix=True)
    first_word = "wsc:" if task == "wsc" else task
    assert [each.input for each in named] == [f"{first_word} {each.input}" for each in plain]


@pytest.mark.parametrize(
    ("task", "raw", "words"),
    [
        ("boolq", (False, True), ("False", "True")),
        ("cb", *[("entailment", "contradiction", "neutral")] * 2),
        ("copa", (0, 1), ("choice1", "choice2")),
        ("rte", *[("entailment", "not_entailment")] * 2),
        ("wic", (False, True), ("False", "True")),
    ],
)
def test_labels(task: str, raw: tuple[object, ...], words: tuple[str, ...]) -> None:
    """Catches classes in another order than the publisher's ids, or swapped words."""
    read = [dev(task, {**RECORDS[task], "label": label})[0] for label in raw]
    assert tuple(each.target for each in read) == words == TASKS[task].labels
    assert all(each.choices == words for each in read)
    assert TASKS[task].init_words == words


def test_words_of_tasks_without_classes() -> None:
    """Catches a class-label start of ReCoRD or WSC that is not the paper's (footnote 7)."""
    assert TASKS["record"].labels is TASKS["wsc"].labels is None
    words = ("commonsense", "reasoning", "reading", "comprehension")
    assert TASKS["record"].init_words == words
    assert TASKS["wsc"].init_words == ("commonsense", "pronoun", "resolution")


def test_multirc_groups_are_questions_of_passages() -> None:
    """Catches groups by question index alone, which restarts in each passage of other sources."""
    second = {**copy.deepcopy(MULTIRC), "idx": 3}
    examples = TASKS["multirc"].read([MULTIRC, second], split="dev")
    assert [each.key for each in examples] == [(2, 0), (2, 0), (2, 1), (3, 0), (3, 0), (3, 1)]
    assert [each.target for each in examples[:3]] == ["True", "False", "False"]
    right = TASKS["multirc"].score(["True", "True", "False"] * 2, examples)
    assert right["exact_match"] == 50


def test_record_trains_on_each_answer_and_asks_once_on_dev() -> None:
    """Catches a repeated answer trained twice, or a query that dev counts once an answer."""
    train = TASKS["record"].read([RECORD], split="train")
    assert [(each.key, each.target) for each in train] == [
        ((5, 9), "Ann"),
        ((5, 9), "Ann Lee"),
        ((5, 10), "<unk>"),
    ]
    asked = TASKS["record"].read([RECORD], split="dev")
    assert [each.key for each in asked] == [(5, 9), (5, 10)]
    assert asked[0].references == ("Ann", "Ann Lee")
    assert asked[0].choices == ("Ann", "Ann Lee", "Zed")


def test_record_keeps_queries_of_the_same_index_apart() -> None:
    """Catches a dev split that loses the queries of a second passage with equal indices."""
    other = copy.deepcopy(RECORD)
    other["qas"][0]["query"] = "@placeholder met Zed."
    assert len(TASKS["record"].read([RECORD, other], split="dev")) == 3


@pytest.mark.parametrize("mark", [".", "?", "!", '"', "'"])
def test_record_highlight_after_a_stop(mark: str) -> None:
    """Catches 'stop..' or a lost stop where a highlight follows the end of a sentence."""
    record = copy.deepcopy(RECORD)
    record["passage"] = {"text": f"Zed ran{mark}\n@highlight\nZed won", "entities": []}
    assert dev("record", record)[0].input.endswith(f"passage: Zed ran{mark} Zed won")


def test_wsc_trains_on_true_candidates_only() -> None:
    """Catches training on a wrong referent, or a dev split without its negatives."""
    wrong = copy.deepcopy(WSC) | {"label": False}
    assert [each.target for each in TASKS["wsc"].read([wrong, WSC], split="train")] == ["Bea"]
    right_one, wrong_one = TASKS["wsc"].read([WSC, wrong], split="dev")
    assert (right_one.holds, wrong_one.holds) == (True, False)
    assert (right_one.references, wrong_one.references) == (("Bea",), ())


def test_wsc_scores_agreement_with_the_label() -> None:
    """Catches a negative that is right when its candidate is named, or an empty answer that is."""
    wrong = copy.deepcopy(WSC) | {"label": False}
    examples = TASKS["wsc"].read([WSC, WSC, wrong, wrong, wrong], split="dev")
    scores = TASKS["wsc"].score(["the Bea", "Ann", "bea", "Ann", "the"], examples)
    assert scores == {"accuracy": 40.0, "score": 40.0, "invalid": 0.2}


def test_names_of_metrics() -> None:
    """Catches a renamed metric, which analysis would miss."""
    names = {
        task: set(TASKS[task].score([each.target for each in examples], examples))
        for task, examples in ((task, dev(task, RECORDS[task])) for task in TASKS)
    }
    accuracy = {"accuracy", "score", "invalid"}
    answers = {"exact_match", "f1", "score", "invalid"}
    assert names == {
        **dict.fromkeys(("boolq", "copa", "rte", "wic", "wsc"), accuracy),
        "cb": accuracy | {"f1_macro"},
        "multirc": answers,
        "record": answers,
    }


def test_score_is_the_mean_of_a_tasks_metrics() -> None:
    """Catches a headline that takes one of two metrics, or counts the invalid share in."""
    records = [{**CB, "label": name} for name in ("entailment", "contradiction", "neutral")]
    examples = TASKS["cb"].read(records, split="dev")
    scores = TASKS["cb"].score(["entailment", "contradiction", "contradiction"], examples)
    assert scores["accuracy"] == pytest.approx(200 / 3)
    assert scores["f1_macro"] == pytest.approx(100 * (1 + 2 / 3 + 0) / 3)
    assert scores["score"] == pytest.approx((scores["accuracy"] + scores["f1_macro"]) / 2)


@pytest.mark.parametrize("near", ["true", "True ", " True", "True.", "1", ""])
def test_verbalizers_are_exact(near: str) -> None:
    """Catches a lenient comparison, which would score answers that T5 counts wrong."""
    scores = TASKS["boolq"].score([near], dev("boolq", BOOLQ))
    assert scores == {"accuracy": 0.0, "score": 0.0, "invalid": 1.0}


def test_invalid_answer_of_record_is_no_entity() -> None:
    """Catches an entity in SQuAD's sense ('the zed!') that is called no answer."""
    examples = dev("record", RECORD)[:1] * 4
    scores = TASKS["record"].score(["the zed!", "ann lee", "Lee", ""], examples)
    assert scores["invalid"] == 0.5
    assert scores["exact_match"] == 25.0
    assert scores["f1"] == pytest.approx(100 * (0 + 1 + 2 / 3 + 0) / 4)


def test_query_without_answers_is_never_right() -> None:
    """Catches a filler target that a model could be right with, or a crash on no references."""
    unanswered = dev("record", RECORD)[1:]
    assert TASKS["record"].score(["<unk>"], unanswered)["score"] == 0


def test_tasks_can_key_a_cache() -> None:
    """Catches a task whose parts are unhashable, which no cache of read splits would accept."""
    assert len({task: task.name for task in TASKS.values()}) == 8


def test_import_is_light() -> None:
    """Catches an import that makes every command line wait for torch or scikit-learn."""
    code = (
        "import sys, runners.tasks.benchmarks, runners.tasks.files.folder, runners.tasks.own; "
        "print([m for m in ('torch', 'ray', 'pandas', 'numpy', 'datasets') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

"""A user's own task: what it reads, what it is known by."""

import dataclasses
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from runners.tasks.own import OwnTask, columns_of

ROWS = [{"text": "Good {film}.", "stars": 5}, {"text": "Dull.", "stars": 1}]


def _task(folder: Path, **changes: Any) -> OwnTask:
    base: dict[str, Any] = {
        "name": "reviews", "train": folder / "train.jsonl", "dev": folder / "dev.csv",
        "held_out": None, "input": "review: {text}", "target": "{stars}",
        "labels": (("1", "negative"), ("5", "positive")), "metrics": ("accuracy",),
        "init_words": ("negative", "positive"),
    }  # fmt: skip
    return OwnTask(**base | changes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two rows for training as JSON lines, one for dev as CSV."""
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    (tmp_path / "dev.csv").write_text('stars,text\n5,"Fine, ""very"""\n')
    return tmp_path


def test_rows_become_examples(folder: Path) -> None:
    """Catches braces of a text taken for a column, or a class by its raw value."""
    own = _task(folder)
    train = own.task.read(own.records("train"), split="train")
    assert [(e.input, e.target) for e in train] == [
        ("review: Good {film}.", "positive"), ("review: Dull.", "negative"),
    ]  # fmt: skip
    (dev,) = own.task.read(own.records("dev"), split="dev", task_prefix=True)
    assert (dev.input, dev.target) == ('reviews review: Fine, "very"', "positive")
    assert dev.choices == own.task.labels == own.task.init_words == ("negative", "positive")
    assert own.task.score(["positive", "neutral"], train) == {
        "accuracy": 50, "score": 50, "invalid": 0.5,
    }  # fmt: skip


def test_free_text_is_judged_as_an_answer(folder: Path) -> None:
    """Catches a task without classes whose answers are all illegal."""
    own = _task(folder, labels=None, target="it is {stars}", metrics=("exact_match", "f1"))
    train = own.task.read(own.records("train"), split="train")
    assert [e.target for e in train] == ["it is 5", "it is 1"]
    scores = own.task.score(["It is 5!", "it was 1"], train)
    assert scores["exact_match"] == 50
    assert scores["f1"] == pytest.approx(100 * (1 + 2 / 3) / 2)
    assert scores["invalid"] == 0


@pytest.mark.parametrize(
    ("metric", "value"),
    [("accuracy", 50), ("macro_f1", 100 * (2 / 3 + 0) / 2), ("binary_f1", 0)],
)
def test_metrics_of_classes(folder: Path, metric: str, value: float) -> None:
    """Catches the F1 of the first class taken for that of the second."""
    own = _task(folder, metrics=(metric,))
    train = own.task.read(own.records("train"), split="train")
    assert own.task.score(["negative", "negative"], train)[metric] == pytest.approx(value)


def test_a_share_is_held_out_the_same_way_every_time(tmp_path: Path) -> None:
    """Catches dev rows that are trained on, or that change from worker to worker."""
    path = tmp_path / "all.tsv"
    path.write_text("text\tstars\n" + "".join(f"row {n}\t1\n" for n in range(500)))
    own = _task(tmp_path, train=path, dev=None, held_out=0.2)
    train, dev = own.records("train"), own.records("dev")
    assert len(train) + len(dev) == 500
    assert not {row["idx"] for row in train} & {row["idx"] for row in dev}
    assert 70 < len(dev) < 130
    assert own.records("dev") == dev


def test_a_share_of_squad_is_held_out_by_article(tmp_path: Path) -> None:
    """Catches a passage that is in train with one question and in dev with another."""
    asked = [{"question": "?", "answers": [{"text": "x"}]}] * 5
    articles = [{"paragraphs": [{"context": f"x {n}", "qas": asked}]} for n in range(40)]
    (tmp_path / "all.json").write_text(json.dumps({"data": articles}))
    own = _task(
        tmp_path, train=tmp_path / "all.json", dev=None, held_out=0.3, input=None, target=None,
        labels=None,
    )  # fmt: skip
    train, dev = own.records("train"), own.records("dev")
    assert not {row["context"] for row in train} & {row["context"] for row in dev}
    assert len(train) + len(dev) == 200
    (example, *_) = own.task.read(dev, split="dev")
    assert example.input.startswith("question: ? context: x ")


def test_a_file_in_squads_form_may_be_in_any_language(tmp_path: Path) -> None:
    """Catches T5's rule for English, which takes every letter beyond ASCII for a mark."""
    asked = {"question": "Где живёт Анна?", "answers": [{"text": "в Москве"}]}
    paragraph = {"context": "Анна живёт в Москве.", "qas": [asked]}
    file = tmp_path / "all.json"
    file.write_text(json.dumps({"data": [{"paragraphs": [paragraph]}]}))
    own = _task(tmp_path, train=file, dev=file, input=None, target=None, labels=None)
    (example,) = own.task.read(own.records("train"), split="train")
    assert example.input == "question: Где живёт Анна ? context: Анна живёт в Москве ."
    assert example.target == "в Москве"


@pytest.mark.parametrize(
    ("changes", "alike"),
    [
        ({"labels": None, "metrics": ("exact_match", "f1")}, True),
        ({"labels": None, "metrics": ("exact_match", "accuracy")}, False),
        ({"metrics": ("accuracy",)}, False),
        ({"input": None, "target": None, "labels": None}, True),
    ],
)
def test_votes_count_what_the_metrics_see(
    folder: Path, changes: dict[str, Any], *, alike: bool
) -> None:
    """Catches votes for one answer that are split by a capital, or for two taken together."""
    canonical = _task(folder, **changes).task.canonical
    assert (canonical("The Lund") == canonical("lund.")) is alike


def test_a_share_that_leaves_nothing_is_refused(tmp_path: Path) -> None:
    """Catches an empty dev split, found as a mean of nothing after hours."""
    path = tmp_path / "all.tsv"
    path.write_text("text\tstars\na\t1\n")
    own = _task(tmp_path, train=path, dev=None, held_out=1e-6)
    message = r"^reviews: held_out 1e-06 leaves none of 1 rows for dev; give another share, or"
    with pytest.raises(ValueError, match=message):
        own.records("dev")


def test_content_is_what_the_task_is(folder: Path) -> None:
    """Catches results kept when a template or a file has changed, or lost when a folder moves."""
    own = _task(folder)
    moved = folder / "elsewhere"
    moved.mkdir()
    for file in ("train.jsonl", "dev.csv"):
        (moved / file).write_bytes((folder / file).read_bytes())
    assert _task(moved, name="other").content == own.content
    changes: list[dict[str, Any]] = [
        {"input": "{text}"}, {"target": "{text}"}, {"labels": None}, {"metrics": ("f1",)},
        {"init_words": ("a",)}, {"dev": folder / "train.jsonl"}, {"dev": None, "held_out": 0.5},
    ]  # fmt: skip
    contents = {_task(folder, **change).content for change in changes}
    (moved / "dev.csv").write_text("stars,text\n1,x\n")
    assert len(contents | {own.content, _task(moved).content}) == len(changes) + 2


def test_what_is_asked_of_others_is_known_by_its_dev_rows(folder: Path) -> None:
    """Catches a transfer under an old id when a dev file has changed, or a new one for nothing."""
    own = _task(folder)
    same = [
        _task(folder, train=None), _task(folder, name="other"),
        _task(folder, init_words=("a",), instruction="Is it good?"),
    ]  # fmt: skip
    assert {each.dev_content for each in same} == {own.dev_content}
    changes: list[dict[str, Any]] = [
        {"input": "{text}"}, {"target": "{text}"}, {"labels": None}, {"metrics": ("f1",)},
        {"dev": folder / "train.jsonl"}, {"dev": None, "held_out": 0.5},
        {"dev": None, "held_out": 0.4},
    ]  # fmt: skip
    contents = {_task(folder, **change).dev_content for change in changes}
    (folder / "dev.csv").write_text("stars,text\n1,x\n")
    assert len(contents | {own.dev_content, _task(folder).dev_content}) == len(changes) + 2


def test_nothing_trains_on_dev_rows(folder: Path) -> None:
    """Catches a task without training rows that is trained on those it is judged by."""
    message = r"^reviews: has no file for train; give it one, or train on another$"
    with pytest.raises(ValueError, match=message):
        _task(folder, train=None).records("train")


def test_a_task_travels_to_a_worker(folder: Path) -> None:
    """Catches a task that cannot be sent, or that a worker's cache takes for another."""
    own = _task(folder)
    again = pickle.loads(pickle.dumps(own))
    assert again == own and hash(again) == hash(own)
    assert dataclasses.replace(own, name="x") != own


def test_a_class_without_a_word_is_refused(folder: Path) -> None:
    """Catches a row of a class that nobody named, in the middle of a sweep."""
    (folder / "dev.csv").write_text("stars,text\n3,x\n")
    own = _task(folder)
    message = r"^reviews record idx 0: the target '3' is not one of 1, 5; give it a word under"
    with pytest.raises(ValueError, match=message):
        own.task.read(own.records("dev"), split="dev")


def test_an_ending_says_how_a_file_is_read(folder: Path) -> None:
    """Catches a spreadsheet read as text."""
    (folder / "train.xlsx").write_bytes(b"x")
    message = r"train.xlsx: .xlsx is not one of .csv, .tsv, .jsonl, .json; save it as one of these$"
    with pytest.raises(ValueError, match=message):
        _task(folder, train=folder / "train.xlsx").records("train")


def test_templates_name_plain_columns() -> None:
    """Catches a template that reaches into Python objects."""
    assert columns_of("{a} and {{b}} and {c d}") == ["a", "c d"]
    for template in ("{a.b}", "{a[0]}", "{a!r}", "{a:>3}", "{}"):
        with pytest.raises(ValueError, match=r"is no plain column; write \{column\}"):
            columns_of(template)
    with pytest.raises(ValueError, match=r"write \{column\}, and \{\{ for a brace itself"):
        columns_of("{a")

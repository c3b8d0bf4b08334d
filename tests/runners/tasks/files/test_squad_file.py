"""SQuAD's and MRQA's files."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from runners.tasks.files.folder import read_folder
from runners.tasks.files.squad_file import read_squad_file


def _asked(question: str, *answers: str) -> dict[str, Any]:
    return {
        "id": question, "question": question,
        "answers": [{"text": answer, "answer_start": 0} for answer in answers],
    }  # fmt: skip


def _squad() -> dict[str, Any]:
    first = {"context": "One.", "qas": [_asked("a?", "A", "AA"), _asked("b?", "B")]}
    other = {"context": "Two.", "qas": [_asked("c?", "C")]}
    return {
        "version": "1.1",
        "data": [{"title": "x", "paragraphs": [first]}, {"title": "y", "paragraphs": [other]}],
    }


QUESTIONS = [
    {"idx": 0, "article": 0, "question": "a?", "context": "One.", "answers": ["A", "AA"]},
    {"idx": 1, "article": 0, "question": "b?", "context": "One.", "answers": ["B"]},
    {"idx": 2, "article": 1, "question": "c?", "context": "Two.", "answers": ["C"]},
]


@pytest.mark.parametrize(
    ("split", "file"), [("train", "train-v1.1.json"), ("dev", "dev-v1.1.json")]
)
def test_squads_folder(tmp_path: Path, split: str, file: str) -> None:
    """Catches a question under another passage, and a split under another name."""
    (tmp_path / file).write_text(json.dumps(_squad()))
    assert read_folder("squad", tmp_path, "squad", split) == QUESTIONS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON ("),
        ("[]", "is a JSON list, not an object; give SQuAD's"),
        ('{"data": []}', "holds no question; put the whole file there"),
        ("{}", "data is missing; give a list of JSON objects"),
        ('{"data": [{"paragraph": []}]}', "data[0].paragraphs is missing; did you mean 'paragraph"),
        (
            '{"data": [{"paragraphs": [{"context": "x", "qas": [{"question": "y"}]}]}]}',
            "data[0].paragraphs[0].qas[0].answers is missing; give a list of JSON objects",
        ),
    ],
)
def test_files_of_another_form_are_refused(tmp_path: Path, content: str, message: str) -> None:
    """Catches a KeyError for somebody's file that only resembles SQuAD."""
    path = tmp_path / "mine.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=f"^{re.escape(f'{path}: {message}')}"):
        read_squad_file(path)


def test_mrqa(tmp_path: Path) -> None:
    """Catches a header taken for a passage, detected spans for answers, a header and no more."""
    asked = {
        "qid": "1", "question": "Which?", "answers": ["gene X", "X"],
        "detected_answers": [{"text": "Gene x", "char_spans": [[0, 5]]}],
    }  # fmt: skip
    lines = [{"header": {"dataset": "BioASQ"}}, {"id": "", "context": "Text.", "qas": [asked]}]
    packed = gzip.compress("\n".join(map(json.dumps, lines)).encode())
    (tmp_path / "BioASQ.jsonl.gz").write_bytes(packed)
    assert read_folder("mrqa", tmp_path, "bioasq", "dev") == [
        {"idx": 0, "question": "Which?", "context": "Text.", "answers": ["gene X", "X"]}
    ]
    file = tmp_path / "BioASQ.jsonl.gz"
    file.write_bytes(gzip.compress(json.dumps(lines[0]).encode()))
    message = f"{file}: holds no question; put the whole file there"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read_folder("mrqa", tmp_path, "bioasq", "dev")
    message = "bioasq: MRQA has no train split of it; train on squad instead"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read_folder("mrqa", tmp_path, "bioasq", "train")

"""Files in the form of SQuAD 1.1, and MRQA's.

SQuAD: one JSON object, articles of paragraphs of questions. MRQA: JSON lines,
a header first, then a passage with its questions on each line.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from runners.tasks.files.lines import content, read_jsonl
from runners.tasks.files.places import split_file
from runners.tasks.record_fields import Fields
from runners.tasks.task import Split

SQUAD_FILES: Mapping[Split, str] = {"train": "train-v1.1.json", "dev": "dev-v1.1.json"}
"""The publisher's file of each split of SQuAD 1.1."""
MRQA_FILES: Mapping[str, str] = {
    "bioasq": "BioASQ.jsonl.gz", "drop": "DROP.jsonl.gz", "duorc": "DuoRC.ParaphraseRC.jsonl.gz",
    "race": "RACE.jsonl.gz", "relation_extraction": "RelationExtraction.jsonl.gz",
    "textbookqa": "TextbookQA.jsonl.gz",
}  # fmt: skip
"""The publisher's file of each out-of-domain set."""

Records = list[dict[str, Any]]


def read_squad_folder(root: Path, task: str, split: Split) -> Records:
    """The questions of a split of SQuAD 1.1; raises ValueError as `read_squad_file` does."""
    return read_squad_file(split_file(root, SQUAD_FILES, task, split))


def read_squad_file(path: Path) -> Records:
    """The questions of a file in SQuAD's form, numbered from 0, each with its article's number.

    Raises ValueError naming file, place and field where it has another form,
    and where it holds no question.
    """
    try:
        values = json.loads(content(path))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: is not JSON ({error}); give a file in SQuAD's form") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path}: is a JSON {type(values).__name__}, not an object; give SQuAD's")
    return _numbered(list(_questions(Fields(values=values, record=str(path)))), path)


def _numbered(questions: Records, path: Path) -> Records:
    if not questions:
        raise ValueError(f"{path}: holds no question; put the whole file there")
    return [{"idx": number, **each} for number, each in enumerate(questions)]


def _questions(top: Fields) -> Iterator[dict[str, Any]]:
    for number, article in enumerate(top.items("data")):
        for paragraph in article.items("paragraphs"):
            context = paragraph.text("context")
            for asked in paragraph.items("qas"):
                answers = [answer.text("text") for answer in asked.items("answers")]
                yield {
                    "article": number, "question": asked.text("question"), "context": context,
                    "answers": answers,
                }  # fmt: skip


def read_mrqa_folder(root: Path, task: str, split: Split) -> Records:
    """The questions of one out-of-domain set, which has a dev split alone.

    Raises ValueError where the file is missing or holds no question, and where another split is
    asked for.
    """
    if split != "dev":
        raise ValueError(f"{task}: MRQA has no {split} split of it; train on squad instead")
    path = split_file(root, {"dev": MRQA_FILES[task]}, task, split)
    passages = [each for each in read_jsonl(path) if "header" not in each]
    questions = [
        {"question": asked.text("question"), "context": passage.text("context"),
         "answers": asked.texts("answers")}
        for number, values in enumerate(passages)
        for passage in [Fields(values=values, record=f"{path}, passage {number}")]
        for asked in passage.items("qas")
    ]  # fmt: skip
    return _numbered(questions, path)

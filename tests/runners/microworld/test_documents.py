"""The microworld's documents: what a model may have read before it meets the tasks."""

import hashlib
import itertools
import re

import pytest

from runners.microworld.documents import Document, sample_documents
from runners.tasks.superglue import TASKS

FIELDS = (
    "passage", "question", "premise", "hypothesis", "choice1", "choice2", "paragraph", "answer",
    "sentence1", "sentence2", "word", "query", "entities",
)  # fmt: skip


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    """Enough documents to have met every wording."""
    return list(itertools.islice(sample_documents(0), 20_000))


def test_no_document_is_in_a_tasks_format(documents: list[Document]) -> None:
    """Catches a leak of the text-to-text formats, which would make prompting a matter of recall."""
    marked = re.compile(rf"\b({'|'.join(FIELDS)}):|\*\w+\*|@placeholder|@highlight")
    assert not [d.text for d in documents if marked.search(d.text)]


def test_every_word_of_the_verbalizers_occurs(documents: list[Document]) -> None:
    """Catches a verbalizer that the model has never read, so that no label has a meaning."""
    words = {word for d in documents for word in re.findall(r"\w+", d.text.replace("_", " "))}
    labels = {label for task in TASKS.values() for label in task.labels or ()}
    parts = {part for label in labels for part in re.findall(r"[A-Za-z]+|\d", label)}
    assert parts <= words, parts - words


def test_no_question_is_answered_by_a_verbalizer(documents: list[Document]) -> None:
    """Catches documents that teach the tasks' answers where only ordinary talk is allowed."""
    labels = {label for task in TASKS.values() for label in task.labels or ()}
    for document in documents:
        for start, end in document.answers:
            if document.text[:start].rstrip().endswith("?"):
                assert document.text[start:end].rstrip(".") not in labels, document.text


def test_answers_are_where_they_say(documents: list[Document]) -> None:
    """Catches a span that starts or ends within a word."""
    for document in documents:
        for start, end in document.answers:
            assert start == 0 or document.text[start - 1] == " "
            assert end == len(document.text) or document.text[end] == " "


def test_the_same_seed_gives_the_same_bytes() -> None:
    """Catches a set or a hash order in the generator: the weights could not be made again."""
    texts = "\n".join(d.text for d in itertools.islice(sample_documents(7), 500))
    again = "\n".join(d.text for d in itertools.islice(sample_documents(7), 500))
    other = "\n".join(d.text for d in itertools.islice(sample_documents(8), 500))
    assert texts == again
    assert texts != other
    assert hashlib.sha256(texts.encode()).hexdigest()[:16] == GOLDEN


GOLDEN = "082a091700adb34d"
"""Of 500 documents of seed 7; another interpreter or another hash seed must not change it."""

"""The microworld's documents: what a model may have read before it meets the tasks."""

import hashlib
import itertools
import re

import pytest

from runners.microworld.documents import sample_documents
from runners.microworld.exchanges import MIXES, PRIMER, SCHOOL, Mix
from runners.microworld.writer import Document
from runners.tasks.superglue import TASKS

FIELDS = (
    "passage", "question", "premise", "hypothesis", "choice1", "choice2", "paragraph", "answer",
    "sentence1", "sentence2", "word", "query", "entities",
)  # fmt: skip


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    """Enough documents of the world to have met every wording."""
    return list(itertools.islice(sample_documents(0), 20_000))


@pytest.fixture(scope="module", params=MIXES)
def read(request: pytest.FixtureRequest) -> list[Document]:
    """Documents of one mix."""
    return list(itertools.islice(sample_documents(0, MIXES[request.param]), 10_000))


def test_no_document_is_in_a_tasks_format(read: list[Document]) -> None:
    """Catches a leak of the text-to-text formats, which would make prompting a matter of recall."""
    marked = re.compile(rf"\b({'|'.join(FIELDS)}):|\*\w+\*|@placeholder|@highlight")
    assert not [d.text for d in read if marked.search(d.text)]


def test_every_word_of_the_verbalizers_occurs(documents: list[Document]) -> None:
    """Catches a verbalizer that the model has never read, so that no label has a meaning."""
    words = {word for d in documents for word in re.findall(r"\w+", d.text)}
    labels = {label for task in TASKS.values() for label in task.labels or ()}
    assert labels <= words, labels - words


SAID = re.compile(r"\b(I call that|That is what I call|In short:|We would say|I take|I would pick"
                  r"|My pick is|It was|says that|thinks that|told us that)\b")  # fmt: skip
"""What has to come before a label that is a reply, but for directions, which name their words."""
DIRECTED = re.compile(r"(Say|Reply with|One word is enough,) ")
LABELS = {label for task in TASKS.values() for label in task.labels or ()}


def test_a_label_is_a_reply_where_talk_leads_to_it(read: list[Document]) -> None:
    """Catches a label that answers a question as the tasks want it, by itself.

    A label as a whole reply is a verdict on what somebody says, a pick that is
    introduced, or in the words that a direction asks for.
    """
    for document in read:
        for start, end in document.answers:
            if document.text[start:end].rstrip(".") in LABELS and not DIRECTED.match(document.text):
                assert SAID.search(document.text[:start]), document.text
                assert not document.text[:start].rstrip().endswith("?"), document.text


def test_a_label_is_never_the_bare_target(read: list[Document]) -> None:
    """Catches the target of a task, which has no full stop, as the end of a document."""
    ends = {document.text[start:end] for document in read for start, end in document.answers}
    assert not ends & LABELS


def test_answers_are_where_they_say(read: list[Document]) -> None:
    """Catches a span that starts or ends within a word."""
    for document in read:
        for start, end in document.answers:
            assert start == 0 or document.text[start - 1] == " "
            assert end == len(document.text) or document.text[end] == " "


def _text(seed: int, mix: Mix) -> str:
    return "\n".join(d.text for d in itertools.islice(sample_documents(seed, mix), 500))


@pytest.mark.parametrize(
    ("name", "golden"),
    [
        ("primer", "f2f6993f4385a940"), ("world", "48ff5ddbb2264820"),
        ("drill", "b5d85195398c4170"), ("school", "742711904209e5cd"),
        ("conversation", "df6ee018343ad01a"),
    ],
)  # fmt: skip
def test_the_same_seed_gives_the_same_bytes(name: str, golden: str) -> None:
    """Catches a set or a hash order in the generator: the weights could not be made again."""
    mix = MIXES[name]
    assert _text(7, mix) == _text(7, mix)
    assert _text(7, mix) != _text(8, mix)
    assert hashlib.sha256(_text(7, mix).encode()).hexdigest()[:16] == golden


def test_a_school_asks_first_as_often_as_after(documents: list[Document]) -> None:
    """Catches a model that learns to answer only what was asked last."""

    def asked_first(document: Document) -> bool:
        return document.text.split(" ")[0] in ("Is", "Did", "Does", "Was") and "?" in document.text

    read = list(itertools.islice(sample_documents(0, SCHOOL), 20_000))
    facts = [document for document in read if len(document.answers) == 2]
    others = [document for document in documents if len(document.answers) == 5]
    assert sum(map(asked_first, others)) / len(others) < 0.15
    assert sum(map(asked_first, facts)) / len(facts) > 0.15


def test_a_primer_is_easy(documents: list[Document]) -> None:
    """Catches easy reading with what it was to leave out: nothing comes before its passage."""
    for document in itertools.islice(sample_documents(0, PRIMER), 2000):
        first = document.text.split(".")[0]
        assert "?" not in first, document.text
        assert " that " not in first, document.text
    assert any(" that " in d.text.split(".")[0] for d in documents)

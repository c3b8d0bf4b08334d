"""Documents that begin with how to reply."""

import itertools
import re
from collections import Counter

import pytest

from runners.microworld.documents import sample_documents
from runners.microworld.exchanges import CONVERSATION, MIXES
from runners.microworld.writer import Document

DIRECTION = re.compile(r"(Say|Reply with|One word is enough,) ([^.]*)\.")


def _directed(documents: list[Document]) -> list[tuple[set[str], str]]:
    """The words that each directed document asks for, and its reply."""
    found = []
    for document in documents:
        match = DIRECTION.match(document.text)
        if match and " or " in match[2]:
            ((start, end),) = document.answers
            found.append((set(re.split(r", | or ", match[2])), document.text[start:end]))
    return found


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    """Enough documents of LM adaptation to have met every direction."""
    return list(itertools.islice(sample_documents(0, CONVERSATION), 8000))


def test_a_direction_is_followed(documents: list[Document]) -> None:
    """Catches a reply in other words than those asked for, which teaches to ignore a prompt."""
    found = _directed(documents)
    assert len(found) > 2000
    assert all(reply.removesuffix(".") in words for words, reply in found)


def test_every_reply_occurs_and_none_prevails(documents: list[Document]) -> None:
    """Catches a direction that tells the reply, such as a word that is always the first."""
    replies: dict[frozenset[str], Counter[str]] = {}
    for words, reply in _directed(documents):
        replies.setdefault(frozenset(words), Counter())[reply] += 1
    assert len(replies) == 5
    for asked, counts in replies.items():
        assert len(counts) == len(asked)
        assert max(counts.values()) / sum(counts.values()) < 0.7, (asked, counts)


@pytest.mark.parametrize("name", sorted(MIXES))
def test_directions_are_read_by_one_mix_alone(name: str) -> None:
    """Catches directions that crept into the mixes whose skills were measured without them."""
    found = _directed(list(itertools.islice(sample_documents(0, MIXES[name]), 2000)))
    assert bool(found) == (name == "conversation")

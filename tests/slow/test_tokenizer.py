"""The tokenizer of the shipped ladder, made again from 40,000 documents."""

import itertools

import pytest
from transformers import AutoTokenizer

from runners.data.tokenizer import train_tokenizer
from runners.microworld.documents import sample_documents
from runners.model.checkpoint import LADDER

pytestmark = pytest.mark.slow


def test_the_shipped_tokenizer_can_be_made_again() -> None:
    """Catches a change for other texts that would give the nano ladder other ids."""
    documents = itertools.islice(sample_documents(0), 40_000)
    again = train_tokenizer((document.text for document in documents), pieces=600)
    assert again.get_vocab() == AutoTokenizer.from_pretrained(LADDER / "tokenizer").get_vocab()

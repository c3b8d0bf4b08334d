"""Documents as rows of the two self-supervised objectives."""

import numpy as np
import pytest

from runners.data.batching import Encoded
from runners.data.corpus import CorruptedRows, PrefixRows, Tokens, read_microworld
from runners.data.prefix_lm import split_prefix
from runners.model.t5_backbone import T5Backbone


def _cut(documents: list[Tokens], *, salient: float) -> list[Encoded]:
    rows = PrefixRows(
        documents=documents, batch_size=len(documents), seed=0, end_id=1, salient=salient,
        longest=8,
    )  # fmt: skip
    return rows.batch(0)


def test_a_prefix_and_its_continuation_are_the_document(backbone: T5Backbone) -> None:
    """Catches a token lost at the cut, an empty half, or an end that is missing."""
    documents = read_microworld(backbone.codec.tokenizer, seed=1, documents=30)
    rows = _cut(documents, salient=0.0)
    joined = sorted(np.concatenate((r.input_ids[:-1], r.target_ids[:-1])).tolist() for r in rows)
    assert joined == sorted(d.ids.tolist() for d in documents)
    assert all(r.input_ids[-1] == r.target_ids[-1] == 1 for r in rows)
    assert all(min(len(r.input_ids), len(r.target_ids)) > 1 for r in rows)
    assert {len(r.target_ids) - 1 for r in rows} <= set(range(1, 9))


def test_a_salient_cut_gives_one_whole_answer(backbone: T5Backbone) -> None:
    """Catches a model that never begins with an answer, or has read the answer that it writes."""
    read = read_microworld(backbone.codec.tokenizer, seed=1, documents=60)
    documents = [document for document in read if document.answer.any()]
    pairs = {
        (*document.ids[:first], 0, *document.ids[first:last])
        for document in documents
        for number in range(1, document.answer.max() + 1)
        for places in [np.flatnonzero(document.answer == number)]
        for first, last in [(places[0], places[-1] + 1)]
    }
    cut = _cut(documents, salient=1.0)
    assert len(cut) == len(documents)
    for row in cut:
        assert (*row.input_ids[:-1], 0, *row.target_ids[:-1]) in pairs
    half = sum((*r.input_ids[:-1], 0, *r.target_ids[:-1]) in pairs for r in _cut(read, salient=0.5))
    assert 15 < half < 45


def test_a_document_without_answers_is_cut_anywhere(backbone: T5Backbone) -> None:
    """Catches a document that is dropped, or a cut that looks for what is not there."""
    read = read_microworld(backbone.codec.tokenizer, seed=1, documents=200)
    plain = [document for document in read if not document.answer.any()]
    assert plain
    for row in _cut(plain, salient=1.0):
        assert min(len(row.input_ids), len(row.target_ids)) > 1


def test_a_document_too_short_to_cut_is_refused() -> None:
    """Catches a model taught to continue nothing."""
    with pytest.raises(ValueError, match="needs 2 tokens or more, got 1"):
        split_prefix(np.array([4]), np.random.default_rng(0), longest=16)


def test_salient_masking_hides_whole_answers(backbone: T5Backbone) -> None:
    """Catches an answer that is half told, which would teach copying from its own rest."""
    read = read_microworld(backbone.codec.tokenizer, seed=1, documents=60)
    documents = [document for document in read if document.answer.any()]
    rows = CorruptedRows(
        documents=documents, batch_size=len(documents), batches=1, seed=0,
        end_id=1, first_sentinel=699, salient=1.0,
    )  # fmt: skip
    answers = {
        tuple(document.ids[document.answer == number])
        for document in documents
        for number in range(1, document.answer.max() + 1)
    }
    for row in rows.batch(0):
        text = row.target_ids[:-1].tolist()
        starts = [i for i, token in enumerate(text) if token > 600]
        for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
            assert tuple(text[start + 1 : end]) in answers

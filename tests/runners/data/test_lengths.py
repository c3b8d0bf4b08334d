"""The longest rows of data, measured once."""

import dataclasses

import pytest

from runners.data.lengths import Lengths, lengths_of
from runners.model import codec as codec_module
from runners.model.t5_backbone import T5Backbone
from runners.store import Store

INPUTS = ["the dog", "the dog and the cat", "the cat", "the dog"]
TARGETS = ["the dog", "dog", "cat", "the dog and the cat"]


def test_lengths_are_those_of_rows(backbone: T5Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches an input whose longest target is lost among equal inputs, or at the end of a call."""
    monkeypatch.setattr(codec_module, "AT_ONCE", 2)
    codec = backbone.codec
    rows = [len(row) for row in codec.inputs(INPUTS)]
    targets = [len(row) for row in codec.targets(TARGETS)]
    assert lengths_of(codec, INPUTS, TARGETS) == Lengths(
        input=max(rows), target=max(targets), row=max(map(sum, zip(rows, targets, strict=True)))
    )
    assert max(map(sum, zip(rows, targets, strict=True))) < max(rows) + max(targets)


def test_what_is_noted_is_not_measured_again(backbone: T5Backbone, store: Store) -> None:
    """Catches minutes of a benchmark at every run, or other texts that take its lengths."""
    codec = dataclasses.replace(backbone.codec)
    found = lengths_of(codec, INPUTS, TARGETS, store)
    deaf = dataclasses.replace(codec)
    deaf.__dict__["content"] = codec.content
    deaf.__dict__["_ids"] = lambda *_, **__: pytest.fail("measured")
    assert lengths_of(deaf, INPUTS, TARGETS, store) == found
    moved = [*INPUTS[:-1], INPUTS[-1] + " "]
    for texts in (moved, [INPUTS[0] + INPUTS[1], "", *INPUTS[2:]]):
        with pytest.raises(pytest.fail.Exception):
            lengths_of(deaf, texts, TARGETS, store)
    deaf.__dict__["content"] = "another"
    with pytest.raises(pytest.fail.Exception):
        lengths_of(deaf, INPUTS, TARGETS, store)


def test_a_tokenizer_that_cannot_be_told_is_measured_each_time(
    backbone: T5Backbone, store: Store
) -> None:
    """Catches the lengths of one slow tokenizer that are taken for those of another."""
    codec = dataclasses.replace(backbone.codec)
    codec.__dict__["content"] = None
    lengths_of(codec, INPUTS, TARGETS, store)
    assert not store.is_made


def test_no_rows_have_no_longest(backbone: T5Backbone) -> None:
    """Catches an empty split that fits everything."""
    with pytest.raises(ValueError, match="no rows, so none is the longest"):
        lengths_of(backbone.codec, [], [])


def test_notes_are_kept_and_verified(store: Store) -> None:
    """Catches a store that takes its own notes for a defect, or for another's folder."""
    assert store.measured("0" * 16) is None
    store.note_measured("0" * 16, {"input": 3})
    assert Store(store.root).measured("0" * 16) == {"input": 3}
    assert store.verify() == []

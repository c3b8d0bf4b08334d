"""Checkpoints on disk: where they are, and which is which."""

from pathlib import Path

import pytest

from runners.model import checkpoint as module
from runners.model.checkpoint import WEIGHTS, fingerprint_of, folder_of, pretrained_fingerprint
from runners.model.sizes import NANO


def test_a_checkpoint_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Catches a question to the hub for a model that is made here."""
    monkeypatch.setattr(module, "LADDER", tmp_path)
    with pytest.raises(ValueError, match="--size 60k"):
        folder_of("nano", "60k")


def test_an_unknown_size_is_refused() -> None:
    """Catches a folder that is not found, in place of the sizes there are."""
    with pytest.raises(ValueError, match="did you mean '60k'"):
        folder_of("nano", "60")


def test_every_shipped_size_has_a_fingerprint_of_its_own() -> None:
    """Catches two rungs under one name."""
    assert len({pretrained_fingerprint("nano", size) for size in NANO}) == len(NANO)


@pytest.mark.parametrize("name", [WEIGHTS, "config.json", "tokenizer.json"])
def test_whatever_decides_the_numbers_is_in_the_fingerprint(tmp_path: Path, name: str) -> None:
    """Catches another tokenizer, shape or weight that passes for the same model."""
    for other in (WEIGHTS, "config.json", "tokenizer.json", "training.jsonl"):
        (tmp_path / other).write_bytes(b"old")
    before = fingerprint_of(tmp_path)
    (tmp_path / "training.jsonl").write_bytes(b"new")
    assert fingerprint_of(tmp_path) == before
    (tmp_path / name).write_bytes(b"new")
    assert fingerprint_of(tmp_path) != before


def test_bytes_cannot_move_from_one_file_to_the_next(tmp_path: Path) -> None:
    """Catches a hash over contents alone."""
    prints = []
    for number, contents in enumerate([(b"ab", b"c"), (b"a", b"bc")]):
        folder = tmp_path / str(number)
        folder.mkdir()
        for name, content in zip(("config.json", WEIGHTS), contents, strict=True):
            (folder / name).write_bytes(content)
        prints.append(fingerprint_of(folder))
    assert prints[0] != prints[1]

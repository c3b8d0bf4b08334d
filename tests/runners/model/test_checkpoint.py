"""Checkpoints on disk: where they are, and which is which."""

import shutil
from pathlib import Path

import pytest

from runners.model import checkpoint as module
from runners.model.checkpoint import LADDER, WEIGHTS, fingerprint_of, pretrained_fingerprint
from runners.model.family import Place, Rung, shipped


def _rung(checkpoint: Place, tokenizer: Place) -> Rung:
    return Rung(
        name="tiny", checkpoint=checkpoint, tokenizer=tokenizer, adapted={}, parameters=1, width=1
    )


def test_a_checkpoint_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Catches a question to the hub for a model that is made here."""
    gone = Place(path=tmp_path / "gone")
    with pytest.raises(ValueError, match="gone does not exist; make it, or correct its family"):
        pretrained_fingerprint(_rung(gone, gone))


def test_a_hub_id_is_known_by_its_commit() -> None:
    """Catches a name without a commit that passes for one model, whatever the hub has now."""
    fixed, moved = (Place(hub_id="google/t5", revision=commit) for commit in ("a" * 40, "b" * 40))
    for loose in (Place(hub_id="google/t5"), Place(hub_id="google/t5", revision="main")):
        assert pretrained_fingerprint(_rung(loose, fixed)) is None
        assert pretrained_fingerprint(_rung(fixed, loose)) is None
    pairs = [(fixed, fixed), (moved, moved), (fixed, moved), (moved, fixed)]
    assert len({pretrained_fingerprint(_rung(*pair)) for pair in pairs}) == len(pairs)


def test_a_local_checkpoint_may_have_a_tokenizer_on_the_hub(tmp_path: Path) -> None:
    """Catches a folder that is left out where not everything lies in folders."""
    tokenizer = Place(hub_id="google/t5", revision="a" * 40)
    prints = set()
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / WEIGHTS).write_bytes(bytes([number]))
        prints.add(pretrained_fingerprint(_rung(Place(path=tmp_path / str(number)), tokenizer)))
    assert len(prints) == 2


def test_every_part_of_a_large_file_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Catches weights of gigabytes that are told apart by their beginning, or not at their end."""
    monkeypatch.setattr(module, "WHOLE_BYTES", 40)
    monkeypatch.setattr(module, "BLOCK_BYTES", 10)
    prints = []
    for place in (None, 0, 30, 60, 99):
        folder = tmp_path / str(place)
        folder.mkdir()
        content = bytearray(100)
        if place is not None:
            content[place] = 1
        (folder / WEIGHTS).write_bytes(content)
        prints.append(fingerprint_of(folder))
    assert len(set(prints)) == 5


def test_every_shipped_size_has_a_fingerprint_of_its_own() -> None:
    """Catches two rungs under one name."""
    rungs = shipped()["nano"].rungs.values()
    assert len({pretrained_fingerprint(rung) for rung in rungs}) == len(rungs)


DECISIVE = [
    WEIGHTS, "config.json", "tokenizer.json", "tokenizer.model", "spiece.model", "vocab.json",
    "vocab.txt", "merges.txt", "qwen.tiktoken", "added_tokens.json", "special_tokens_map.json",
    "tokenizer_config.json", "model.gguf",
]  # fmt: skip


@pytest.mark.parametrize("name", DECISIVE)
def test_whatever_decides_the_numbers_is_in_the_fingerprint(tmp_path: Path, name: str) -> None:
    """Catches another tokenizer, shape or weight that passes for the same model."""
    for other in (*DECISIVE, "training.jsonl"):
        (tmp_path / other).write_bytes(b"old")
    before = fingerprint_of.__wrapped__(tmp_path)
    (tmp_path / "training.jsonl").write_bytes(b"new")
    assert fingerprint_of.__wrapped__(tmp_path) == before
    (tmp_path / name).write_bytes(b"new")
    assert fingerprint_of.__wrapped__(tmp_path) != before


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


def test_fingerprints_of_older_results_stand(tmp_path: Path) -> None:
    """Catches a store of the shipped ladder, or of one that is made here, that is refused.

    The number is that of the first release; settings of another end count.
    """
    assert fingerprint_of(LADDER / "60k", LADDER / "tokenizer") == "5765f9f2ed9a411f"
    shutil.copytree(LADDER / "tokenizer", tmp_path, dirs_exist_ok=True)
    before = fingerprint_of.__wrapped__(tmp_path)
    settings = tmp_path / "tokenizer_config.json"
    settings.write_text(settings.read_text().replace('"eos_token": "</s>"', '"eos_token": "."'))
    assert fingerprint_of.__wrapped__(tmp_path) != before

"""What tells one checkpoint from another; torch is not loaded."""

import functools
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from runners.model.family import Place, Rung

LADDER = Path(__file__).resolve().parents[1] / "microworld" / "ladder"
"""The shipped nano checkpoints, one folder a size, and their tokenizer."""
WEIGHTS = "model.safetensors"
"""The file of the weights in a checkpoint, and of a milestone's in the store."""
WHOLE_BYTES = 64 * 2**20
"""A file up to this size is read whole; of a larger one, so much in blocks all over it."""
BLOCK_BYTES = 2**20
_DECISIVE = (
    "*.safetensors", "*.gguf", "config.json",
    "tokenizer.json", "*.model", "*.tiktoken", "vocab.json", "vocab.txt", "merges.txt",
    "added_tokens.json", "special_tokens_map.json",
)  # fmt: skip
"""What decides the numbers that a model gives: its weights, shape and pieces of text."""
_SETTINGS = "tokenizer_config.json"
"""What decides which pieces end or begin a text, and from vocabularies alone how it is cut."""
_T5_SETTINGS = {
    "tokenizer_class": "T5Tokenizer", "eos_token": "</s>", "pad_token": "<pad>",
    "unk_token": "<unk>",
}  # fmt: skip
"""Settings that add nothing: those of the ladders that are made here, whose fingerprints stand."""
_IDLE = {"backend", "extra_ids", "extra_special_tokens", "is_local", "model_max_length"}
"""Settings that cut no text otherwise where `tokenizer.json` says how it is cut."""
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
"""Weights in files that can run code when they are read, so that they are not."""
SAFE_REMEDY = (
    "a pickle can run code when it is read, so only safetensors are; convert it once where you "
    "trust it (docs/data.md says how), and name the folder that this makes in a family file"
)
"""What to do with a checkpoint that has no safetensors."""


def pretrained_fingerprint(rung: Rung) -> str | None:
    """16 hex digits that tell a checkpoint and its tokenizer from any others.

    None for a hub id without a commit: what it is shows when it is loaded.
    Raises ValueError where a local one is not there.
    """
    return fingerprint_of_places(rung.checkpoint, rung.tokenizer)


def fingerprint_of_places(checkpoint: Place, tokenizer: Place) -> str | None:
    """The fingerprint of a checkpoint and its tokenizer, as for `pretrained_fingerprint`."""
    places = [checkpoint] if tokenizer == checkpoint else [checkpoint, tokenizer]
    local = [place.local() for place in places]
    folders = [path for path in local if path is not None]
    if len(folders) == len(places):
        return fingerprint_of(*folders)
    if not all(place.is_fixed for place in places):
        return None
    named = [str(place) if path is None else fingerprint_of(path)
             for place, path in zip(places, local, strict=True)]  # fmt: skip
    return hashlib.sha256("\n".join(named).encode()).hexdigest()[:16]


@functools.cache
def fingerprint_of(*paths: Path) -> str:
    """16 hex digits of SHA-256 over the names and bytes of weights, shape and tokenizer.

    A path is a folder or one file. Files beyond `WHOLE_BYTES` count by their
    size and blocks all over them.
    """
    digest = hashlib.sha256()
    for path in paths:
        for file in _decisive(path):
            size = file.stat().st_size
            digest.update(f"{file.name} {size}\n".encode())
            for block in _blocks(file, size):
                digest.update(block)
    return digest.hexdigest()[:16]


def pickled(folder: Path) -> str | None:
    """What to do about a folder whose weights are pickles alone; None for any other place."""
    if not folder.is_dir() or any(folder.glob("*.safetensors")):
        return None
    found = sorted(file.name for pattern in _PICKLES for file in folder.glob(pattern))
    if not found:
        return None
    return f"{', '.join(found[:3])} {'is' if len(found) == 1 else 'are'} no safetensors; " + (
        SAFE_REMEDY
    )


def _decisive(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    found = {file for pattern in _DECISIVE for file in path.glob(pattern)}
    settings = path / _SETTINGS
    if settings.is_file() and not (path / "tokenizer.json" in found and _is_usual(settings)):
        found.add(settings)
    return sorted(found)


def _is_usual(settings: Path) -> bool:
    """Whether a tokenizer's settings are those of T5 beside what cuts no text."""
    try:
        said = json.loads(settings.read_bytes())
    except ValueError:
        # Whoever loads it will say what is wrong.
        return False
    if not isinstance(said, dict):
        return False
    return {name: value for name, value in said.items() if name not in _IDLE} == _T5_SETTINGS


def _blocks(file: Path, size: int) -> Iterator[bytes]:
    """All of a file, or blocks from its first byte to its last, evenly apart."""
    if size <= WHOLE_BYTES:
        yield file.read_bytes()
        return
    count = WHOLE_BYTES // BLOCK_BYTES
    with file.open("rb") as opened:
        for number in range(count):
            opened.seek((size - BLOCK_BYTES) * number // (count - 1))
            yield opened.read(BLOCK_BYTES)

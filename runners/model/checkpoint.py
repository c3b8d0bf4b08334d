"""What tells one checkpoint from another; torch is not loaded."""

import functools
import hashlib
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
_DECISIVE = ("*.safetensors", "config.json", "tokenizer.json", "spiece.model", "*.gguf")
"""What decides the numbers that a model gives."""


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
    if any(place.hub_id is not None and place.revision is None for place in places):
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


def _decisive(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted({file for pattern in _DECISIVE for file in path.glob(pattern)})


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

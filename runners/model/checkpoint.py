"""Where pre-trained checkpoints lie, and what tells one from another; torch is not loaded."""

import functools
import hashlib
from pathlib import Path

from runners.model.sizes import shape_of

LADDER = Path(__file__).resolve().parents[1] / "microworld" / "ladder"
"""The shipped nano checkpoints, one folder a size, and their tokenizer."""
WEIGHTS = "model.safetensors"
"""The file of the weights in a checkpoint, and of a milestone's in the store."""
_DECISIVE = ("*.safetensors", "config.json", "tokenizer.json")
"""What decides the numbers that a model gives."""


def folder_of(family: str, size: str) -> Path:
    """The checkpoint of one rung.

    Raises ValueError where the family or size is unknown, or its checkpoint is
    not there.
    """
    shape_of(family, size)
    folder = LADDER / size
    if not (folder / WEIGHTS).is_file():
        raise ValueError(
            f"model_size {size}: there is no checkpoint {folder}; make it "
            f"(python -m runners.pretraining --size {size} --stages ...) or restore the folder"
        )
    return folder


@functools.cache
def pretrained_fingerprint(family: str, size: str) -> str:
    """16 hex digits that tell a checkpoint and its tokenizer from any others.

    Raises ValueError as `folder_of` does.
    """
    return fingerprint_of(folder_of(family, size), LADDER / "tokenizer")


def fingerprint_of(*folders: Path) -> str:
    """16 hex digits of SHA-256 over the names and bytes of weights, shape and tokenizer."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(path for pattern in _DECISIVE for path in folder.glob(pattern)):
            content = path.read_bytes()
            digest.update(f"{path.name} {len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()[:16]

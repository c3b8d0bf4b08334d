"""How long the rows of a task are in a tokenizer, by the longest alone.

Notation: T input tokens, D target tokens.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Protocol

from runners.model.codec import AT_ONCE, Codec
from runners.training.provenance import code_fingerprint


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """Tokens of the longest rows of a split, before any is cut, end-of-sequence included."""

    input: int
    """The largest T."""
    target: int
    """The largest D."""
    row: int
    """The largest T + D of a row."""


class Notebook(Protocol):
    """Where lengths are kept from one run to the next: a store, for one."""

    def measured(self, key: str) -> dict[str, int] | None:
        """The numbers that were noted under a key, or None."""

    def note_measured(self, key: str, numbers: dict[str, int]) -> None:
        """Note numbers under a key."""


def lengths_of(
    codec: Codec, inputs: Sequence[str], targets: Sequence[str], notes: Notebook | None = None
) -> Lengths:
    """The lengths of rows; what `notes` have is looked up, and what they lack is added.

    Raises ValueError where there are no rows.
    """
    if not inputs:
        raise ValueError("no rows, so none is the longest; give at least one")
    key = _key(codec, inputs, targets)
    if notes is None or key is None:
        return _measured(codec, inputs, targets)
    noted = notes.measured(key)
    if noted is not None:
        return Lengths(**noted)
    found = _measured(codec, inputs, targets)
    notes.note_measured(key, asdict(found))
    return found


def _measured(codec: Codec, inputs: Sequence[str], targets: Sequence[str]) -> Lengths:
    written = dict(zip(targets, map(len, codec.targets(targets)), strict=True))
    # Of equal inputs the one with the longest target; of rows in memory a few at a time.
    longest: dict[str, int] = {}
    for text, target in zip(inputs, targets, strict=True):
        longest[text] = max(longest.get(text, 0), written[target])
    unlike = list(longest)
    most = most_of_row = 0
    for start in range(0, len(unlike), AT_ONCE):
        some = unlike[start : start + AT_ONCE]
        for text, row in zip(some, codec.inputs(some), strict=True):
            most = max(most, len(row))
            most_of_row = max(most_of_row, len(row) + longest[text])
    return Lengths(input=most, target=max(written.values()), row=most_of_row)


def _key(codec: Codec, inputs: Sequence[str], targets: Sequence[str]) -> str | None:
    """16 hex digits of all that decides the lengths; None where the tokenizer cannot be told."""
    if codec.content is None:
        return None
    made = (code_fingerprint(), version("tokenizers"), version("transformers"), codec.content)
    digest = hashlib.sha256(" ".join(made).encode())
    for texts in (inputs, targets):
        for text in texts:
            said = text.encode(errors="surrogatepass")
            digest.update(b"%d " % len(said))
            digest.update(said)
        digest.update(b"\n")
    return digest.hexdigest()[:16]

"""From text to token ids and back, for one tokenizer and one architecture.

An encoder-decoder reads an input that ends with end-of-sequence and writes a
target. A decoder-only model goes on from its input, so the input is left open,
and a target begins with the space that sets it apart, once.
"""

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

AT_ONCE = 1024
"""Texts that go to the tokenizer in one call, which holds thirty times their ids meanwhile."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Codec:
    """One tokenizer as the trials of one model use it."""

    tokenizer: PreTrainedTokenizerBase
    continues: bool
    """Whether targets go on from inputs, as in a decoder-only model."""

    @property
    def pad_id(self) -> int:
        """What fills a batch; a tokenizer without padding lends its end-of-sequence."""
        pad = self.tokenizer.pad_token_id
        return self.end_id if pad is None else int(pad)

    @property
    def end_id(self) -> int:
        """End-of-sequence, which ends every target."""
        return int(self.tokenizer.eos_token_id)

    @property
    def unknown_id(self) -> int | None:
        """What stands for text that no piece is of; None where every text has pieces."""
        unknown = self.tokenizer.unk_token_id
        return None if unknown is None else int(unknown)

    @functools.cached_property
    def content(self) -> str | None:
        """16 hex digits of what decides the ids of a text; None where that cannot be known."""
        inner = getattr(self.tokenizer, "backend_tokenizer", None)
        if inner is None:
            return None
        said = f"{inner.to_str()} {self.end_id} {self.pad_id} {self.continues}"
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    def inputs(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each input, with what the tokenizer puts around a text."""
        rows = self._ids(texts, framed=True)
        if self.continues:
            return [row[:-1] if row[-1:] == [self.end_id] else row for row in rows]
        return rows

    def targets(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each target, end-of-sequence included."""
        return [[*row, self.end_id] for row in self.words(texts)]

    def words(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of texts as they stand in a target, nothing added."""
        if not texts:
            return []
        return self._pieces([f"{self._gap}{text}" for text in texts])

    @functools.cached_property
    def _gap(self) -> str:
        """What is written before a target.

        Some tokenizers put a space before every text (Llama 2's, converted): one more would
        be a piece that no model writes between an input and what follows it.
        """
        if not self.continues:
            return ""
        first, second, spaced, both = self._pieces(["a", "b", " b", "a b"])
        puts_it = spaced != second and both == [*first, *second]
        return "" if puts_it else " "

    def _pieces(self, texts: Sequence[str]) -> list[list[int]]:
        return self._ids(texts, framed=False)

    def _ids(self, texts: Sequence[str], *, framed: bool) -> list[list[int]]:
        """The ids of each text, `framed` by special tokens or not; equal texts share a row."""
        unlike = list(dict.fromkeys(texts))
        found: dict[str, list[int]] = {}
        for start in range(0, len(unlike), AT_ONCE):
            some = unlike[start : start + AT_ONCE]
            rows = self.tokenizer(some, add_special_tokens=framed)["input_ids"]
            found.update(zip(some, rows, strict=True))
        return [found[text] for text in texts]

    def decode(self, rows: Sequence[Sequence[int]]) -> list[str]:
        """Generated ids as text without end-of-sequence, padding and surrounding space.

        Other special tokens stay: a sentinel in the answer of a model that
        should give none is an error.
        """
        dropped = {self.end_id, self.pad_id}
        kept = [[id_ for id_ in row if id_ not in dropped] for row in rows]
        texts = self.tokenizer.batch_decode(kept)
        return [text.strip() if self.continues else text for text in texts]

    @functools.cached_property
    def ordinary_pieces(self) -> list[int]:
        """Ids of the vocabulary in its order, without sentinels and other special tokens."""
        special = set(self.tokenizer.all_special_ids)
        return [piece for piece in range(len(self.tokenizer)) if piece not in special]

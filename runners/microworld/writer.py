"""How a document is written: piece by piece, with the places of its answers."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Document:
    """A text and the [start, end) character spans of its answers."""

    text: str
    answers: tuple[tuple[int, int], ...]


class Writer:
    """Collects the pieces of one document and where its answers lie."""

    def __init__(self) -> None:
        self._text = ""
        self._answers: list[tuple[int, int]] = []

    def add(self, piece: str, *, answer: bool = False) -> None:
        if self._text:
            self._text += " "
        if answer:
            self._answers.append((len(self._text), len(self._text) + len(piece)))
        self._text += piece

    def document(self) -> Document:
        return Document(text=self._text, answers=tuple(self._answers))

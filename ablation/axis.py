"""What one axis of the study is: name, label, scale, order, question, figure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeVar

Value = int | str
"""A value of an axis: a number, or the name of a choice."""
V = TypeVar("V", bound=Value)
Scale = Literal["categorical", "linear", "log"]


@dataclass(frozen=True, kw_only=True)
class Level:
    """One named value of an axis and the words that figures use for it."""

    value: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Something that varies, and what the study asks of it.

    `name` is the field of `TrialConfig`, the key in a spec and the column of a
    frame. `panel` is the panel of the figures that shows the axis; None where
    the axis is averaged over instead. `levels` are the known words in the order
    of figures; an axis of numbers has none.
    """

    name: str
    label: str
    scale: Scale
    question: str
    figure: str
    panel: str | None = None
    levels: tuple[Level, ...] = ()

    def ordered(self, values: Iterable[V]) -> list[V]:
        """`values` in the order of figures: numbers ascend, known words in the order of `levels`.

        Words that are not levels come last, in the order given.
        """
        return sorted(values, key=self._rank)

    def label_of(self, value: Value) -> str:
        """The words for one value, with thousands marked in numbers."""
        if isinstance(value, int):
            return f"{value:,}"
        return {level.value: level.label for level in self.levels}.get(value, value)

    def _rank(self, value: Value) -> int:
        if isinstance(value, int):
            return value
        words = [level.value for level in self.levels]
        return words.index(value) if value in words else len(words)

"""Questions that wait, and which of them make the next batch.

Questions of very different lengths are answered apart where padding would cost more, whatever
their tasks. The oldest is in the next batch, whatever its length, so nobody starves. What a
batch costs to choose grows with it and not with how many wait.
"""

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from runners.serving.engine import Asked

PASS = 256
"""What a batch more costs, in padded positions.

By steps of 2m on two cores: 4.2 ms a row of 75 positions in parts of 8 rows, and 3.1 in parts of
128 (docs/LOG.md, 2026-11-25), which is 9 ms a part, or three rows. What it is on a GPU, where it
is more, is not known.
"""


class Queue:
    """Questions in the order of their coming, each under a number that counts from 0."""

    def __init__(self) -> None:
        self._shapes: dict[int, _Shape] = {}
        self._alike = {chooses: _ByWidth() for chooses in (False, True)}
        self._came = 0

    def __len__(self) -> int:
        return len(self._shapes)

    @property
    def oldest(self) -> int:
        """The number of the question that has waited longest; there has to be one."""
        return next(iter(self._shapes))

    def add(self, asked: Asked) -> int:
        """Let a question wait; its number."""
        number, shape = self._came, _Shape.of(asked)
        self._came += 1
        self._shapes[number] = shape
        self._alike[shape.chooses].add(number, shape.width)
        return number

    def discard(self, number: int) -> None:
        """Let a question wait no longer, if it does."""
        shape = self._shapes.pop(number, None)
        if shape is not None:
            self._alike[shape.chooses].remove(number, shape.width)

    def take(self, tokens: int) -> list[int]:
        """Numbers, in rising order, of the questions that go next, and wait no longer.

        Of as many as can be had with the oldest within `tokens` padded positions, those of about
        its length: shorter and longer ones are left to a batch of their own where that costs less
        than the padding. All are written, or all are chosen, as the oldest is.
        """
        oldest = self.oldest
        numbers = sorted(self._fitting(tokens), key=lambda number: self._shapes[number].width)
        numbers = self._cut(numbers, oldest)
        # The same from the other end, where the shorter ones are.
        numbers = self._cut(numbers[::-1], oldest)
        for number in numbers:
            self.discard(number)
        return sorted(numbers)

    def is_full(self, tokens: int) -> bool:
        """Whether a further question like the oldest might not fit its batch any more."""
        numbers = self._fitting(tokens)
        oldest = self._shapes[numbers[0]]
        if len(numbers) < len(self._alike[oldest.chooses]):
            return True
        *_, batch = _growing(self._shapes[number] for number in numbers)
        return batch.with_(oldest).padded > tokens

    def _fitting(self, tokens: int) -> list[int]:
        """As many as can be had with the oldest, which is the first, within `tokens` positions.

        First those that add no padding, the longest of them first, then longer ones from the
        shortest on.
        """
        chosen = [self.oldest]
        batch = self._shapes[chosen[0]]
        for number in self._alike[batch.chooses].around(batch.width):
            if not batch.takes_more(tokens):
                break
            grown = batch.with_(self._shapes[number])
            if number != chosen[0] and grown.padded <= tokens:
                batch = grown
                chosen.append(number)
        return chosen

    def _cut(self, numbers: list[int], oldest: int) -> list[int]:
        """The first of them, the oldest among these, that go together so that all cost the least.

        The others are a batch of their own then, which costs `PASS` beside its positions.
        """
        shapes = [self._shapes[number] for number in numbers]
        # By how many come first; where all do, there is no further batch.
        rest = [*[PASS + shape.computed for shape in _growing(reversed(shapes))][::-1], 0]
        costs = [shape.computed + rest[n] for n, shape in enumerate(_growing(shapes), 1)]
        least = numbers.index(oldest) + 1
        # Of equals the most, so that fewer wait.
        kept = max(range(least, len(numbers) + 1), key=lambda n: (-costs[n - 1], n))
        return numbers[:kept]


class _ByWidth:
    """Questions by their width, and those of one width in the order of their coming."""

    def __init__(self) -> None:
        self._widths: list[int] = []  # Sorted; each has a question.
        self._numbers: dict[int, dict[int, None]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, number: int, width: int) -> None:
        if width not in self._numbers:
            insort(self._widths, width)
            self._numbers[width] = {}
        self._numbers[width][number] = None
        self._count += 1

    def remove(self, number: int, width: int) -> None:
        del self._numbers[width][number]
        self._count -= 1
        if not self._numbers[width]:
            del self._numbers[width]
            self._widths.remove(width)

    def around(self, width: int) -> Iterator[int]:
        """All up to a width, from the widest on, and then those beyond it, from the narrowest."""
        place = bisect_right(self._widths, width)
        for each in chain(reversed(self._widths[:place]), self._widths[place:]):
            yield from self._numbers[each]


def _growing(shapes: Iterable["_Shape"]) -> Iterator["_Shape"]:
    """The shapes of a batch as one question after the other is added to it."""
    batch = None
    for shape in shapes:
        batch = batch.with_(shape) if batch else shape
        yield batch


@dataclass(frozen=True, kw_only=True)
class _Shape:
    """What a question or a batch comes to: rows, and the longest prompt, input and target."""

    rows: int
    positions: int
    tokens: int
    targets: int
    chooses: bool

    @classmethod
    def of(cls, asked: Asked) -> "_Shape":
        return cls(
            rows=asked.copies, positions=asked.positions, tokens=asked.tokens,
            targets=asked.targets, chooses=asked.chooses,
        )  # fmt: skip

    def with_(self, other: "_Shape") -> "_Shape":
        return _Shape(
            rows=self.rows + other.rows,
            positions=max(self.positions, other.positions),
            tokens=max(self.tokens, other.tokens),
            targets=max(self.targets, other.targets),
            chooses=self.chooses,
        )

    def takes_more(self, tokens: int) -> bool:
        """Whether any further question might be had within so many padded positions."""
        return self.padded + self.padded // self.rows <= tokens

    @property
    def width(self) -> int:
        """Positions of a row that are computed for certain: a written answer may end at once."""
        return self.positions + self.tokens + (self.targets if self.chooses else 0)

    @property
    def computed(self) -> int:
        """Positions that are computed for certain."""
        return self.rows * self.width

    @property
    def padded(self) -> int:
        """The most positions that it can have."""
        return self.rows * (self.positions + self.tokens + self.targets)

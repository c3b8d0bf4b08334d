"""Which waiting questions make a batch, and when it goes.

A batch is bounded by its padded positions, so that long questions do not take more
memory than there is, and short ones share a batch in greater numbers; a question with
more choices than fit is several batches. Questions of
very different lengths are answered apart where padding would cost more, whatever
their tasks. The oldest question is in the next batch, whatever its length, so nobody
starves; and nobody waits for company longer than the bound while the model is idle.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from runners.serving.engine import Asked, Emit
from runners.serving.protocol import Answer, NotComputed

TOKENS = 16_384
"""Positions of one batch: prompt, input and target of each row, padding and copies included."""
PASS = 256
"""What a batch more costs, in padded positions.

By steps of 2m on two cores: 4.2 ms a row of 75 positions in parts of 8 rows, and 3.1 in parts of
128 (docs/LOG.md, 2026-11-25), which is 9 ms a part, or three rows. What it is on a GPU, where it
is more, is not known.
"""
WAIT_SECONDS = 0.005
"""How long an idle model waits for more questions."""

_FAILURES = (RuntimeError, ValueError, ArithmeticError, MemoryError)
"""What computing a batch may raise for what is in it, or for its size."""

Respond = Callable[[Sequence[Asked], Emit], list[Answer]]
"""Answers a batch; is called in a thread of its own, one batch at a time."""
OnToken = Callable[[int], None]
"""Is told each token of one answer as it is written, in the thread of the event loop."""


def next_batch(waiting: Sequence[Asked], tokens: int) -> list[int]:
    """Places, in rising order, of the questions that go next; the first of `waiting` is the oldest.

    Of as many as can be had with the oldest within `tokens` padded positions, those of about
    its length: shorter and longer ones are left to a batch of their own where that costs less
    than the padding. All are written, or all are chosen, as the oldest is.
    """
    places = sorted(_fitting(waiting, tokens), key=lambda i: _width(waiting[i]))
    oldest = places.index(0)
    places = places[: _cheapest_cut([waiting[i] for i in places], oldest + 1)]
    # The same from the other end, where the shorter ones are.
    mirrored = places[::-1]
    kept = _cheapest_cut([waiting[i] for i in mirrored], mirrored.index(0) + 1)
    return sorted(mirrored[:kept])


def _fitting(waiting: Sequence[Asked], tokens: int) -> list[int]:
    """Places of as many as can be had with the oldest within `tokens` padded positions.

    First those that add no padding, the longest of them first, then longer ones from the
    shortest on.
    """
    oldest = waiting[0]
    batch = _Shape.of(oldest)
    chosen = [0]
    like = [i for i in range(1, len(waiting)) if waiting[i].chooses == oldest.chooses]
    width = _width(oldest)
    widths = {i: _width(waiting[i]) for i in like}
    within = sorted((i for i in like if widths[i] <= width), key=lambda i: -widths[i])
    beyond = sorted((i for i in like if widths[i] > width), key=lambda i: widths[i])
    for place in (*within, *beyond):
        grown = batch.with_(waiting[place])
        if grown.padded <= tokens:
            batch = grown
            chosen.append(place)
    return chosen


def _width(asked: Asked) -> int:
    """Positions of a row that are computed for certain: a written answer may end at once."""
    return asked.positions + asked.tokens + (asked.targets if asked.chooses else 0)


def split(asked: Asked, tokens: int) -> list[Asked]:
    """A question in parts of so many choices as `tokens` positions have room for, in their order.

    Where one row by itself has more, each is a part of its own.
    """
    choices = asked.query.choices
    rows = max(1, tokens // (asked.positions + asked.tokens + asked.targets))
    if len(choices) <= rows:
        return [asked]
    parts = (choices[start : start + rows] for start in range(0, len(choices), rows))
    return [replace(asked, query=replace(asked.query, choices=part)) for part in parts]


def _cheapest_cut(asked: Sequence[Asked], least: int) -> int:
    """How many of the first, at least `least`, go together so that all cost the least.

    The others are a batch of their own then, which costs `PASS` beside its positions.
    """
    # By how many come first; where all do, there is no further batch.
    rest = [*[PASS + shape.computed for shape in _growing(reversed(asked))][::-1], 0]
    costs = [shape.computed + rest[n] for n, shape in enumerate(_growing(asked), 1)]
    # Of equals the most, so that fewer wait.
    return max(range(least, len(asked) + 1), key=lambda n: (-costs[n - 1], n))


def _growing(asked: Iterable[Asked]) -> Iterator["_Shape"]:
    """The shapes of a batch as one after the other is added to it."""
    shape = None
    for each in asked:
        shape = shape.with_(each) if shape else _Shape.of(each)
        yield shape


@dataclass(frozen=True, kw_only=True)
class _Shape:
    """What a batch comes to: rows, and the longest prompt, input and target of them."""

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

    def with_(self, asked: Asked) -> "_Shape":
        return _Shape(
            rows=self.rows + asked.copies,
            positions=max(self.positions, asked.positions),
            tokens=max(self.tokens, asked.tokens),
            targets=max(self.targets, asked.targets),
            chooses=self.chooses,
        )

    @property
    def padded(self) -> int:
        """The most positions that it can have."""
        return self.rows * (self.positions + self.tokens + self.targets)

    @property
    def computed(self) -> int:
        """Positions that are computed for certain: written answers may end at once."""
        return self.rows * (self.positions + self.tokens + (self.targets if self.chooses else 0))


@dataclass(kw_only=True, eq=False)
class _Waiting:
    asked: Asked
    answer: asyncio.Future[Answer]
    on_token: OnToken | None
    told: int = 0
    since: float = field(default_factory=time.monotonic)


class Batcher:
    """Puts questions together and answers them, one batch after the other.

    It belongs to one event loop, in which `ask` is awaited; the model computes
    in a thread, so the loop stays free. A question whose asker has gone is not
    computed, unless its batch is under way.
    """

    def __init__(
        self, respond: Respond, *, tokens: int = TOKENS, wait: float = WAIT_SECONDS
    ) -> None:
        self._respond, self._tokens, self._wait = respond, tokens, wait
        self._waiting: list[_Waiting] = []
        self._news = asyncio.Event()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")
        self._begun: float | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Questions that no batch has taken yet."""
        return len(self._waiting)

    async def ask(self, asked: Asked, on_token: OnToken | None = None) -> Answer:
        """The answer to one question; raises what the model raises for its batch."""
        parts = split(asked, self._tokens)
        if len(parts) == 1:
            return await self._ask(asked, on_token)
        asking = [asyncio.create_task(self._ask(part)) for part in parts]
        try:
            return _joined(await asyncio.gather(*asking))
        finally:
            # Where one part fails, the others are not computed for nobody.
            for each in asking:
                each.cancel()

    async def _ask(self, asked: Asked, on_token: OnToken | None = None) -> Answer:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._serve())
        place = _Waiting(
            asked=asked, answer=asyncio.get_running_loop().create_future(), on_token=on_token
        )
        self._waiting.append(place)
        self._news.set()
        try:
            return await place.answer
        finally:
            with contextlib.suppress(ValueError):
                self._waiting.remove(place)

    @property
    def computing_seconds(self) -> float:
        """How long the model's thread has been at the batch that it has; 0 where it has none."""
        begun = self._begun
        return 0.0 if begun is None else time.monotonic() - begun

    async def close(self) -> None:
        """Stop; questions that still wait are cancelled."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for place in self._waiting:
            place.answer.cancel()
        self._thread.shutdown(wait=True)

    async def _serve(self) -> None:
        while True:
            await self._company()
            # Under no name, so that nothing of it is kept while nobody asks.
            await self._answer(self._taken())

    def _taken(self) -> list[_Waiting]:
        """The next batch, which waits no longer."""
        places = next_batch([each.asked for each in self._waiting], self._tokens)
        batch = [self._waiting[place] for place in places]
        for place in reversed(places):
            del self._waiting[place]
        return batch

    async def _company(self) -> None:
        """Until somebody waits, and then until a batch is full or has waited long enough."""
        while True:
            self._news.clear()
            if self._waiting:
                left = self._waiting[0].since + self._wait - time.monotonic()
                if left <= 0 or self._is_full():
                    return
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), left)
            else:
                await self._news.wait()

    def _is_full(self) -> bool:
        """Whether a further question like the oldest might not fit any more."""
        asked = [each.asked for each in self._waiting]
        places = _fitting(asked, self._tokens)
        if len(places) < sum(each.chooses == asked[0].chooses for each in asked):
            return True
        shape = _Shape.of(asked[0])
        for place in places[1:]:
            shape = shape.with_(asked[place])
        return shape.with_(asked[0]).padded > self._tokens

    async def _answer(self, batch: Sequence[_Waiting]) -> None:
        """Answer a batch; one that fails is answered in halves, so that the culprit fails alone."""
        started = time.monotonic()
        computing = asyncio.ensure_future(self._compute(batch))
        try:
            await asyncio.wait([computing])
        except asyncio.CancelledError:
            computing.cancel()
            for each in batch:
                each.answer.cancel()
            raise
        error = computing.exception()
        if error is None:
            seconds = time.monotonic() - started
            for each, answer in zip(batch, computing.result(), strict=True):
                if not each.answer.done():
                    each.answer.set_result(replace(answer, seconds=seconds))
        elif isinstance(error, _FAILURES) and len(batch) > 1:
            await self._answer(batch[: len(batch) // 2])
            await self._answer(batch[len(batch) // 2 :])
        else:
            # A mistake of ours, which is none of these, goes to all who asked, who would wait else.
            told = NotComputed(str(error)) if isinstance(error, _FAILURES) else error
            for each in batch:
                if not each.answer.done():
                    each.answer.set_exception(told)

    async def _compute(self, batch: Sequence[_Waiting]) -> list[Answer]:
        loop = asyncio.get_running_loop()
        written = [0] * len(batch)

        def emit(place: int, token: int) -> None:
            written[place] += 1
            told = batch[place].on_token
            # The second time over, after a failure, what was told is not told again.
            if told is not None and written[place] > batch[place].told:
                batch[place].told += 1
                loop.call_soon_threadsafe(told, token)

        asked = [each.asked for each in batch]
        return await loop.run_in_executor(self._thread, self._timed, asked, emit)

    def _timed(self, asked: Sequence[Asked], emit: Emit) -> list[Answer]:
        self._begun = time.monotonic()
        try:
            return self._respond(asked, emit)
        finally:
            self._begun = None


def _joined(parts: Sequence[Answer]) -> Answer:
    """The answer to a question from those to its parts; of their batches the largest."""
    return Answer(
        log_likelihoods=tuple(each for part in parts for each in part.log_likelihoods),
        batch=max(part.batch for part in parts),
        prompts=max(part.prompts for part in parts),
        seconds=sum(part.seconds for part in parts),
    )

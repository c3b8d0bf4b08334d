"""When a batch goes, and who gets its answers; `queue` says which questions make it.

A batch is bounded by its padded positions, so that long questions do not take more
memory than there is, and short ones share a batch in greater numbers; a question with
more choices than fit is several batches. Nobody waits for company longer than the bound
while the model is idle.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from runners.serving.engine import Asked, Emit
from runners.serving.protocol import Answer, NotComputed
from runners.serving.queue import Queue

TOKENS = 16_384
"""Positions of one batch: prompt, input and target of each row, padding and copies included."""
WAIT_SECONDS = 0.005
"""How long an idle model waits for more questions."""

_FAILURES = (RuntimeError, ValueError, ArithmeticError, MemoryError)
"""What computing a batch may raise for what is in it, or for its size."""

Respond = Callable[[Sequence[Asked], Emit], list[Answer]]
"""Answers a batch; is called in a thread of its own, one batch at a time."""
OnToken = Callable[[int], None]
"""Is told each token of one answer as it is written, in the thread of the event loop."""


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
        self._queue = Queue()
        self._waiting: dict[int, _Waiting] = {}
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
        number = self._queue.add(asked)
        self._waiting[number] = place
        self._news.set()
        try:
            return await place.answer
        finally:
            self._queue.discard(number)
            self._waiting.pop(number, None)

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
        for place in self._waiting.values():
            place.answer.cancel()
        self._thread.shutdown(wait=True)

    async def _serve(self) -> None:
        while True:
            await self._company()
            # Under no name, so that nothing of it is kept while nobody asks.
            await self._answer(self._taken())

    def _taken(self) -> list[_Waiting]:
        """The next batch, which waits no longer."""
        return [self._waiting.pop(number) for number in self._queue.take(self._tokens)]

    async def _company(self) -> None:
        """Until somebody waits, and then until a batch is full or has waited long enough."""
        while True:
            self._news.clear()
            if self._waiting:
                left = self._waiting[self._queue.oldest].since + self._wait - time.monotonic()
                if left <= 0 or self._queue.is_full(self._tokens):
                    return
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), left)
            else:
                await self._news.wait()

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

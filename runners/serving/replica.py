"""One replica: a frozen model, a bank of prompts, and a batcher between them and their askers."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from functools import partial

from runners.model.backbone import Backbone, device_of
from runners.prompt.vectors import Vectors
from runners.serving.bank import BYTES, Bank
from runners.serving.batching import TOKENS, WAIT_SECONDS, Batcher
from runners.serving.engine import Asked, respond
from runners.serving.limits import Limits
from runners.serving.protocol import Answer, Failed, Missing, NotComputed, Query


class Replica:
    """A model that answers; itself a `Backend` for a process of its own.

    `tokens` bounds a batch by its padded positions, `wait` how long an idle
    model waits for more questions, in seconds, `stuck_seconds` how long a batch may take.
    """

    def __init__(
        self, backbone: Backbone, *, tokens: int = TOKENS, wait: float = WAIT_SECONDS,
        bank_bytes: int = BYTES, stuck_seconds: float = Limits.stuck_seconds,
    ) -> None:  # fmt: skip
        self.bank = Bank(backbone.width, device_of(backbone.weights), most_bytes=bank_bytes)
        self._batcher = Batcher(partial(respond, backbone), tokens=tokens, wait=wait)
        self._stuck_seconds = stuck_seconds

    async def ask(
        self, queries: Sequence[Query], prompts: Mapping[str, Vectors]
    ) -> list[Answer | Failed]:
        """As `Backend.ask`."""
        found = await self.answer(queries, prompts)
        assert not isinstance(found, Missing)
        return found

    async def answer(
        self, queries: Sequence[Query], prompts: Mapping[str, Vectors]
    ) -> list[Answer | Failed] | Missing:
        """An answer to each query, or the prompts that neither the bank nor `prompts` has."""
        asked = self._asked(queries, prompts)
        if isinstance(asked, Missing):
            return asked
        return list(await asyncio.gather(*map(self._one, asked)))

    async def stream(
        self, query: Query, prompts: Mapping[str, Vectors]
    ) -> AsyncGenerator[int | Answer, None]:
        """As `Backend.stream`."""
        async for token in self.tokens(query, prompts):
            assert not isinstance(token, Missing)
            if isinstance(token, Failed):
                raise NotComputed(token.message)
            yield token

    async def tokens(
        self, query: Query, prompts: Mapping[str, Vectors]
    ) -> AsyncGenerator[int | Answer | Missing | Failed, None]:
        """The tokens of one written answer and the answer, or `Failed`; or `Missing` alone."""
        asked = self._asked([query], prompts)
        if isinstance(asked, Missing):
            yield asked
            return
        written: asyncio.Queue[int | None] = asyncio.Queue()
        answering = asyncio.create_task(self._batcher.ask(asked[0], written.put_nowait))
        answering.add_done_callback(lambda _: written.put_nowait(None))
        try:
            while (token := await written.get()) is not None:
                yield token
            try:
                yield await answering
            except NotComputed as error:
                yield Failed(message=str(error))
        finally:
            answering.cancel()

    async def is_ready(self) -> bool:
        """As `Backend.is_ready`."""
        return self._batcher.computing_seconds < self._stuck_seconds

    async def close(self) -> None:
        """Stop; whoever waits is cancelled."""
        await self._batcher.close()

    def _asked(
        self, queries: Sequence[Query], prompts: Mapping[str, Vectors]
    ) -> list[Asked] | Missing:
        found = {query.prompt: self.bank.get(query.prompt) for query in queries}
        missing = [key for key, prompt in found.items() if prompt is None and key not in prompts]
        if missing:
            return Missing(keys=tuple(missing))
        # Kept with the questions, for those of one request may be more than the bank has room for.
        held = {
            key: self.bank.put(key, prompts[key]) if prompt is None else prompt
            for key, prompt in found.items()
        }
        return [Asked(query=query, prompt=held[query.prompt]) for query in queries]

    async def _one(self, asked: Asked) -> Answer | Failed:
        try:
            return await self._batcher.ask(asked)
        except NotComputed as error:
            return Failed(message=str(error))

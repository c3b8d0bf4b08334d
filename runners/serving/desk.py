"""Who is let in, and from the model's answers to texts, scores and votes.

The desk knows names, the tokenizer and the limits; it knows neither HTTP nor torch.
"""

import asyncio
import math
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import TypeVar

from runners.model.codec import Codec
from runners.prompt.vectors import Vectors
from runners.serving.asking import Item, Prepared, Refusal, Tokenizing, model_named
from runners.serving.limits import Limits
from runners.serving.models import Directory, ServedModel, ServedPrompt
from runners.serving.protocol import Answer, Backend, Failed, Query, Unavailable
from runners.tasks.task import strip_sentinel
from runners.tasks.voting import Vote, vote

T = TypeVar("T")


class Busy(RuntimeError):
    """As much is under way as may be; ask again later."""


@dataclass(frozen=True, kw_only=True)
class Voice:
    """What one prompt said to one input."""

    prompt: str
    """Its id."""
    text: str
    tokens: int
    """Of the answer, as it was written; 0 where it was chosen."""
    finish: str = "stop"
    """`stop` where the answer ended by itself, `length` where it was cut."""
    scores: Mapping[str, float] | None = None
    """The log-likelihood of each label in nats, where the answer was chosen."""
    batch: int = 1
    """Questions that shared its batch."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a model said to one input: a text, and the vote that it comes from."""

    model: ServedModel
    voices: tuple[Voice, ...]
    vote: Vote
    input_tokens: int

    @property
    def text(self) -> str:
        """The answer of the one prompt, or of the vote."""
        return self.vote.answer if self.model.is_ensemble else self.voices[0].text

    @property
    def finish(self) -> str:
        """How the answer ended, which is that of the first who gave it."""
        return next(v.finish for v in self.voices if v.text.strip() == self.vote.answer)

    @property
    def scores(self) -> dict[str, float] | None:
        """The share (0 to 1) of each label, by the likelihoods of the voices, in the mean."""
        said = [voice.scores for voice in self.voices if voice.scores is not None]
        if not said:
            return None
        shares = [_softmax(scores) for scores in said]
        return {label: sum(s[label] for s in shares) / len(shares) for label in shares[0]}


def _softmax(scores: Mapping[str, float]) -> dict[str, float]:
    highest = max(scores.values())
    weights = {label: math.exp(score - highest) for label, score in scores.items()}
    total = sum(weights.values())
    return {label: weight / total for label, weight in weights.items()}


class Desk:
    """Answers items for a directory of models through a backend.

    What is tokenized and read is so in a thread of its own, one item after the other, so that
    the event loop is free for others meanwhile.
    """

    def __init__(
        self, directory: Directory, codec: Codec, backend: Backend, limits: Limits
    ) -> None:
        self.directory, self.backend, self.limits = directory, backend, limits
        self._codec = codec
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tokenizer")
        self._under_way = 0

    @property
    def under_way(self) -> int:
        """Questions to prompts that are not answered yet."""
        return self._under_way

    async def reply(self, items: Sequence[Item]) -> list[Reply | Refusal]:
        """A reply to each item or why there is none, in order; all share batches.

        Raises `Refusal` where the request can never be answered, `Busy` where too much is under
        way, `Unavailable` where nobody answers, and TimeoutError where that takes too long.
        """
        served = self.directory.models
        models = [_model_or_refused(item, served) for item in items]
        known = [model for model in models if isinstance(model, ServedModel)]
        if not known:
            return [model for model in models if isinstance(model, Refusal)]
        self._require_fit([len(model.prompts) for model in known])
        # Admitted first: who is turned away has cost nothing.
        with self._admitted(sum(len(model.prompts) for model in known)):
            async with asyncio.timeout(self.limits.seconds):
                return await self._replies(items, models)

    async def _replies(
        self, items: Sequence[Item], models: Sequence[ServedModel | Refusal]
    ) -> list[Reply | Refusal]:
        tokenizing = Tokenizing(self._codec, self.limits)
        prepared = [
            await self._apart(partial(tokenizing.prepare, item, model))
            if isinstance(model, ServedModel)
            else model
            for item, model in zip(items, models, strict=True)
        ]
        asked = [each for each in prepared if isinstance(each, Prepared)]
        queries = [query for each in asked for query in each.queries]
        prompts = _vectors(each.model for each in asked)
        answers = iter(await self.backend.ask(queries, prompts) if queries else ())
        said = [(each, [next(answers) for _ in each.queries]) for each in asked]
        read = iter(await self._apart(lambda: [self._read(*each) for each in said]))
        return [next(read) if isinstance(each, Prepared) else each for each in prepared]

    async def stream(self, item: Item) -> AsyncGenerator[str | Reply, None]:
        """The pieces of a written answer as they come, of a model with one prompt; then the reply.

        Raises `Refusal` before the first piece where the item cannot be answered, and what
        `reply` raises; `NotComputed` where the model fails.
        """
        model = model_named(item.model, self.directory.models)
        if model.is_ensemble:
            raise Refusal(
                "not_streamable", "stream",
                f"model {item.model} votes, so its answer is known when all have answered; "
                "give stream false",
            )  # fmt: skip
        until = asyncio.get_running_loop().time() + self.limits.seconds
        with self._admitted(1):
            tokenizing = Tokenizing(self._codec, self.limits)
            async with asyncio.timeout_at(until):
                prepared = await self._apart(partial(tokenizing.prepare, item, model))
            if isinstance(prepared, Refusal):
                raise prepared
            tokens = self.backend.stream(prepared.queries[0], _vectors([model]))
            async with aclosing(tokens):
                async for piece in self._pieces(prepared, _in_time(tokens, until)):
                    yield piece

    async def _pieces(
        self, asked: Prepared, tokens: AsyncIterator[int | Answer]
    ) -> AsyncIterator[str | Reply]:
        prompt, ids, said = asked.model.prompts[0], list[int](), ""
        async for token in tokens:
            if isinstance(token, Answer):
                rest = self._text(prompt, token.ids)[len(said) :]
                if rest:
                    yield rest
                reply = self._read(asked, [token])
                assert isinstance(reply, Reply)
                yield reply
                return
            ids.append(token)
            text = self._text(prompt, ids)
            # A character may take several tokens, and is not said before it is whole.
            if text.startswith(said) and len(text) > len(said) and text[-1] != "\ufffd":
                yield text[len(said) :]
                said = text
        raise Unavailable("the answer was cut off before its end; ask again")

    def _require_fit(self, counts: Sequence[int]) -> None:
        """Raises `Refusal` where items ask more prompts than may be under way at any time."""
        total, most = sum(counts), self.limits.waiting
        if total <= most:
            return
        fit = sum(so_far <= most for so_far in accumulate(counts))
        remedy = f"send the first {fit} of them" if fit else "ask a model of fewer prompts"
        raise Refusal(
            "too_many_questions", "model",
            f"the {len(counts)} items ask {total} questions, one of each prompt of their models, "
            f"and {most} may be under way; {remedy}", whole=True,
        )  # fmt: skip

    @contextmanager
    def _admitted(self, count: int) -> Iterator[None]:
        if self._under_way + count > self.limits.waiting:
            raise Busy(
                f"{self._under_way} questions are under way and {count} more would be beyond "
                f"{self.limits.waiting}; ask again later"
            )
        self._under_way += count
        try:
            yield
        finally:
            self._under_way -= count

    async def _apart(self, work: Callable[[], T]) -> T:
        """Do work in the thread of the tokenizer."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _read(self, asked: Prepared, answers: Sequence[Answer | Failed]) -> Reply | Refusal:
        voices = []
        for prompt, query, answer in zip(asked.model.prompts, asked.queries, answers, strict=True):
            if isinstance(answer, Failed):
                field = "input" if asked.labels else "prompt"
                return Refusal("not_computed", field, f"the model failed: {answer.message}")
            voices.append(self._voice(prompt, query, answer, asked.labels))
        return Reply(
            model=asked.model, voices=tuple(voices), input_tokens=asked.tokens,
            vote=vote([voice.text for voice in voices], asked.model.prompts[0].canonical),
        )  # fmt: skip

    def _voice(
        self, prompt: ServedPrompt, query: Query, answer: Answer, labels: Sequence[str]
    ) -> Voice:
        if labels:
            scores = dict(zip(labels, answer.log_likelihoods, strict=True))
            likeliest = max(scores, key=lambda label: scores[label])
            return Voice(
                prompt=prompt.id, text=likeliest, tokens=0, scores=scores, batch=answer.batch
            )
        ended = bool(answer.ids) and answer.ids[-1] == self._codec.end_id
        return Voice(
            prompt=prompt.id, text=self._text(prompt, answer.ids), tokens=len(answer.ids),
            finish="stop" if ended else "length", batch=answer.batch,
        )  # fmt: skip

    def _text(self, prompt: ServedPrompt, ids: Sequence[int]) -> str:
        text = self._codec.decode([ids])[0]
        return strip_sentinel(text) if prompt.has_sentinel else text


def _model_or_refused(item: Item, models: Mapping[str, ServedModel]) -> ServedModel | Refusal:
    try:
        return model_named(item.model, models)
    except Refusal as refusal:
        return refusal


async def _in_time(
    tokens: AsyncIterator[int | Answer], until: float
) -> AsyncIterator[int | Answer]:
    """The same up to a time of the event loop; raises TimeoutError where the next is later."""
    while True:
        # Entered and left within one step, for each step may be taken by another task.
        try:
            async with asyncio.timeout_at(until):
                token = await anext(tokens)
        except StopAsyncIteration:
            return
        yield token


def _vectors(models: Iterable[ServedModel]) -> dict[str, Vectors]:
    return {prompt.key: prompt.vectors for model in models for prompt in model.prompts}

"""From texts to questions for the model, and from its answers to texts, scores and votes.

The desk knows names, the tokenizer and the limits; it knows neither HTTP nor torch.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from runners.model.codec import Codec
from runners.prompt.vectors import Vectors
from runners.rules import nearest
from runners.serving.limits import Limits
from runners.serving.models import Directory, ServedModel, ServedPrompt
from runners.serving.protocol import Answer, Backend, Failed, Query
from runners.tasks.task import add_sentinel, strip_sentinel
from runners.tasks.voting import Vote, vote


class Refusal(ValueError):
    """Why an item gets no answer: a code that programs read, the field, and a text for people."""

    def __init__(self, code: str, param: str, message: str) -> None:
        super().__init__(message)
        self.code, self.param = code, param


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


@dataclass(frozen=True, kw_only=True)
class Item:
    """One input for one model."""

    model: str
    text: str
    max_tokens: int | None = None
    """The most tokens of the answer; None is what its trial allowed."""
    labels: tuple[str, ...] | None = None
    """What to choose from; None is the labels of the task."""
    chooses: bool = False
    """Whether the answer is chosen and not written."""


@dataclass(frozen=True, kw_only=True)
class _Prepared:
    model: ServedModel
    queries: tuple[Query, ...]
    labels: tuple[str, ...]
    tokens: int


class Desk:
    """Answers items for a directory of models through a backend."""

    def __init__(
        self, directory: Directory, codec: Codec, backend: Backend, limits: Limits
    ) -> None:
        self.directory, self.backend, self.limits = directory, backend, limits
        self._codec = codec
        self._under_way = 0

    @property
    def under_way(self) -> int:
        """Questions to prompts that are not answered yet."""
        return self._under_way

    async def reply(self, items: Sequence[Item]) -> list[Reply | Refusal]:
        """A reply to each item or why there is none, in order; all share batches.

        Raises `Busy` where too much is under way, `Unavailable` where nobody
        answers, and TimeoutError where that takes too long.
        """
        prepared = [self._prepared_or_refused(item) for item in items]
        queries = [q for p in prepared if isinstance(p, _Prepared) for q in p.queries]
        if not queries:
            return [p for p in prepared if isinstance(p, Refusal)]
        prompts = _vectors(p.model for p in prepared if isinstance(p, _Prepared))
        with self._admitted(len(queries)):
            async with asyncio.timeout(self.limits.seconds):
                answers = iter(await self.backend.ask(queries, prompts))
        replies: list[Reply | Refusal] = []
        for each in prepared:
            if isinstance(each, Refusal):
                replies.append(each)
            else:
                replies.append(self._read(each, [next(answers) for _ in each.queries]))
        return replies

    async def stream(self, item: Item) -> AsyncIterator[str]:
        """The pieces of a written answer as they come, of a model with one prompt.

        Raises `Refusal` before the first piece where the item cannot be
        answered, and what `reply` raises.
        """
        prepared = self._prepare(item)
        if prepared.model.is_ensemble:
            raise Refusal(
                "not_streamable", "stream",
                f"model {item.model} votes, so its answer is known when all have answered; "
                "give stream false",
            )  # fmt: skip
        prompt, query = prepared.model.prompts[0], prepared.queries[0]
        prompts = _vectors([prepared.model])
        with self._admitted(1):
            async with asyncio.timeout(self.limits.seconds):
                ids: list[int] = []
                said = ""
                async for token in self.backend.stream(query, prompts):
                    ids.append(token)
                    text = self._text(prompt, ids)
                    # A character may take several tokens, and is not said before it is whole.
                    if text.startswith(said) and len(text) > len(said) and text[-1] != "\ufffd":
                        yield text[len(said) :]
                        said = text
                rest = self._text(prompt, ids)[len(said) :]
                if rest:
                    yield rest

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

    def _prepared_or_refused(self, item: Item) -> "_Prepared | Refusal":
        try:
            return self._prepare(item)
        except Refusal as refusal:
            return refusal

    def _prepare(self, item: Item) -> _Prepared:
        model = self._model(item.model)
        labels = self._labels(item, model)
        limits = self.limits
        if len(item.text) > limits.characters:
            raise Refusal(
                "input_too_long", "input",
                f"the input has {len(item.text)} characters and may have {limits.characters}; "
                "shorten it",
            )  # fmt: skip
        queries = tuple(self._query(item, prompt, labels) for prompt in model.prompts)
        return _Prepared(
            model=model, queries=queries, labels=labels, tokens=len(queries[0].input_ids)
        )

    def _model(self, name: str) -> ServedModel:
        models = self.directory.models
        if name in models:
            return models[name]
        near = nearest(name[:100], models)
        remedy = f"did you mean {near!r}?" if near else "GET /v1/models lists what is served"
        raise Refusal("model_not_found", "model", f"model {name[:100]!r} is not served; {remedy}")

    def _labels(self, item: Item, model: ServedModel) -> tuple[str, ...]:
        if not item.chooses:
            return ()
        labels = item.labels if item.labels is not None else model.labels
        if labels is None:
            raise Refusal(
                "labels_missing", "labels",
                f"{model.task} has no labels of its own; give the answers to choose from",
            )  # fmt: skip
        return labels

    def _query(self, item: Item, prompt: ServedPrompt, labels: tuple[str, ...]) -> Query:
        spelt = [add_sentinel(label) if prompt.has_sentinel else label for label in labels]
        config = prompt.config
        return Query(
            prompt=prompt.key, input_ids=self._input_ids(item, prompt),
            limit=min(item.max_tokens or config.target_length, self.limits.answer_tokens),
            choices=tuple(map(tuple, self._codec.targets(spelt))),
        )  # fmt: skip

    def _input_ids(self, item: Item, prompt: ServedPrompt) -> tuple[int, ...]:
        """The tokens of an input; too long a one is cut only where its trial cut, too."""
        ids = self._codec.inputs([prompt.prefix + item.text])[0]
        limit = prompt.config.input_length
        if len(ids) > limit and prompt.config.long_inputs == "cut":
            ended = ids[-1] == self._codec.end_id
            ids = [*ids[: limit - 1], self._codec.end_id] if ended else ids[:limit]
        if len(ids) > limit:
            raise Refusal(
                "input_too_long", "input",
                f"the input has {len(ids)} tokens and {item.model} reads at most {limit}; "
                "shorten it",
            )  # fmt: skip
        if not ids:
            raise Refusal("input_empty", "input", "the input has no tokens; give some text")
        return tuple(ids)

    def _read(self, asked: _Prepared, answers: Sequence[Answer | Failed]) -> Reply | Refusal:
        voices = []
        for prompt, query, answer in zip(asked.model.prompts, asked.queries, answers, strict=True):
            if isinstance(answer, Failed):
                return Refusal("not_computed", "input", f"the model failed: {answer.message}")
            voices.append(self._voice(prompt, query, answer, asked.labels))
        return Reply(
            model=asked.model, voices=tuple(voices), input_tokens=asked.tokens,
            vote=vote([voice.text for voice in voices]),
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


def _vectors(models: Iterable[ServedModel]) -> dict[str, Vectors]:
    return {prompt.key: prompt.vectors for model in models for prompt in model.prompts}

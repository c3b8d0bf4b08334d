"""From an input for a model to questions to its prompts: what is tokenized, and what is refused."""

from collections.abc import Mapping
from dataclasses import dataclass

from runners.model.codec import Codec
from runners.rules import nearest
from runners.serving.limits import Limits
from runners.serving.models import ServedModel, ServedPrompt
from runners.serving.protocol import Query
from runners.tasks.task import add_sentinel


class Refusal(ValueError):
    """Why an item gets no answer: a code that programs read, the field, and a text for people.

    `whole` is whether all items share the mistake, so that the request is refused with them.
    """

    def __init__(self, code: str, param: str, message: str, *, whole: bool = False) -> None:
        super().__init__(message)
        self.code, self.param, self.whole = code, param, whole


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

    @property
    def field(self) -> str:
        """What its text is called in a request."""
        return "input" if self.chooses else "prompt"


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """An item as questions, one to each prompt of its model."""

    model: ServedModel
    queries: tuple[Query, ...]
    labels: tuple[str, ...]
    tokens: int
    """Of the input, as the first prompt reads it."""


def model_named(name: str, models: Mapping[str, ServedModel]) -> ServedModel:
    """The model of a name; raises `Refusal` where there is none."""
    if name in models:
        return models[name]
    near = nearest(name[:100], models)
    remedy = f"did you mean {near!r}?" if near else "GET /v1/models lists what is served"
    raise Refusal("model_not_found", "model", f"model {name[:100]!r} is not served; {remedy}")


class Tokenizing:
    """Makes the questions of one request; a text is tokenized once for all prompts that read it."""

    def __init__(self, codec: Codec, limits: Limits) -> None:
        self._codec, self._limits = codec, limits
        self._inputs: dict[str, list[int]] = {}
        self._targets: dict[tuple[str, ...], tuple[tuple[int, ...], ...]] = {}

    def prepare(self, item: Item, model: ServedModel) -> Prepared | Refusal:
        """The questions of an item, or why there are none.

        Raises `Refusal` where all items of the request share the reason.
        """
        try:
            return self._prepare(item, model)
        except Refusal as refusal:
            if refusal.whole:
                raise
            return refusal

    def _prepare(self, item: Item, model: ServedModel) -> Prepared:
        labels = _labels(item, model)
        most = self._limits.characters
        if len(item.text) > most:
            raise Refusal(
                "input_too_long", item.field,
                f"the input has {len(item.text)} characters and may have {most}; shorten it",
            )  # fmt: skip
        queries = tuple(self._query(item, prompt, labels) for prompt in model.prompts)
        return Prepared(
            model=model, queries=queries, labels=labels, tokens=len(queries[0].input_ids)
        )

    def _query(self, item: Item, prompt: ServedPrompt, labels: tuple[str, ...]) -> Query:
        return Query(
            prompt=prompt.key, input_ids=self._input_ids(item, prompt),
            limit=min(item.max_tokens or prompt.config.target_length, self._limits.answer_tokens),
            choices=self._choices(item, prompt, labels),
        )  # fmt: skip

    def _input_ids(self, item: Item, prompt: ServedPrompt) -> tuple[int, ...]:
        """The tokens of an input; too long a one is cut only where its trial cut, too."""
        ids = self._read(prompt.prefix + item.text)
        limit = prompt.config.input_length
        if len(ids) > limit and prompt.config.long_inputs == "cut":
            ended = ids[-1] == self._codec.end_id
            ids = [*ids[: limit - 1], self._codec.end_id] if ended else ids[:limit]
        if len(ids) > limit:
            raise Refusal(
                "input_too_long", item.field,
                f"the input has {len(ids)} tokens and {item.model} reads at most {limit}; "
                "shorten it",
            )  # fmt: skip
        if not ids:
            raise Refusal("input_empty", item.field, "the input has no tokens; give some text")
        return tuple(ids)

    def _read(self, text: str) -> list[int]:
        if text not in self._inputs:
            (self._inputs[text],) = self._codec.inputs([text])
        return self._inputs[text]

    def _choices(
        self, item: Item, prompt: ServedPrompt, labels: tuple[str, ...]
    ) -> tuple[tuple[int, ...], ...]:
        spelt = tuple(add_sentinel(each) if prompt.has_sentinel else each for each in labels)
        if spelt not in self._targets:
            self._targets[spelt] = tuple(map(tuple, self._codec.targets(spelt)))
        choices, most = self._targets[spelt], self._limits.answer_tokens
        longest = max(map(len, choices), default=0)
        if longest > most:
            raise Refusal(
                "label_too_long", "labels",
                f"a label has {longest} tokens, end-of-sequence included, and an answer may have "
                f"{most}; shorten it", whole=item.labels is not None,
            )  # fmt: skip
        return choices


def _labels(item: Item, model: ServedModel) -> tuple[str, ...]:
    if not item.chooses:
        return ()
    labels = item.labels if item.labels is not None else model.labels
    if labels is None:
        raise Refusal(
            "labels_missing", "labels",
            f"{model.task} has no labels of its own; give the answers to choose from",
        )  # fmt: skip
    return labels

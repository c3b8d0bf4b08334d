"""What a task is: `Example` and `Task`, independent of any benchmark."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal

from runners.tasks.record_fields import Fields, open_record

Split = Literal["train", "dev"]

SENTINEL = "<extra_id_0>"
"""What a span-corruption model starts every target with (Lester et al. 2021, 2.2)."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """One input with its right answer, as text."""

    input: str
    """What the model reads; the prompt is no part of it."""
    target: str
    """What the model is trained to write."""
    key: tuple[int, ...]
    """Group identity: the question of a MultiRC answer, the query of a ReCoRD answer."""
    references: tuple[str, ...]
    """Every right answer; empty where the record gives none."""
    choices: tuple[str, ...] = ()
    """Every legal answer; empty where any text may be one."""
    holds: bool = True
    """Whether `target` is right: False for a WSC candidate that is not the referent."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """Records in, examples out; predictions in, metrics out."""

    name: str
    """The one name of the task, such as `boolq`."""
    labels: tuple[str, ...] | None
    """The words of the classes in the order of their ids; None where answers are free text."""
    init_words: tuple[str, ...]
    """What the class-label start embeds: the labels, or stand-ins (Lester et al. 2021, fn 7)."""
    prefix: str
    """T5's first word of an input, by which a multi-task model tells tasks apart; '' is none."""
    examples_of: Callable[[Fields], Iterator[Example]]
    """The examples of one record, without the prefix, for either split."""
    offers: bool = False
    """Whether every example has choices although there are no classes."""
    asks_once: bool = False
    """Whether dev has one example for each input, where training has one for each right answer."""
    measure: Callable[[Sequence[str], Sequence[Example]], dict[str, float]]
    """The task's metrics by name, in percent."""
    legal: Callable[[str, Example], bool]
    """Whether a prediction is an answer at all."""
    instruction: str = ""
    """What prompt design says before a question."""
    verdicts: tuple[str, ...] = ()
    """Words inside its answers that mean what those of another such task mean, in one order."""
    canonical: Callable[[str], Hashable] = str.strip
    """All that the metrics see of an answer: answers that are alike in it are one to a vote."""

    @property
    def has_choices(self) -> bool:
        """Whether an answer can be chosen, and not only written."""
        return self.labels is not None or self.offers

    @property
    def metric_names(self) -> tuple[str, ...]:
        """The names of its metrics, whose mean is the score."""
        word = self.labels[0] if self.labels else "word"
        right = Example(
            input="", target=word, key=(0,), references=(word,), choices=self.labels or (word,)
        )
        return tuple(self.measure([word], [right]))

    def read(
        self, records: Iterable[object], *, split: Split, task_prefix: bool = False
    ) -> list[Example]:
        """The examples of records in the publisher's schema, in their order.

        Training examples are those whose target is right. Without `task_prefix`
        the input lacks T5's first word, as in the paper's single-task runs.
        Raises ValueError naming task, record, field, value, rule and remedy at
        the first bad record.
        """
        opened = (
            open_record(record, task=self.name, number=number)
            for number, record in enumerate(records, start=1)
        )
        examples = [example for record in opened for example in self.examples_of(record)]
        if split == "train":
            examples = [example for example in examples if example.holds]
        elif self.asks_once:
            examples = _one_each(examples)
        return self.prefixed(examples) if task_prefix else examples

    def prefixed(self, examples: list[Example]) -> list[Example]:
        """The examples with T5's first word before each input, where the task has one."""
        if not self.prefix:
            return examples
        return [replace(each, input=f"{self.prefix} {each.input}") for each in examples]

    def score(self, predictions: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
        """Every metric of the task in percent, their mean as `score`, and the share `invalid`.

        `invalid` (0 to 1) counts predictions that are no legal answer. Raises
        ValueError where there are no examples or not one prediction for each.
        """
        if not examples or len(predictions) != len(examples):
            raise ValueError(
                f"{self.name}: {len(predictions)} predictions for {len(examples)} examples cannot "
                "be scored; give one prediction for each of at least one example"
            )
        metrics = self.measure(predictions, examples)
        pairs = zip(predictions, examples, strict=True)
        invalid = fmean(not self.legal(prediction, example) for prediction, example in pairs)
        return {**metrics, "score": fmean(metrics.values()), "invalid": invalid}

    def majority_score(self, train: Sequence[Example], dev: Sequence[Example]) -> float:
        """The `score` of answering all of `dev` with the most frequent target of `train`.

        Raises ValueError where either is empty.
        """
        return self.score([most_frequent_target(train)] * len(dev), dev)["score"]

    def chance_score(self, train: Sequence[Example], dev: Sequence[Example]) -> float:
        """`chance_beside` the most frequent target of `train`; ValueError where either is empty."""
        return self.chance_beside(most_frequent_target(train), dev)

    def chance_beside(self, common: str, dev: Sequence[Example]) -> float:
        """The best `score` on `dev` that needs no reading.

        That is the best of one answer for all (any label, or else `common`)
        and, where answers are free text with choices, of choosing at random.
        Raises ValueError where there are no examples.
        """
        answers = self.labels or (common,)
        scores = [self.score([answer] * len(dev), dev)["score"] for answer in answers]
        if self.labels is None and all(example.choices for example in dev):
            scores.append(fmean(self._random_choice(example) for example in dev))
        return max(scores)

    def _random_choice(self, example: Example) -> float:
        """The mean score of an example over its choices."""
        return fmean(
            fmean(self.measure([choice], [example]).values()) for choice in example.choices
        )


def translated(answer: str, source: Task, target: Task) -> str:
    """An answer in the words of `source` as `target` would say it.

    Lester et al. 2021, 5: a model tuned on one paraphrase task answers the other
    in its own words, which are replaced inside the answer, so that
    `not_duplicate` is `not_equivalent`. Of other tasks the answer stays.
    """
    if source.verdicts and target.verdicts:
        for said, meant in zip(source.verdicts, target.verdicts, strict=True):
            answer = answer.replace(said, meant)
    return answer


def _one_each(examples: Iterable[Example]) -> list[Example]:
    first: dict[tuple[object, ...], Example] = {}
    for example in examples:
        first.setdefault((example.key, example.input), example)
    return list(first.values())


def most_frequent_target(examples: Sequence[Example]) -> str:
    """The most frequent target; of several, the alphabetically first.

    Raises ValueError where there are no examples.
    """
    if not examples:
        raise ValueError("no examples, so no target is the most frequent; give at least one")
    counts = Counter(example.target for example in examples)
    return min(counts, key=lambda target: (-counts[target], target))


def first_groups(examples: Sequence[Example], count: int) -> list[Example]:
    """The first `count` examples and the rest of the last one's group.

    A group is a run of equal keys. Cut in the middle, a MultiRC question would
    be judged on some of its answers, and its exact match would be too easy.
    """
    stop = min(count, len(examples))
    while 0 < stop < len(examples) and examples[stop].key == examples[stop - 1].key:
        stop += 1
    return list(examples[:stop])


def add_sentinel(target: str) -> str:
    """The target as a model that knows only span corruption is tuned on it."""
    return f"{SENTINEL} {target}"


def strip_sentinel(prediction: str) -> str:
    """A prediction without one leading sentinel and without leading whitespace.

    The prediction has to be decoded with its special tokens kept.
    """
    return prediction.removeprefix(SENTINEL).lstrip()

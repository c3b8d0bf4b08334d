"""A trial's task as token ids: train rows, dev rows, and what is needed to score them."""

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from runners.catalogue import Catalogue
from runners.config import TrialConfig
from runners.data.batching import Encoded
from runners.microworld import records as microworld
from runners.model.codec import Codec
from runners.rules import ConfigError
from runners.tasks.superglue import find_task
from runners.tasks.task import Example, Task, add_sentinel, first_groups, strip_sentinel


@dataclass(frozen=True, kw_only=True)
class TaskData:
    """One task, encoded for one model.

    `labels` are the token ids of each word of class-label initialisation;
    `target_limit` is the most tokens a dev answer needs, end-of-sequence
    included; `majority` is the score of always giving the most frequent
    training answer, `chance` the best that needs no reading.
    """

    task: Task
    train: Sequence[Encoded]
    dev: Sequence[Encoded]
    dev_examples: Sequence[Example]
    labels: Sequence[Sequence[int]]
    target_limit: int
    majority: float
    chance: float
    fingerprint: str
    sentinel: bool
    codec: Codec

    def score(self, generated: Sequence[Sequence[int]]) -> tuple[dict[str, float], list[str]]:
        """Metrics of generated token ids for the dev examples in order, and the answers as text."""
        answers = self.codec.decode(generated)
        if self.sentinel:
            answers = [strip_sentinel(text) for text in answers]
        return self.task.score(answers, self.dev_examples), answers


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """What the rows of a task depend on besides the tokenizer."""

    source: str
    task: str
    train_examples: int | None
    dev_examples: int | None
    sentinel: bool
    input_length: int
    target_length: int


def load_task_data(config: TrialConfig, codec: Codec, catalogue: Catalogue) -> TaskData:
    """The data of a trial.

    Raises ValueError for an unknown source or task, for more examples than
    there are, and for rows that are too long.
    """
    problems = catalogue.problems(config)
    if problems:
        raise ConfigError(problems)
    reading = _Reading(
        source=config.data_source,
        task=config.task,
        train_examples=config.train_examples,
        dev_examples=config.dev_examples,
        sentinel=config.pretraining_objective == "span_corruption_sentinel",
        input_length=config.input_length,
        target_length=config.target_length,
    )
    return _load(codec, reading)


@functools.lru_cache(maxsize=64)
def _load(codec: Codec, reading: _Reading) -> TaskData:
    task = find_task(reading.task)
    train = task.read(microworld.read_split(task.name, "train"), split="train")
    train = train[: _count("train_examples", reading.train_examples, train, task)]
    dev = task.read(microworld.read_split(task.name, "dev"), split="dev")
    dev = first_groups(dev, _count("dev_examples", reading.dev_examples, dev, task))
    dev_rows = _encode(codec, dev, reading)
    return TaskData(
        task=task,
        train=_encode(codec, train, reading),
        dev=dev_rows,
        dev_examples=dev,
        labels=codec.words(task.init_words),
        target_limit=max(len(row.target_ids) for row in dev_rows),
        majority=task.majority_score(train, dev),
        chance=task.chance_score(train, dev),
        fingerprint=_fingerprint(train, dev),
        sentinel=reading.sentinel,
        codec=codec,
    )


def _count(key: str, wanted: int | None, there: Sequence[Example], task: Task) -> int:
    """How many examples to keep; raises ValueError where more are wanted than there are."""
    if wanted is None:
        return len(there)
    if wanted > len(there):
        raise ValueError(
            f"{key}: {wanted} is more than the {len(there)} of {task.name}; "
            f"give {len(there)} or less, or null for all"
        )
    return wanted


def _encode(codec: Codec, examples: Sequence[Example], reading: _Reading) -> list[Encoded]:
    targets = [add_sentinel(e.target) if reading.sentinel else e.target for e in examples]
    inputs = codec.inputs([e.input for e in examples])
    outputs = codec.targets(targets)
    _refuse_long("input_length", inputs, reading.input_length, reading.task)
    _refuse_long("target_length", outputs, reading.target_length, reading.task)
    pairs = zip(inputs, outputs, strict=True)
    return [Encoded(input_ids=np.asarray(i), target_ids=np.asarray(t)) for i, t in pairs]


def _refuse_long(key: str, rows: Sequence[Sequence[int]], limit: int, task: str) -> None:
    long = [len(row) for row in rows if len(row) > limit]
    if long:
        raise ValueError(
            f"{key}: {len(long)} of {len(rows)} rows of {task} are longer than {limit} tokens "
            f"(the longest has {max(long)}); raise {key}, since rows are never cut"
        )


def _fingerprint(*splits: Sequence[Example]) -> str:
    """16 hex digits of SHA-256 over every example of every split."""
    digest = hashlib.sha256()
    for split in splits:
        for example in split:
            digest.update(repr(example).encode())
    return digest.hexdigest()[:16]

"""A trial's task as token ids: train rows, dev rows, and what is needed to score them."""

import functools
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from runners.catalogue import Catalogue, task_at
from runners.config import TrialConfig
from runners.data.batching import Encoded
from runners.data.examples import (
    Reading,
    dev_examples_of,
    examples_of,
    reading_of,
    transfer_readings,
)
from runners.model.codec import Codec
from runners.rules import ConfigError, Problem
from runners.tasks.task import (
    SENTINEL,
    Example,
    Task,
    add_sentinel,
    most_frequent_target,
    strip_sentinel,
    translated,
)


@dataclass(frozen=True, kw_only=True)
class DevData:
    """What one task asks, encoded for one model, and what is needed to score answers.

    `target_limit` is the most tokens a dev answer needs, end-of-sequence
    included; `chance` is the best score that needs no reading. `revision` is the
    hub's commit where the examples come from there, `cut` the rows of each split
    that had more tokens than they may and lost the last of them. Answers are in
    the words of the task `words_of`, which need not be the one that asks.
    """

    task: Task
    dev: Sequence[Encoded]
    dev_examples: Sequence[Example]
    target_limit: int
    chance: float
    fingerprint: str
    revision: str | None
    cut: Mapping[str, int]
    sentinel: bool
    words_of: Task
    codec: Codec

    def score(self, generated: Sequence[Sequence[int]]) -> tuple[dict[str, float], list[str]]:
        """Metrics of generated token ids for the dev examples in order, and the answers as text."""
        answers = self.codec.decode(generated)
        if self.sentinel:
            answers = [strip_sentinel(text) for text in answers]
        return self.judge([translated(text, self.words_of, self.task) for text in answers])

    def judge(self, answers: list[str]) -> tuple[dict[str, float], list[str]]:
        """Metrics of answers as text for the dev examples in order, and the answers."""
        return self.task.score(answers, self.dev_examples), answers

    def choices(self) -> list[list[list[int]]]:
        """The token ids of every legal answer to each dev example, end-of-sequence included."""
        assert self.task.has_choices
        words = {choice for example in self.dev_examples for choice in example.choices}
        said = {word: translated(word, self.task, self.words_of) for word in words}
        spelt = [add_sentinel(said[word]) if self.sentinel else said[word] for word in words]
        ids = dict(zip(words, self.codec.targets(spelt), strict=True))
        return [[ids[choice] for choice in example.choices] for example in self.dev_examples]


@dataclass(frozen=True, kw_only=True)
class TaskData(DevData):
    """One task, encoded for one model.

    `labels` are the token ids of each word of class-label initialisation;
    `common` is the most frequent training answer, and `majority` the score of
    always giving it.
    """

    train: Sequence[Encoded]
    labels: Sequence[Sequence[int]]
    common: str
    majority: float


def load_task_data(config: TrialConfig, codec: Codec, catalogue: Catalogue) -> TaskData:
    """The data of a trial.

    Raises ValueError for an unknown source or task, for data that cannot be
    read, for more examples than there are (`dev_examples` of published and own
    data is a cap, and no such number), for rows that are too long, for labels
    that the tokenizer cannot write, and for dev rows that offer nothing to choose.
    """
    problems = catalogue.problems(config)
    if problems:
        raise ConfigError(problems)
    data = _load(codec, reading_of(config, config.task, config.data_source, catalogue))
    _check_choices(config, data)
    return data


def load_transfer_data(
    config: TrialConfig, codec: Codec, catalogue: Catalogue
) -> dict[str, DevData]:
    """What the transfer tasks of a trial ask its best point, by their names, in order.

    Their rows are made as those of the trial's own task are. Of a task with
    fewer than `dev_examples` all count; the most frequent answer that chance
    knows of is the trial's own. Raises ValueError as `load_task_data` does.
    """
    if not config.transfers:
        return {}
    own = load_task_data(config, codec, catalogue)
    found = {
        task: _load_dev(codec, reading, own.task, own.common)
        for task, reading in transfer_readings(config, catalogue).items()
    }
    for data in found.values():
        _check_choices(config, data)
    return found


def forget() -> None:
    """Give back the memory of all data that was loaded."""
    _load.cache_clear()
    _load_dev.cache_clear()


@functools.lru_cache(maxsize=64)
def _load(codec: Codec, reading: Reading) -> TaskData:
    read = examples_of(reading, continues=codec.continues)
    task, train, dev = read.task, read.train, read.dev
    check_labels(task, codec)
    if reading.sentinel:
        check_sentinel(codec)
    dev_rows, dev_cut = _encode(codec, dev, reading)
    train_rows, train_cut = _encode(codec, train, reading)
    common = most_frequent_target(train)
    return TaskData(
        task=task,
        train=train_rows,
        dev=dev_rows,
        dev_examples=dev,
        labels=codec.words(task.init_words),
        target_limit=_longest_answer(codec, dev_rows, dev, reading),
        common=common,
        majority=task.majority_score(train, dev),
        chance=task.chance_beside(common, dev),
        fingerprint=_fingerprint(train, dev),
        revision=read.revision,
        cut={"train": train_cut, "dev": dev_cut},
        sentinel=reading.sentinel,
        words_of=task,
        codec=codec,
    )


@functools.lru_cache(maxsize=64)
def _load_dev(codec: Codec, reading: Reading, words_of: Task, common: str) -> DevData:
    """A transfer task for a model that was tuned on the task `words_of`."""
    task = task_at(reading.source, reading.task, reading.origin)
    dev, commit = dev_examples_of(reading)
    rows, cut = _encode(codec, dev, reading)
    return DevData(
        task=task,
        dev=rows,
        dev_examples=dev,
        target_limit=_longest_answer(codec, rows, dev, reading),
        chance=task.chance_beside(common, dev),
        fingerprint=_fingerprint(dev),
        revision=commit,
        cut={"dev": cut},
        sentinel=reading.sentinel,
        words_of=words_of,
        codec=codec,
    )


def check_labels(task: Task, codec: Codec) -> None:
    """Raises `ConfigError` for labels that an answer of the model can never be.

    Those have pieces that the tokenizer does not know, the ids of another label, or come
    back as another text, so that a right answer counts as wrong.
    """
    labels = task.labels or ()
    spelt = codec.words(labels)
    problems = []
    for place, (label, ids) in enumerate(zip(labels, spelt, strict=True)):
        (heard,) = codec.decode([ids])
        alike = [labels[n] for n in range(place) if spelt[n] == ids]
        if codec.unknown_id in ids:
            rule = "has characters that the tokenizer of the model does not know"
        elif alike:
            rule = f"has the tokens of {alike[0]!r}"
        elif heard != label:
            rule = f"comes back from the tokenizer of the model as {heard!r}"
        else:
            continue
        remedy = "give the class another word, or take another model"
        problems.append(Problem(key=f"{task.name}: label", value=label, rule=rule, remedy=remedy))
    if problems:
        raise ConfigError(problems)


def check_sentinel(codec: Codec) -> None:
    """Raises `ConfigError` where what begins every target is no piece of the tokenizer."""
    (ids,) = codec.words([SENTINEL])
    if len(ids) == 1 and ids != [codec.unknown_id]:
        return
    rule = f"begins targets with {SENTINEL}, which is no piece of the tokenizer of the model"
    problem = Problem(
        key="pretraining_objective", value="span_corruption_sentinel", rule=rule,
        remedy="leave this objective out, or take a tokenizer with sentinels",
    )  # fmt: skip
    raise ConfigError([problem])


def _check_choices(config: TrialConfig, data: DevData) -> None:
    """Raises ValueError where an answer is to be chosen, and a dev row offers none."""
    if config.answer_by != "likelihood":
        return
    bare = [example.key for example in data.dev_examples if not example.choices]
    if bare:
        raise ValueError(
            f"answer_by: likelihood needs choices, and {len(bare)} of {len(data.dev_examples)} dev "
            f"rows of {data.task.name} have none (the first is {'/'.join(map(str, bare[0]))}); "
            "leave them out, or give generation"
        )


def _longest_answer(
    codec: Codec, rows: Sequence[Encoded], examples: Sequence[Example], reading: Reading
) -> int:
    """Tokens of the longest right answer to any row, of which a question may have several.

    Those that no row is to write may be longer than `target_length`, and are counted up to it.
    """
    answers = reading.written({right for example in examples for right in example.references})
    right = max((len(ids) for ids in codec.targets(answers)), default=0)
    return max(min(right, reading.target_length), *(len(row.target_ids) for row in rows))


def _encode(
    codec: Codec, examples: Sequence[Example], reading: Reading
) -> tuple[list[Encoded], int]:
    """The rows of examples, and how many of them had to be cut."""
    inputs = codec.inputs([e.input for e in examples])
    outputs = codec.targets(reading.targets(examples))
    cut = _cut(inputs, "input_length", reading, codec) | _cut(
        outputs, "target_length", reading, codec
    )
    pairs = zip(inputs, outputs, strict=True)
    rows = [Encoded(input_ids=np.asarray(i), target_ids=np.asarray(t)) for i, t in pairs]
    return rows, len(cut)


def _cut(rows: list[list[int]], key: str, reading: Reading, codec: Codec) -> set[int]:
    """Cuts the rows that are too long, where that is asked for; returns their places.

    What ends with end-of-sequence still does, as in T5X, which trims and then
    ends. An input of prompt design loses its first tokens, and not the question.
    Raises ValueError where rows are not to be cut.
    """
    limit: int = getattr(reading, key)
    long = {place: len(row) for place, row in enumerate(rows) if len(row) > limit}
    if long and reading.long_inputs == "refuse":
        raise ValueError(
            f"{key}: {len(long)} of {len(rows)} rows of {reading.task} are longer than {limit} "
            f"tokens (the longest has {max(long.values())}); raise {key}, or give "
            "long_inputs: cut"
        )
    for place in long:
        ends = rows[place][-1] == codec.end_id
        if reading.shots is not None and key == "input_length":
            rows[place] = rows[place][-limit:]
            continue
        rows[place] = [*rows[place][: limit - 1], codec.end_id] if ends else rows[place][:limit]
    return set(long)


def _fingerprint(*splits: Sequence[Example]) -> str:
    """16 hex digits of SHA-256 over every example of every split."""
    digest = hashlib.sha256()
    for split in splits:
        for example in split:
            digest.update(repr(example).encode())
    return digest.hexdigest()[:16]

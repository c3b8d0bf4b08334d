"""A trial's task as token ids: train rows, dev rows, and what is needed to score them."""

import functools
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from runners.config import TrialConfig
from runners.data.batching import Encoded
from runners.microworld import records as microworld
from runners.model.backbone import Backbone
from runners.tasks.superglue import find_task
from runners.tasks.task import Example, Split, Task, add_sentinel, first_groups, strip_sentinel

SOURCES = ("microworld",)


@dataclass(frozen=True, kw_only=True)
class TaskData:
    """One task, encoded for one model.

    `labels` are the token ids of each word of class-label initialisation;
    `target_limit` is the most tokens a dev answer needs, end-of-sequence
    included; `majority` is the score of always giving the most frequent
    training answer.
    """

    task: Task
    train: Sequence[Encoded]
    dev: Sequence[Encoded]
    dev_examples: Sequence[Example]
    labels: Sequence[Sequence[int]]
    target_limit: int
    majority: float
    fingerprint: str
    sentinel: bool
    tokenizer: PreTrainedTokenizerBase

    def score(self, generated: Sequence[Sequence[int]]) -> tuple[dict[str, float], list[str]]:
        """Metrics of generated token ids for the dev examples in order, and the answers as text."""
        answers = self.tokenizer.batch_decode(generated, skip_special_tokens=not self.sentinel)
        if self.sentinel:
            specials = (self.tokenizer.eos_token, self.tokenizer.pad_token)
            answers = [strip_sentinel(_without(text, specials)) for text in answers]
        return self.task.score(answers, self.dev_examples), answers


def _without(text: str, words: Iterable[str]) -> str:
    return functools.reduce(lambda left, word: left.replace(word, ""), words, text)


def load_task_data(config: TrialConfig, backbone: Backbone) -> TaskData:
    """The data of a trial; raises ValueError for an unknown source or task, or rows that are too long."""
    key = (
        config.data_source, config.task, config.train_examples, config.dev_examples,
        config.pretraining_objective == "span_corruption_sentinel", config.input_length, config.target_length,
    )  # fmt: skip
    return _load(backbone, *key)


@functools.lru_cache(maxsize=64)
def _load(
    backbone: Backbone,
    source: str,
    name: str,
    train_examples: int | None,
    dev_examples: int | None,
    sentinel: bool,
    input_length: int,
    target_length: int,
) -> TaskData:
    task = find_task(name)
    train = task.read(_records(source, name, "train"), split="train")[:train_examples]
    dev = task.read(_records(source, name, "dev"), split="dev")
    dev = first_groups(dev, dev_examples) if dev_examples else dev
    encode = functools.partial(
        _encode, backbone.tokenizer, sentinel=sentinel, limits=(input_length, target_length), name=name
    )
    dev_rows = encode(dev)
    return TaskData(
        task=task,
        train=encode(train),
        dev=dev_rows,
        dev_examples=dev,
        labels=[backbone.tokenizer(w, add_special_tokens=False)["input_ids"] for w in task.init_words],
        target_limit=max(len(row.target_ids) for row in dev_rows),
        majority=task.majority_score(train, dev),
        fingerprint=_fingerprint(train, dev),
        sentinel=sentinel,
        tokenizer=backbone.tokenizer,
    )


def _records(source: str, name: str, split: Split) -> Sequence[Mapping[str, Any]]:
    if source not in SOURCES:
        raise ValueError(f"data_source: {source!r} is not one of {', '.join(SOURCES)}; use one of these")
    return microworld.read_split(name, split)


def _encode(
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[Example],
    *,
    sentinel: bool,
    limits: tuple[int, int],
    name: str,
) -> list[Encoded]:
    targets = [add_sentinel(e.target) if sentinel else e.target for e in examples]
    inputs = tokenizer([e.input for e in examples])["input_ids"]
    outputs = tokenizer(targets)["input_ids"]
    for key, rows, limit in (("input_length", inputs, limits[0]), ("target_length", outputs, limits[1])):
        long = [len(row) for row in rows if len(row) > limit]
        if long:
            raise ValueError(
                f"{key}: {len(long)} of {len(rows)} rows of {name} are longer than {limit} tokens "
                f"(the longest has {max(long)}); raise {key}, since rows are never cut"
            )
    pairs = zip(inputs, outputs, strict=True)
    return [Encoded(input_ids=np.asarray(i), target_ids=np.asarray(t)) for i, t in pairs]


def _fingerprint(*splits: Sequence[Example]) -> str:
    """16 hex digits of SHA-256 over every example of every split."""
    digest = hashlib.sha256()
    for split in splits:
        for example in split:
            digest.update(repr(example).encode())
    return digest.hexdigest()[:16]

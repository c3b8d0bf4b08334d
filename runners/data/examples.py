"""The examples that a trial reads of a task, as text: what no tokenizer has seen yet."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from runners.catalogue import MICROWORLD, Catalogue, DataPlace, task_at
from runners.config import TrialConfig
from runners.data.records import read_records
from runners.tasks.own import OwnTask
from runners.tasks.prompt_design import designed, drawn
from runners.tasks.task import Example, Split, Task, add_sentinel, first_groups

ReadSplit = tuple[list[Example], str | None]
"""The examples of a split, without T5's first word, and the commit of the hub they are of."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What the rows of a task depend on besides the tokenizer and the files."""

    source: str
    task: str
    origin: OwnTask | DataPlace
    task_prefix: bool
    train_examples: int | None
    dev_examples: int | None
    sentinel: bool
    input_length: int
    target_length: int
    long_inputs: str
    shots: int | None
    seed: int

    def targets(self, examples: Sequence[Example]) -> list[str]:
        """What a model is to write for each example."""
        return self.written(example.target for example in examples)

    def written(self, answers: Iterable[str]) -> list[str]:
        """What a model is to write for each answer."""
        return [add_sentinel(answer) if self.sentinel else answer for answer in answers]


Reader = Callable[[Reading, Split], ReadSplit]
"""Reads a split that a reading names; raises ValueError where it cannot be read."""


def reading_of(config: TrialConfig, task: str, source: str, catalogue: Catalogue) -> Reading:
    """How a trial reads a task, its own or one that it is judged on."""
    return Reading(
        source=source,
        task=task,
        origin=catalogue.origin(source, task),
        task_prefix=config.task_prefix,
        train_examples=config.train_examples,
        dev_examples=config.dev_examples,
        sentinel=config.pretraining_objective == "span_corruption_sentinel",
        input_length=config.input_length,
        target_length=config.target_length,
        long_inputs=config.long_inputs,
        shots=config.shots,
        # Of everything here only the choice of shots depends on it.
        seed=config.seed if config.shots else 0,
    )


def transfer_readings(config: TrialConfig, catalogue: Catalogue) -> dict[str, Reading]:
    """How a trial reads each task that it is judged on beside its own, in order."""
    found = {}
    for task in config.transfers:
        source = catalogue.transfer_source(task, config.data_source)
        assert source is not None
        found[task] = replace(reading_of(config, task, source, catalogue), train_examples=None)
    return found


def read_split(reading: Reading, split: Split) -> ReadSplit:
    """The examples of a whole split that a reading names, from where they are."""
    return read_place(reading.source, reading.task, split, reading.origin)


def read_place(source: str, task: str, split: Split, origin: OwnTask | DataPlace) -> ReadSplit:
    """The examples of a whole split.

    Raises ValueError where files or rows cannot be read, and where there is no example.
    """
    records, commit = read_records(source, task, split, origin)
    examples = task_at(source, task, origin).read(records, split=split)
    if not examples:
        place = (origin.folder or "the hub") if isinstance(origin, DataPlace) else "its files"
        raise ValueError(
            f"{task}: no record of {split} in {place} has an example, of {len(records)} that are "
            "there; give the publisher's files, or others that ask something"
        )
    return examples, commit


@dataclass(frozen=True, kw_only=True)
class TaskExamples:
    """Both splits of a task as a trial reads them; `revision` is the commit of the hub."""

    task: Task
    train: list[Example]
    dev: list[Example]
    revision: str | None


def examples_of(reading: Reading, *, continues: bool, read: Reader = read_split) -> TaskExamples:
    """The examples that a trial trains on and those that it is scored on.

    `continues` says whether the model goes on from its input, as a decoder-only one. Raises
    ValueError for data that cannot be read, and for more examples than there are.
    """
    task = task_at(reading.source, reading.task, reading.origin)
    whole, commit = read(reading, "train")
    train = whole[: _count("train_examples", reading.train_examples, whole, task)]
    dev, _ = read(reading, "dev")
    dev = first_groups(dev, _dev_count(reading, dev, task))
    if reading.task_prefix:
        train, dev = task.prefixed(train), task.prefixed(dev)
    if reading.shots is not None:
        dev = designed(
            dev, instruction=task.instruction, gap="\n" if continues else " ",
            shots=drawn(train, shots=reading.shots, seed=reading.seed),
        )  # fmt: skip
    return TaskExamples(task=task, train=train, dev=dev, revision=commit)


def dev_examples_of(reading: Reading, *, read: Reader = read_split) -> ReadSplit:
    """The examples of a task that a trial is judged on beside its own, and their commit."""
    task = task_at(reading.source, reading.task, reading.origin)
    dev, commit = read(reading, "dev")
    dev = first_groups(dev, reading.dev_examples or len(dev))
    return task.prefixed(dev) if reading.task_prefix else dev, commit


def _dev_count(reading: Reading, there: Sequence[Example], task: Task) -> int:
    """How many dev examples to keep.

    Dev splits that are published have what they have, CB 56 and RTE 277, and one spec is
    of several tasks: there the number is a cap. The embedded world makes as many as are asked.
    """
    if reading.source == MICROWORLD:
        return _count("dev_examples", reading.dev_examples, there, task)
    return min(reading.dev_examples or len(there), len(there))


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

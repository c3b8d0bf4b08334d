"""Tokens of the tasks' inputs and targets, which a forecast needs before it reads any data.

    python -m benchmarks.lengths
    python -m benchmarks.lengths superglue FOLDER --vocabulary spiece.model

The first counts the embedded world with the tokenizer of its ladder, the second a copy of
a benchmark in its publisher's layout with T5's own. `longest of 32` is the mean length of the
longest row of a batch of 32, drawn 2,000 times: what a batch is padded to. `lengths` are how many
of those batches have, and how many with `execution.static_shapes`, which makes them longer by so
much.
Results are Markdown; `sweeps/forecast/lengths.py` keeps them.
"""

import argparse
import random
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sentencepiece import SentencePieceProcessor

from runners.catalogue import MICROWORLD, Catalogue, task_at
from runners.data.batching import static_length
from runners.data.records import read_records
from runners.model.family import shipped
from runners.model.reading import read_codec
from runners.tasks import embedded
from runners.tasks.benchmarks import BENCHMARKS
from runners.tasks.files.folder import read_folder
from runners.tasks.task import Example, Split

SPLITS: tuple[Split, ...] = ("train", "dev")
DRAWS = 2000
Count = Callable[[str], int]


def main() -> None:
    """Count every task that is there and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("benchmark", nargs="?", choices=BENCHMARKS, help="what is counted")
    parser.add_argument("folder", nargs="?", type=Path, help="a copy in the publisher's layout")
    parser.add_argument("--vocabulary", type=Path, help="T5's spiece.model")
    options = parser.parse_args()
    if bool(options.folder) != bool(options.vocabulary):
        parser.error("give BENCHMARK FOLDER --vocabulary FILE, or nothing")
    told = _published(options) if options.folder else _world()
    heads = ("task", "rows", "mean", "longest of 16", "of 32", "of 128", "longest",
             "longest target", "lengths of 32", "static", "longer")  # fmt: skip
    print(f"| {' | '.join(heads)} |")
    print(f"|{'---|' * len(heads)}")
    for task, inputs, targets in told:
        batches = [f"{statistics.fmean(_longest(inputs, rows)):.0f}" for rows in (16, 32, 128)]
        plain = _longest(inputs, 32)
        static = [static_length(each) for each in plain]
        numbers = (
            f"{len(inputs):,}", f"{statistics.fmean(inputs):.0f}", *batches, f"{max(inputs)}",
            f"{max(targets)}", f"{len({*plain})}", f"{len({*static})}",
            f"{sum(static) / sum(plain) - 1:.0%}",
        )  # fmt: skip
        print(f"| {task} | {' | '.join(numbers)} |")


Lengths = Iterator[tuple[str, list[int], list[int]]]
"""A task, and the tokens of each input and each target, end-of-sequence included."""


def _world() -> Lengths:
    codec = read_codec(shipped()["nano"].rungs["60k"].tokenizer, continues=False)
    catalogue = Catalogue()
    for name in embedded.TASKS:
        origin = catalogue.origin(MICROWORLD, name)
        split: Split = "dev" if name in embedded.DOMAINS else "train"
        records, _ = read_records(MICROWORLD, name, split, origin)
        examples = task_at(MICROWORLD, name, origin).read(records, split=split)
        yield name, *_counted(examples, lambda text: len(codec.tokenizer(text).input_ids))


def _published(options: argparse.Namespace) -> Lengths:
    vocabulary = SentencePieceProcessor(model_file=str(options.vocabulary))
    for name, task in BENCHMARKS[options.benchmark].items():
        # Some copies lack a split or have few rows of it; the longer one tells more.
        records = max((_records(options, name, split) for split in SPLITS), key=len)
        if records:
            examples = task.read(records, split="dev")
            yield name, *_counted(examples, lambda text: len(vocabulary.encode(text)) + 1)


def _records(options: argparse.Namespace, task: str, split: Split) -> Sequence[dict[str, Any]]:
    """The records of a split, none where the copy lacks it, which is told."""
    try:
        return read_folder(options.benchmark, options.folder, task, split)
    except ValueError as error:
        print(error, file=sys.stderr)
        return []


def _counted(examples: Sequence[Example], count: Count) -> tuple[list[int], list[int]]:
    return [count(each.input) for each in examples], [count(each.target) for each in examples]


def _longest(lengths: Sequence[int], rows: int) -> list[int]:
    rng = random.Random(0)
    return [max(rng.choices(lengths, k=rows)) for _ in range(DRAWS)]


if __name__ == "__main__":
    main()

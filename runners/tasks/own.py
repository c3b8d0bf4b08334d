"""A user's own task: rows of a file, a template for the input, one for the target, verbalizers.

    tasks:
      reviews:
        train: reviews/train.csv
        dev: reviews/dev.jsonl            # or held_out: 0.1, a share of train
        input: "review: {text}"
        target: "{stars}"
        labels: {"1": negative, "5": positive}     # left out where any text may be an answer
        metrics: [accuracy]
        instruction: Is the review good?           # for prompt design alone

      unseen: {dev: unseen.json}          # no train: only to transfer to

Files are CSV, TSV, JSON lines, or JSON in the form of SQuAD 1.1, which needs
neither templates nor labels; `.gz` is unpacked. Paths go from the spec. What
the task is, and so the identity of its trials, is its content: all of the
above but the name and the place of the files, and every byte of them.
"""

import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import Formatter
from typing import Any

from runners.rules import nearest
from runners.tasks import metrics
from runners.tasks.classification import Measure, is_choice, measure_accuracy, targets_of
from runners.tasks.files.lines import content, read_jsonl, read_table
from runners.tasks.files.squad_file import read_squad_file
from runners.tasks.question_answering import answering, measure_answers, says_something
from runners.tasks.record_fields import Fields
from runners.tasks.task import Example, Split, Task

Records = list[dict[str, Any]]
INIT_WORDS = ("answer", "text")
"""What the class-label start embeds where a task has neither labels nor words of its own."""


def _answers(name: str) -> Measure:
    return lambda predictions, examples: {name: measure_answers(predictions, examples)[name]}


def _macro_f1(predictions: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
    labels = examples[0].choices
    return {"macro_f1": metrics.macro_f1(predictions, targets_of(examples), labels)}


def _binary_f1(predictions: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
    negative, positive = examples[0].choices
    labels = (negative, positive)
    return {"binary_f1": metrics.binary_f1(predictions, targets_of(examples), labels)}


METRICS: Mapping[str, Measure] = {
    "accuracy": measure_accuracy, "macro_f1": _macro_f1, "binary_f1": _binary_f1,
    "exact_match": _answers("exact_match"), "f1": _answers("f1"),
}  # fmt: skip
"""What a task can be judged by; `binary_f1` is that of the second of two labels."""
OF_LABELS = frozenset({"macro_f1", "binary_f1"})
"""Metrics that need labels."""
OF_ANSWERS = frozenset({"exact_match", "f1"})
"""Metrics that normalise an answer before they compare it."""


ABSENT = "absent"
"""How a fingerprint begins of what is not there, for who only plans."""


@dataclass(frozen=True, kw_only=True)
class OwnTask:
    """What a spec says of a user's task; `runners.tasks.own_section` reads and checks it."""

    name: str
    train: Path | None
    """None where nothing can train on the task, and other tasks' best points are judged on it."""
    dev: Path | None
    """None where `held_out` says which share of the training rows, 0 to 1, is dev."""
    held_out: float | None
    input: str | None
    """A template with the columns in braces; None where the files are in SQuAD's form."""
    target: str | None
    labels: tuple[tuple[str, str], ...] | None
    """Values of the target and the words that stand for them, in order."""
    metrics: tuple[str, ...]
    init_words: tuple[str, ...]
    instruction: str = ""
    """What prompt design says before a question; what is trained does not read it."""

    @functools.cached_property
    def content(self) -> str:
        """16 hex digits of what decides the examples and their scores; the name is no part.

        Of files that are not there nothing is known but the name of the task.
        """
        if self.absent:
            return f"{ABSENT} {self.name}"
        digest = hashlib.sha256()
        rules: list[object] = [self.held_out, self.input, self.target, self.labels, self.metrics]
        rules += [self.init_words, *([self.instruction] if self.instruction else [])]
        digest.update(json.dumps(rules).encode())
        for path in (self.train, self.dev):
            digest.update(content(path) if path else b"")
            digest.update(b"\0")
        return digest.hexdigest()[:16]

    @functools.cached_property
    def dev_content(self) -> str:
        """16 hex digits of what decides the dev examples and their scores, as for `content`."""
        if self._dev_file in self.absent:
            return f"{ABSENT} {self.name}"
        rules = [self.held_out, self.input, self.target, self.labels, self.metrics]
        digest = hashlib.sha256(json.dumps(rules).encode())
        digest.update(content(self._dev_file))
        return digest.hexdigest()[:16]

    @property
    def absent(self) -> tuple[Path, ...]:
        """Its files that are not there."""
        return tuple(path for path in (self.train, self.dev) if path and not path.exists())

    @property
    def _dev_file(self) -> Path:
        """The file that dev rows come from."""
        path = self.dev or self.train
        assert path is not None
        return path

    @property
    def task(self) -> Task:
        """The task under its own name."""
        if self.input is None:
            return replace(answering(self.name, own=True), instruction=self.instruction)
        words = None if self.labels is None else tuple(word for _, word in self.labels)
        normalises = words is None and OF_ANSWERS.issuperset(self.metrics)
        return Task(
            name=self.name, labels=words, init_words=self.init_words, prefix=self.name,
            examples_of=self._examples_of, measure=self._measure,
            legal=is_choice if words else says_something, instruction=self.instruction,
            canonical=metrics.normalize_answer if normalises else str.strip,
        )  # fmt: skip

    def records(self, split: Split) -> Records:
        """The rows of a split, numbered from 0 in their file.

        Raises ValueError where a file cannot be read or nothing is left for
        the split.
        """
        if split == "dev" and self.dev is not None:
            return _read(self.dev)
        if self.train is None:
            raise ValueError(
                f"{self.name}: has no file for train; give it one, or train on another"
            )
        rows = _read(self.train)
        if self.held_out is None:
            return rows
        kept = [row for row in rows if _is_held_out(row, self.held_out) is (split == "dev")]
        if not kept:
            raise ValueError(
                f"{self.name}: held_out {self.held_out:g} leaves none of {len(rows)} rows for "
                f"{split}; give another share, or a file of its own for dev"
            )
        return kept

    def _examples_of(self, record: Fields) -> Iterator[Example]:
        assert self.input is not None and self.target is not None
        row = record.inner("row")
        said = filled(self.target, row)
        words = dict(self.labels or ((said, said),))
        if said not in words:
            raise ValueError(
                f"{record.record}: the target {said!r} is not one of {', '.join(words)}; "
                "give it a word under labels, or mend the row"
            )
        target, choices = words[said], tuple(words.values()) if self.labels else ()
        yield Example(
            input=filled(self.input, row), target=target, key=(record.whole("idx"),),
            references=(target,), choices=choices,
        )  # fmt: skip

    def _measure(self, predictions: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
        measured = (METRICS[name](predictions, examples) for name in self.metrics)
        return {name: value for each in measured for name, value in each.items()}


def _read(path: Path) -> Records:
    reader = _reader(path)
    if reader is read_squad_file:
        return read_squad_file(path)
    return [{"idx": number, "row": row} for number, row in enumerate(reader(path))]


def _reader(path: Path) -> Callable[[Path], Records]:
    readers: Mapping[str, Callable[[Path], Any]] = {
        ".csv": lambda path: read_table(path, separator=",", quoted=True),
        ".tsv": lambda path: read_table(path, separator="\t", quoted=False),
        ".jsonl": lambda path: _as_text(read_jsonl(path)),
        ".json": read_squad_file,
    }
    ending = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if ending not in readers:
        raise ValueError(
            f"{path}: {ending or 'no ending'} is not one of {', '.join(readers)}; save it as one "
            "of these"
        )
    return readers[ending]


def is_squad(path: Path) -> bool:
    """Whether a file is taken to be in SQuAD's form, by its name."""
    return _reader(path) is read_squad_file


def _as_text(rows: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """Rows whose numbers, true and false are what JSON writes; what is nested stays."""
    return [
        {
            name: json.dumps(value) if isinstance(value, bool | int | float) else value
            for name, value in row.items()
        }
        for row in rows
    ]


def _is_held_out(row: Mapping[str, object], share: float) -> bool:
    """By article where a row has one, so that no passage is on both sides."""
    place = row.get("article", row["idx"])
    number = int.from_bytes(hashlib.sha256(f"held out {place}".encode()).digest()[:8], "big")
    return number < share * 2**64


def columns_of(template: str) -> list[str]:
    """The columns that a template names.

    Raises ValueError where a brace is not closed or holds more than a name.
    """
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"{error}; write {{column}}, and {{{{ for a brace itself") from error
    found = [(name, form, how) for _, name, form, how in parts if name is not None]
    for name, form, how in found:
        if not name or form or how or not set("[.").isdisjoint(name):
            raise ValueError(
                f"'{{{name}}}' is no plain column; write {{column}}, and {{{{ for a brace itself"
            )
    return [name for name, _, _ in found]


def filled(template: str, row: Fields) -> str:
    """The template with a row's values in place; raises ValueError where a column is missing."""
    for name in columns_of(template):
        if name not in row.values:
            near = nearest(name, row.values)
            remedy = f"did you mean {near!r}?" if near else f"name one of {', '.join(row.values)}"
            raise ValueError(
                f"{row.record}: the template {template!r} names the column {name!r}, "
                f"which is not there; {remedy}"
            )
    values = {name: row.text(name) for name in columns_of(template)}
    return "".join(
        text + (values[name] if name is not None else "")
        for text, name, _, _ in Formatter().parse(template)
    )

"""Tasks whose answer is one of a few words, from records with a label."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from runners.tasks import metrics
from runners.tasks.record_fields import Fields
from runners.tasks.task import Example, Task

Measure = Callable[[Sequence[str], Sequence[Example]], dict[str, float]]
Labels = Mapping[str, object]
"""The words of the classes in the order of their ids, each with its raw form in a record."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Template:
    """`name: value` pairs of plain text fields, and a label in its raw form."""

    fields: tuple[str, ...]
    labels: Labels

    def examples_of(self, record: Fields) -> Iterator[Example]:
        """The one example of a record."""
        target = record.one_of("label", self.labels)
        yield Example(
            input=" ".join(f"{name}: {record.text(name)}" for name in self.fields),
            target=target,
            key=(record.whole("idx"),),
            references=(target,),
            choices=tuple(self.labels),
        )


def measure_accuracy(predictions: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
    """The share of right answers."""
    return {"accuracy": metrics.accuracy(predictions, targets_of(examples))}


def measure_f1_and_accuracy(labels: tuple[str, str]) -> Measure:
    """F1 of the second label beside accuracy, as GLUE has it for paraphrases."""

    def measure(predictions: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
        targets = targets_of(examples)
        return {
            "f1": metrics.binary_f1(predictions, targets, labels),
            "accuracy": metrics.accuracy(predictions, targets),
        }

    return measure


def classification(
    name: str,
    labels: Labels,
    examples_of: Callable[[Fields], Iterator[Example]],
    measure: Measure = measure_accuracy,
    *,
    instruction: str,
    prefix: str | None = None,
    verdicts: tuple[str, ...] = (),
) -> Task:
    """A task with labels; `prefix` is its name where T5 has no other."""
    return Task(
        name=name, labels=tuple(labels), init_words=tuple(labels), prefix=prefix or name,
        examples_of=examples_of, measure=measure, legal=is_choice, instruction=instruction,
        verdicts=verdicts,
    )  # fmt: skip


def plain(
    name: str,
    fields: tuple[str, ...],
    labels: Labels,
    measure: Measure = measure_accuracy,
    *,
    instruction: str,
    prefix: str | None = None,
    verdicts: tuple[str, ...] = (),
) -> Task:
    """A task with labels whose input is its fields one after another."""
    examples_of = Template(fields=fields, labels=labels).examples_of
    return classification(
        name, labels, examples_of, measure,
        instruction=instruction, prefix=prefix, verdicts=verdicts,
    )  # fmt: skip


def is_choice(prediction: str, example: Example) -> bool:
    """Whether a prediction is one of the labels to the letter."""
    return prediction in example.choices


def targets_of(examples: Sequence[Example]) -> list[str]:
    """What each example should be answered with."""
    return [example.target for example in examples]

"""Extractive question answering: SQuAD 1.1, MRQA's out-of-domain sets, and whatever has their form.

A record is one question: `question`, `context`, and `answers`, a list of texts.
Format: T5's `squad` preprocessor; metrics: the official SQuAD 1.1 script.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from runners.tasks import metrics
from runners.tasks.record_fields import Fields
from runners.tasks.task import Example, Task

MRQA_SETS = ("bioasq", "drop", "duorc", "race", "relation_extraction", "textbookqa")
"""MRQA's out-of-domain sets (Fisch et al. 2019), which have a dev split alone."""
INIT_WORDS = ("question", "answer", "reading", "comprehension")
"""What the class-label start embeds where there are no classes; the words are ours."""


_MARK = re.compile(r"([^0-9A-Za-z_])")
_SPACES = re.compile(r"[\t\n\f\r ]+")


def spaced(text: str) -> str:
    """The text with space around every mark and single spaces throughout, as T5 writes SQuAD.

    T5's rule of 2021 (`_pad_punctuation` of t5/data/preprocessors.py) is `\\W` and `\\s+` of
    RE2, to which a letter is one of ASCII: `naïve` becomes `na ï ve`, and a no-break space is
    a mark. A space at either end, which T5's vocabulary drops, is dropped here, since others
    would keep it.
    """
    return _SPACES.sub(" ", _MARK.sub(r" \1 ", text)).strip(" ")


def _examples_of(record: Fields) -> Iterator[Example]:
    answers = tuple(spaced(text) for text in record.texts("answers"))
    if not any(answer.strip() for answer in answers):
        rule, remedy = "is empty", "leave the question out: SQuAD 1.1 has an answer to each"
        raise record.refuse("answers", rule, remedy)
    question, context = spaced(record.text("question")), spaced(record.text("context"))
    yield Example(
        input=f"question: {question} context: {context}",
        target=answers[0],
        key=(record.whole("idx"),),
        references=answers,
    )


def measure_answers(predictions: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
    """Exact match and token F1 after SQuAD's normalisation, the best over the right answers."""
    references = [example.references for example in examples]
    return {
        "exact_match": metrics.answer_exact_match(predictions, references),
        "f1": metrics.answer_f1(predictions, references),
    }


def says_something(prediction: str, example: Example) -> bool:
    """Whether anything is left of a prediction once it is normalised."""
    return bool(metrics.normalize_answer(prediction))


def answering(name: str) -> Task:
    """A task of this form under a name of its own, such as a user's.

    T5 has no word for it: `question:` and `context:` tell it from others.
    """
    return Task(
        name=name, labels=None, init_words=INIT_WORDS, prefix="",
        examples_of=_examples_of, measure=measure_answers, legal=says_something,
        instruction="Answer the question in words of the context.",
    )  # fmt: skip


SQUAD: Mapping[str, Task] = MappingProxyType({"squad": answering("squad")})
MRQA: Mapping[str, Task] = MappingProxyType({name: answering(name) for name in MRQA_SETS})

"""Extractive question answering: SQuAD 1.1, MRQA's out-of-domain sets, and whatever has their form.

A record is one question: `question`, `context`, and `answers`, a list of texts. Empty ones are
left out, and the first of the rest is the target.
Format: T5's `squad` preprocessor; metrics: the official SQuAD 1.1 script.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
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
_NO_LETTER = re.compile(r"[^\w\s]")


def spaced(text: str) -> str:
    """The text with space around every mark and single spaces throughout, as T5 writes SQuAD.

    T5's rule of 2021 (`_pad_punctuation` of t5/data/preprocessors.py) is `\\W` and `\\s+` of
    RE2, to which a letter is one of ASCII: `naïve` becomes `na ï ve`, and a no-break space is
    a mark. A space at either end, which T5's vocabulary drops, is dropped here, since others
    would keep it.
    """
    return _SPACES.sub(" ", _MARK.sub(r" \1 ", text)).strip(" ")


def spaced_marks(text: str) -> str:
    """The text with space around its marks and single spaces throughout, in any language.

    Of ASCII the marks are those of `spaced`, beyond it Unicode's punctuation: letters of any
    script stay together with their accents, `Москва` as `Moskva`, and symbols stay where they are.
    """
    return " ".join(_NO_LETTER.sub(_apart, text).split())


def _apart(found: re.Match[str]) -> str:
    character = found[0]
    is_mark = character.isascii() or unicodedata.category(character).startswith("P")
    return f" {character} " if is_mark else character


def _published(record: Fields) -> Iterator[Example]:
    return _examples_of(record, spaced)


def _own(record: Fields) -> Iterator[Example]:
    return _examples_of(record, spaced_marks)


def _examples_of(record: Fields, spacing: Callable[[str], str]) -> Iterator[Example]:
    written = (spacing(text) for text in record.texts("answers"))
    answers = tuple(answer for answer in written if answer.strip())
    if not answers:
        rule, remedy = "is empty", "leave the question out: SQuAD 1.1 has an answer to each"
        raise record.refuse("answers", rule, remedy)
    question, context = spacing(record.text("question")), spacing(record.text("context"))
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


def answering(name: str, *, own: bool = False) -> Task:
    """A task of this form under a name of its own.

    T5 has no word for it: `question:` and `context:` tell it from others. A user's `own`, which
    may be in any language, has space around marks as `spaced_marks` sets it.
    """
    return Task(
        name=name, labels=None, init_words=INIT_WORDS, prefix="",
        examples_of=_own if own else _published, measure=measure_answers, legal=says_something,
        canonical=metrics.normalize_answer,
        instruction="Answer the question in words of the context.",
    )  # fmt: skip


SQUAD: Mapping[str, Task] = MappingProxyType({"squad": answering("squad")})
MRQA: Mapping[str, Task] = MappingProxyType({name: answering(name) for name in MRQA_SETS})

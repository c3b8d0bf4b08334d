"""The eight tasks of SuperGLUE as text to text, in T5's formats.

Records are those of the publisher's jsonl files (super.gluebenchmark.com) or
of anything that writes the same schema. Sources of the formats: T5's
preprocessors and, for unique sorted entities and answers, the `super_glue`
builder of TensorFlow Datasets; of the metrics: Wang et al. 2019, table 1.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from runners.tasks import metrics, wsc
from runners.tasks.classification import Template, classification, plain, targets_of
from runners.tasks.record_fields import Fields
from runners.tasks.task import Example, Task

NO_ANSWER = "<unk>"
"""T5's target of a ReCoRD query that has no answer."""

_BOOLEANS: Mapping[str, object] = {"False": False, "True": True}
_BITS: Mapping[str, object] = {"False": 0, "True": 1}
_CHOICES: Mapping[str, object] = {"choice1": 0, "choice2": 1}
_CB: Mapping[str, object] = {name: name for name in ("entailment", "contradiction", "neutral")}
_RTE: Mapping[str, object] = {name: name for name in ("entailment", "not_entailment")}
_QUESTIONS: Mapping[str, object] = {"cause": "cause", "effect": "effect"}

_HIGHLIGHT_AFTER_STOP = re.compile(r"([.?!\"'])\n@highlight\n")
_BOLD = re.compile(r"</?b>")


def _copa(record: Fields) -> Iterator[Example]:
    record.one_of("question", _QUESTIONS)
    template = Template(fields=("choice1", "choice2", "premise", "question"), labels=_CHOICES)
    yield from template.examples_of(record)


def _multirc(record: Fields) -> Iterator[Example]:
    """One example for each answer.

    Its group is the passage and the question: question indices are unique over
    all passages in the publisher's files, and need not be elsewhere.
    """
    passage = record.inner("passage")
    for question in passage.items("questions"):
        key = (record.whole("idx"), question.whole("idx"))
        for answer in question.items("answers"):
            target = answer.one_of("label", _BITS)
            text = (
                f"question: {question.text('question')} answer: {answer.text('text')} "
                f"paragraph: {passage.text('text')}"
            )
            yield Example(
                input=_BOLD.sub("", text.replace("<br>", " ")),
                target=target,
                key=key,
                references=(target,),
                choices=tuple(_BITS),
            )


def _record(record: Fields) -> Iterator[Example]:
    """One example for each distinct answer of each query."""
    passage = record.inner("passage")
    entities = _entities(passage)
    story = _HIGHLIGHT_AFTER_STOP.sub(r"\1 ", passage.text("text"))
    story = story.replace("\n@highlight\n", ". ")
    for query in record.items("qas"):
        answers = tuple(sorted({answer.text("text") for answer in query.items("answers")}))
        for target in answers or (NO_ANSWER,):
            yield Example(
                input=f"query: {query.text('query')} entities: {', '.join(entities)} "
                f"passage: {story}",
                target=target,
                key=(record.whole("idx"), query.whole("idx")),
                references=answers,
                choices=entities,
            )


def _entities(passage: Fields) -> tuple[str, ...]:
    """The distinct texts of the marked spans, sorted; `end` is the last character's place."""
    text = passage.text("text")
    found = set()
    for span in passage.items("entities"):
        start, end = span.whole("start"), span.whole("end")
        if not 0 <= start <= end < len(text):
            rule = f"does not end a span from {start} in a text of {len(text)} characters"
            raise span.refuse("end", rule, "give the place of its last character, from 0")
        found.add(text[start : end + 1])
    return tuple(sorted(found))


def _wsc(record: Fields) -> Iterator[Example]:
    """The candidate for the referent of the marked pronoun."""
    holds = record.one_of("label", _BOOLEANS) == "True"
    text, spans = record.text("text"), record.inner("target")
    pronoun = spans.text("span2_text")
    marked = wsc.mark_pronoun(text, spans.whole("span2_index"), pronoun)
    if marked is None:
        rule = f"is not the place of {pronoun!r} in the text"
        raise spans.refuse("span2_index", rule, "count the words between single spaces, from 0")
    target = wsc.written_span(text, spans.whole("span1_index"), spans.text("span1_text"))
    references = (target,) if holds else ()
    key = (record.whole("idx"),)
    yield Example(input=marked, target=target, key=key, references=references, holds=holds)


def _measure_cb(predictions: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
    targets = targets_of(examples)
    return {
        "f1_macro": metrics.macro_f1(predictions, targets, tuple(_CB)),
        "accuracy": metrics.accuracy(predictions, targets),
    }


def _measure_multirc(predictions: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
    targets, keys = targets_of(examples), [example.key for example in examples]
    return {
        "exact_match": metrics.grouped_exact_match(predictions, targets, keys),
        "f1": metrics.binary_f1(predictions, targets, ("False", "True")),
    }


def _measure_record(predictions: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
    references = [example.references for example in examples]
    return {
        "exact_match": metrics.answer_exact_match(predictions, references),
        "f1": metrics.answer_f1(predictions, references),
    }


def _measure_wsc(predictions: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
    judged = [
        str(wsc.names_referent(prediction, example.target))
        for prediction, example in zip(predictions, examples, strict=True)
    ]
    return {"accuracy": metrics.accuracy(judged, [str(example.holds) for example in examples])}


def _is_entity(prediction: str, example: Example) -> bool:
    said = metrics.normalize_answer(prediction)
    return any(said == metrics.normalize_answer(choice) for choice in example.choices)


def _names_something(prediction: str, example: Example) -> bool:
    return wsc.names_referent(prediction, example.target) is not None


_ENTAILMENT = ("hypothesis", "premise")
_TRUE_OR_FALSE = "Say True or False."
_ALL = (
    plain(
        "boolq", ("passage", "question"), _BOOLEANS,
        instruction=f"Answer the question about the passage. {_TRUE_OR_FALSE}",
    ),
    classification(
        "cb", _CB, Template(fields=_ENTAILMENT, labels=_CB).examples_of, _measure_cb,
        instruction="Does the premise say the hypothesis? Say entailment, contradiction or "
        "neutral.",
    ),
    classification(
        "copa", _CHOICES, _copa,
        instruction="Which is the cause or the effect of the premise? Say choice1 or choice2.",
    ),
    classification(
        "multirc", _BITS, _multirc, _measure_multirc,
        instruction=f"Is the answer to the question right? {_TRUE_OR_FALSE}",
    ),
    Task(
        name="record", labels=None, prefix="record",
        init_words=("commonsense", "reasoning", "reading", "comprehension"),
        examples_of=_record, offers=True, asks_once=True, measure=_measure_record, legal=_is_entity,
        canonical=metrics.normalize_answer,
        instruction="Which of the entities is the @placeholder of the query?",
    ),
    plain(
        "rte", _ENTAILMENT, _RTE,
        instruction="Does the premise say the hypothesis? Say entailment or not_entailment.",
    ),
    plain(
        "wic", ("sentence1", "sentence2", "word"), _BOOLEANS,
        instruction=f"Has the word the same sense in both sentences? {_TRUE_OR_FALSE}",
    ),
    Task(
        name="wsc", labels=None, prefix="wsc:",
        init_words=("commonsense", "pronoun", "resolution"),
        examples_of=_wsc, measure=_measure_wsc, legal=_names_something, canonical=wsc.content_words,
        instruction="Who or what does the word between the stars stand for?",
    ),
)  # fmt: skip

TASKS: Mapping[str, Task] = MappingProxyType({task.name: task for task in _ALL})
"""The eight tasks by name, in alphabetical order."""

"""The tasks over the microworld, as records in the schemas of their benchmarks.

The eight of SuperGLUE are here, those of GLUE in `paraphrases`, those of SQuAD's form in
`questions`. Each maker returns one record without its `idx`. Splits are drawn from one
stream without repeats, so train and dev share no example.
"""

import functools
import itertools
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from runners.microworld import lexicon, questions
from runners.microworld.paraphrases import mrpc, qqp
from runners.microworld.passages import (
    Claim,
    Passage,
    sample_claim,
    sample_passage,
    sample_senses,
    wrong_object,
)
from runners.microworld.relations import sentence
from runners.tasks.embedded import DOMAINS

Record = dict[str, Any]
VERSION = 1.1


def _question(text: str) -> str:
    """A question as BoolQ writes it: no capital at the start, no question mark."""
    return (text[0].lower() + text[1:]).rstrip("?")


def _claim(rng: Random, passage: Passage) -> Claim:
    return sample_claim(rng, passage, rng.choice(passage.facts))


def boolq(rng: Random) -> Record:
    """A yes/no question about a passage."""
    passage = sample_passage(rng)
    claim = _claim(rng, passage)
    question = _question(claim.ask(rng))
    return {"question": question, "passage": passage.text, "label": claim.holds}


def cb(rng: Random) -> Record:
    """A hypothesis that the premise entails, contradicts or leaves open."""
    passage = sample_passage(rng)
    if rng.random() < 0.2:
        other = passage.unsaid(rng)
        text, label = other.say(other.relation.claims, rng), "neutral"
    else:
        claim = _claim(rng, passage)
        text, label = claim.say(rng), "entailment" if claim.holds else "contradiction"
    return {"premise": passage.text, "hypothesis": text, "label": label}


def copa(rng: Random) -> Record:
    """Which of two events is the cause or the effect of a third."""
    right, wrong = rng.sample(lexicon.CAUSES, 2)
    name = rng.choice(lexicon.PEOPLE)
    question = rng.choice(("cause", "effect"))
    if question == "effect":
        premise, fits, strays = right.cause, right.effect, wrong.effect
    else:
        premise, fits, strays = right.effect, right.cause, wrong.cause
    label = rng.randrange(2)
    pair = (fits, strays) if label == 0 else (strays, fits)
    first, second = (sentence(f"{choice}.", n=name) for choice in pair)
    return {
        "premise": sentence(f"{premise}.", n=name),
        "choice1": first,
        "choice2": second,
        "question": question,
        "label": label,
    }


def multirc(rng: Random) -> Record:
    """A paragraph, two questions, and candidate answers that are right or wrong."""
    passage = sample_passage(rng)
    questions = []
    for number, fact in enumerate(rng.sample(passage.facts, 2)):
        wrong = {wrong_object(rng, passage, fact) for _ in range(2)}
        options = [(fact.object, 1)] + [(value, 0) for value in sorted(wrong)]
        rng.shuffle(options)
        kept = options[: rng.choice((2, 3))]
        answers = [
            {"text": sentence("{o}", o=value), "idx": place, "label": label}
            for place, (value, label) in enumerate(kept)
        ]
        question = fact.say(fact.relation.ask_object, rng)
        questions.append({"question": question, "answers": answers, "idx": number})
    return {"passage": {"text": passage.text, "questions": questions}, "version": VERSION}


def record(rng: Random) -> Record:
    """A passage, and a sentence about one of its people with the name left out."""
    passage = sample_passage(rng)
    facts = [f for f in passage.facts if f.subject in lexicon.PEOPLE]
    if not facts:
        return record(rng)
    fact = rng.choice(facts)
    claims = (sample_claim(rng, passage, fact) for _ in itertools.count())
    query = next(claim for claim in claims if claim.holds).say(rng)
    text = passage.text
    people = sorted({f.subject for f in facts}, key=text.index)
    query = query.replace(fact.subject, "@placeholder")
    answer = {**_span(text, fact.subject), "text": fact.subject}
    return {
        "source": "microworld",
        "passage": {"text": text, "entities": [_span(text, name) for name in people]},
        "qas": [{"query": query, "answers": [answer], "idx": 0}],
    }


def _span(text: str, name: str) -> dict[str, int]:
    """Where a name first stands; `end` is its last character, as in ReCoRD."""
    start = text.index(name)
    return {"start": start, "end": start + len(name) - 1}


def rte(rng: Random) -> Record:
    """A hypothesis that follows from the premise, or does not."""
    passage = sample_passage(rng)
    claim = _claim(rng, passage)
    text, entailed = claim.say(rng), claim.holds
    if not entailed and rng.random() < 0.3:
        other = passage.unsaid(rng)
        text = other.say(other.relation.claims, rng)
    label = "entailment" if entailed else "not_entailment"
    return {"premise": passage.text, "hypothesis": text, "label": label}


def wic(rng: Random) -> Record:
    """Whether a word means the same in two sentences."""
    word = rng.choice(tuple(lexicon.SENSES))
    one, two = sample_senses(rng, lexicon.SENSES[word])
    names = rng.sample(lexicon.PEOPLE, 2)
    texts = [
        rng.choice(sense.sentences).format(n=name)
        for sense, name in zip((one, two), names, strict=True)
    ]
    starts = [text.lower().index(word) for text in texts]
    return {
        "word": word, "sentence1": texts[0], "sentence2": texts[1], "label": one is two,
        "start1": starts[0], "end1": starts[0] + len(word),
        "start2": starts[1], "end2": starts[1] + len(word), "version": VERSION,
    }  # fmt: skip


def wsc(rng: Random) -> Record:
    """Whether a pronoun means the named person."""
    frame = rng.choice(lexicon.FRAMES)
    if rng.random() < 0.5:
        a, b = rng.sample(rng.choice((lexicon.WOMEN, lexicon.MEN)), 2)
    else:
        a, b = rng.sample((rng.choice(lexicon.WOMEN), rng.choice(lexicon.MEN)), 2)
    referent = a if frame.refers == "a" else b
    pronoun = "she" if referent in lexicon.WOMEN else "he"
    text = frame.text.format(a=a, b=b, p=pronoun)
    label = rng.random() < 0.5
    candidate = referent if label else (b if referent == a else a)
    words = text.split(" ")
    target = {
        "span1_index": words.index(candidate), "span1_text": candidate,
        "span2_index": words.index(pronoun), "span2_text": pronoun,
    }  # fmt: skip
    return {"text": text, "target": target, "label": label}


MAKERS: dict[str, Callable[[Random], Record]] = {
    "boolq": boolq, "cb": cb, "copa": copa, "multirc": multirc,
    "record": record, "rte": rte, "wic": wic, "wsc": wsc, "mrpc": mrpc, "qqp": qqp,
    **questions.MAKERS,
}  # fmt: skip


_ANSWERS = ("label", "target", "answers")
"""Fields that tell the answer or the candidate; records that differ only there are one."""


def sample_records(task: str, seed: int) -> Iterator[Record]:
    """An endless stream of distinct records of a task, the same for the same seed."""
    rng = Random(f"{task}-{seed}")
    seen: set[str] = set()
    number = itertools.count()
    while True:
        made = MAKERS[task](rng)
        asked = {name: made[name] for name in made if name not in _ANSWERS}
        key = json.dumps(asked, sort_keys=True)
        if key not in seen:
            seen.add(key)
            yield {**made, "idx": next(number)}


TRAIN_RECORDS = 4000
DEV_RECORDS = 1024
WORLD_SEED = 0


@functools.cache
def read_split(task: str, split: str) -> tuple[Record, ...]:
    """The `train` (4,000 records) or `dev` (1,024) split of a task; the two share no record.

    Domains that nothing trains on have the latter alone.
    """
    trained = 0 if task in DOMAINS else TRAIN_RECORDS
    assert trained or split == "dev", f"{task} has no {split} split"
    records = tuple(itertools.islice(sample_records(task, WORLD_SEED), trained + DEV_RECORDS))
    return {"train": records[DEV_RECORDS:], "dev": records[:DEV_RECORDS]}[split]

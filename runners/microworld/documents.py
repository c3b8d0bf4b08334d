"""Unlabelled documents: what a nano model is pre-trained on.

A document is a piece of text and the spans of it that answer a question or
finish a thought. Documents never use the text-to-text formats of the tasks;
the words of the verbalizers occur as in ordinary text.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from runners.microworld import lexicon
from runners.microworld.passages import (
    GIST,
    RIVALRY,
    Passage,
    sample_claim,
    sample_passage,
    sample_senses,
)
from runners.microworld.relations import Fact, sentence


@dataclass(frozen=True, kw_only=True)
class Document:
    """A text and the [start, end) character spans of its answers."""

    text: str
    answers: tuple[tuple[int, int], ...]


class _Writer:
    """Collects the pieces of one document and where its answers lie."""

    def __init__(self) -> None:
        self._text = ""
        self._answers: list[tuple[int, int]] = []

    def add(self, piece: str, *, answer: bool = False) -> None:
        if self._text:
            self._text += " "
        if answer:
            self._answers.append((len(self._text), len(self._text) + len(piece)))
        self._text += piece

    def document(self) -> Document:
        return Document(text=self._text, answers=tuple(self._answers))


def _clause(text: str) -> str:
    """A sentence as a clause inside another: no full stop, lower case unless a name."""
    first = text.split(" ", 1)[0]
    body = text.rstrip(".")
    return body if first in lexicon.PEOPLE or first in lexicon.DAYS else body[0].lower() + body[1:]


def _ask_object(out: _Writer, rng: Random, passage: Passage, fact: Fact, gist: float) -> None:
    out.add(fact.say(fact.relation.ask_object, rng))
    out.add(fact.say(fact.relation.say_object, rng), answer=True)


def _ask_subject(out: _Writer, rng: Random, passage: Passage, fact: Fact, gist: float) -> None:
    out.add(fact.say(fact.relation.ask_subject, rng))
    out.add(fact.say(fact.relation.say_subject, rng), answer=True)


_YES = (*("Yes.",) * 8, "Yes, {fact}", "Yes, that is true.")
_NO = (*("No.",) * 8, "No, {fact}", "No, that is false.")


def _verdict(rng: Random, holds: bool, fact: Fact) -> str:
    told = _clause(fact.state(rng)) + "."
    return rng.choice(_YES if holds else _NO).format(fact=told)


def _ask_whether(out: _Writer, rng: Random, passage: Passage, fact: Fact, gist: float) -> None:
    claim = sample_claim(rng, passage, fact, gist=gist)
    out.add(claim.ask(rng))
    out.add(_verdict(rng, claim.holds, fact), answer=True)


_SAYS = ("{n} says that {claim}.", "{n} thinks that {claim}.", "{n} told us that {claim}.")
_TRUE = (
    *("True.",) * 5, *("That is true.",) * 3, "This is true, {fact}", "What {n} says is true.",
    "True enough, {fact}", "{n} is right.",
)  # fmt: skip
_FALSE = (
    *("False.",) * 5, *("That is false.",) * 3, "This is false, {fact}", "What {n} says is false.",
    "False indeed, {fact}", "{n} is wrong.",
)  # fmt: skip


def _claim(out: _Writer, rng: Random, passage: Passage, fact: Fact, gist: float) -> None:
    speaker = rng.choice(lexicon.PEOPLE)
    claim = sample_claim(rng, passage, fact, gist=gist)
    out.add(rng.choice(_SAYS).format(n=speaker, claim=_clause(claim.say(rng))))
    told = _clause(fact.state(rng)) + "."
    said = rng.choice(_TRUE if claim.holds else _FALSE)
    out.add(said.format(n=speaker, fact=told), answer=True)


_UNKNOWN = ("Nobody knows.", "We do not know.", "The story does not say.")
_NEUTRAL = ("We stay neutral, since nobody knows.", "On that the story is neutral.")
_FOLLOWS = ("That follows, it is an entailment of the story.", "It follows by entailment.")
_CONTRADICTS = ("That is a contradiction of the story.", "Here is a contradiction.")


def _ask_unsaid(out: _Writer, rng: Random, passage: Passage, fact: Fact, gist: float) -> None:
    unsaid = passage.unsaid(rng)
    wordings = rng.choice((unsaid.relation.ask_object, unsaid.relation.ask_whether))
    out.add(unsaid.say(wordings, rng))
    out.add(rng.choice(_UNKNOWN), answer=True)


def _agree(out: _Writer, rng: Random, passage: Passage, fact: Fact, gist: float) -> None:
    """A second voice that follows from the passage, contradicts it, or takes no side."""
    speaker = rng.choice(lexicon.PEOPLE)
    if rng.random() < 1 / 3:
        other = passage.unsaid(rng)
        said = other.say(other.relation.claims, rng)
        verdict = rng.choice(_NEUTRAL)
    else:
        claim = sample_claim(rng, passage, fact, gist=gist)
        said = claim.say(rng)
        verdict = rng.choice(_FOLLOWS if claim.holds else _CONTRADICTS)
    out.add(rng.choice(_SAYS).format(n=speaker, claim=_clause(said)))
    out.add(verdict, answer=True)


@dataclass(frozen=True, kw_only=True)
class Mix:
    """How much of the documents is hard: shares of passages and of claims, 0 to 1."""

    rivalry: float
    """Of passages in which several facts have one relation."""
    gist: float
    """Of claims that name the gist of a fact and not its object, where there is a gist."""


WORLD = Mix(rivalry=RIVALRY, gist=GIST)
"""What the tasks are made of as well."""
PRIMER = Mix(rivalry=0.0, gist=1.0)
"""Easy reading: what is hard hides what is easy from a model that knows neither."""

_EXCHANGES: tuple[tuple[Callable[[_Writer, Random, Passage, Fact, float], None], float], ...] = (
    (_ask_object, 0.09),
    (_ask_subject, 0.09),
    (_ask_whether, 0.40),
    (_claim, 0.28),
    (_ask_unsaid, 0.04),
    (_agree, 0.10),
)


def _facts(rng: Random, mix: Mix) -> Document:
    out = _Writer()
    passage = sample_passage(rng, rivalry=mix.rivalry)
    out.add(passage.text)
    functions, weights = zip(*_EXCHANGES, strict=True)
    for exchange in rng.choices(functions, weights, k=rng.choice((4, 5, 6))):
        exchange(out, rng, passage, rng.choice(passage.facts), mix.gist)
    return out.document()


def _causes(rng: Random, mix: Mix) -> Document:
    out = _Writer()
    event = rng.choice(lexicon.CAUSES)
    name = rng.choice(lexicon.PEOPLE)
    cause, effect = event.cause.format(n=name), event.effect.format(n=name)
    kind = rng.randrange(4)
    if kind == 0:
        out.add(sentence("{c},", c=cause))
        out.add(f"so {effect}.", answer=True)
    elif kind == 1:
        out.add(sentence("{e}", e=effect))
        out.add(f"because {cause}.", answer=True)
    elif kind == 2:
        out.add(sentence("{c}.", c=cause))
        out.add("What happened then?")
        out.add(sentence("{e}.", e=effect), answer=True)
    else:
        out.add(sentence("{e}.", e=effect))
        out.add("Why was that?")
        out.add(f"Because {cause}.", answer=True)
    for _ in range(2):
        _choose(out, rng)
    return out.document()


def _choose(out: _Writer, rng: Random) -> None:
    """Two events, one of which fits a third: said in full, or by its place in the pair."""
    right, wrong = rng.sample(lexicon.CAUSES, 2)
    name = rng.choice(lexicon.PEOPLE)
    forward = rng.random() < 0.5
    if forward:
        known, fits, strays = right.cause, right.effect, wrong.effect
        ask = "Did it happen then that {a}, or that {b}?"
    else:
        known, fits, strays = right.effect, right.cause, wrong.cause
        ask = "Was it because {a}, or because {b}?"
    first = rng.random() < 0.5
    pair = [fits, strays] if first else [strays, fits]
    out.add(sentence(known + ".", n=name))
    out.add(sentence(ask.format(a=pair[0], b=pair[1]), n=name))
    places = ("The first choice.", "The first.", "Choice number 1.")
    if not first:
        places = ("The second choice.", "The second.", "Choice number 2.")
    out.add(rng.choice((sentence(fits + ".", n=name), *places)), answer=True)


def _senses(rng: Random, mix: Mix) -> Document:
    out = _Writer()
    for word in rng.sample(tuple(lexicon.SENSES), 2):
        _compare(out, rng, word)
    return out.document()


def _compare(out: _Writer, rng: Random, word: str) -> None:
    """What a word means in one sentence, or whether it means the same in two."""
    one, two = sample_senses(rng, lexicon.SENSES[word])
    name, other = rng.sample(lexicon.PEOPLE, 2)
    out.add(rng.choice(one.sentences).format(n=name))
    if rng.random() < 0.2:
        out.add(f"What does {word} mean here?")
        out.add(f"It has to do with {one.gloss}.", answer=True)
        return
    out.add(rng.choice(two.sentences).format(n=other))
    out.add(f"Does {word} mean the same in both?")
    said = ("Yes.", "Yes.", "Yes, that is true.", f"Yes, both have to do with {one.gloss}.")
    if one is not two:
        told = f"No, first {one.gloss} and then {two.gloss}."
        said = ("No.", "No.", "No, that is false.", told)
    out.add(rng.choice(said), answer=True)


def _pronouns(rng: Random, mix: Mix) -> Document:
    out = _Writer()
    for _ in range(2):
        _refer(out, rng)
    return out.document()


def _refer(out: _Writer, rng: Random) -> None:
    """A clause with a pronoun, and whom it means."""
    frame = rng.choice(lexicon.FRAMES)
    a, b = rng.sample(rng.choice((lexicon.WOMEN, lexicon.MEN)), 2)
    if rng.random() < 0.5:
        a, b = rng.sample((rng.choice(lexicon.WOMEN), rng.choice(lexicon.MEN)), 2)
    referent = a if frame.refers == "a" else b
    pronoun = "she" if referent in lexicon.WOMEN else "he"
    out.add(frame.text.format(a=a, b=b, p=pronoun))
    kind = rng.randrange(3)
    if kind == 0:
        out.add(f"Who {frame.trait}?")
        said = (f"{referent}.", f"{referent} {frame.trait}.", f"It was {referent}.")
        out.add(rng.choice(said), answer=True)
    elif kind == 1:
        out.add(f"Who is meant by {pronoun}?")
        out.add(rng.choice((f"{referent}.", f"{pronoun.capitalize()} is {referent}.")), answer=True)
    else:
        out.add(f"So we know that {referent} {frame.trait}.", answer=True)


_LESSONS = (
    "{n} read a passage and asked a question.",
    "The question of {n} had no answer.",
    "{n} wrote a sentence with a hard word.",
    "The first sentence of the passage was true.",
    "The second sentence of the paragraph was false.",
    "A hypothesis is not yet a premise, said {n}.",
    "From the premise there was no entailment.",
    "It was a non_entailment, said {n}.",
    "The hypothesis of {n} was a contradiction.",
    "{n} was neutral in the choice.",
    "The query of {n} was about two entities.",
    "One highlight of the trip was the choice of {n}.",
    "{n} used the box as a placeholder.",
    "The answer was neutral and the query was not.",
    "{n} gave the cause and the effect.",
    "The true friend of {n} told a false story.",
)


def _lessons(rng: Random, mix: Mix) -> Document:
    """Talk about talk: the words of school in their ordinary use."""
    out = _Writer()
    for wording in rng.sample(_LESSONS, 2):
        out.add(wording.format(n=rng.choice(lexicon.PEOPLE)))
    return out.document()


_KINDS: tuple[tuple[Callable[[Random, Mix], Document], float], ...] = (
    (_facts, 0.62),
    (_causes, 0.16),
    (_senses, 0.12),
    (_pronouns, 0.07),
    (_lessons, 0.03),
)


def sample_documents(seed: int, mix: Mix = WORLD) -> Iterator[Document]:
    """An endless stream of documents, the same for the same seed and mix."""
    rng = Random(f"documents-{seed}")
    functions, weights = zip(*_KINDS, strict=True)
    while True:
        yield rng.choices(functions, weights)[0](rng, mix)

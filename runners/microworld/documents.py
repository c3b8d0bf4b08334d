"""Unlabelled documents: what a nano model is pre-trained on.

A document is a piece of text and the spans of it that answer a question or
finish a thought. Documents never use the text-to-text formats of the tasks;
the words of the verbalizers occur as in ordinary text.
"""

import itertools
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
    wrong_object,
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


@dataclass(frozen=True, kw_only=True)
class _Exchange:
    """Something asked or said of a passage, and the reply, which may have a cue before it."""

    asked: str
    reply: str
    cue: str = ""


_Make = Callable[[Random, Passage, Fact, float], _Exchange]


def _ask_object(rng: Random, passage: Passage, fact: Fact, gist: float) -> _Exchange:
    relation = fact.relation
    return _Exchange(
        asked=fact.say(relation.ask_object, rng), reply=fact.say(relation.say_object, rng)
    )


def _ask_subject(rng: Random, passage: Passage, fact: Fact, gist: float) -> _Exchange:
    relation = fact.relation
    return _Exchange(
        asked=fact.say(relation.ask_subject, rng), reply=fact.say(relation.say_subject, rng)
    )


_SOMEBODY = ("{said} Who is it?", "{said} Who?", "{said} Do you know who?")
_SOMETHING = ("{said} What is it?", "{said} What?", "{said} Do you know what?")


def _ask_somebody(rng: Random, passage: Passage, fact: Fact, gist: float) -> _Exchange:
    """A true claim of which the subject is left open."""
    claims = (sample_claim(rng, passage, fact, gist=gist) for _ in itertools.count())
    claim = next(claim for claim in claims if claim.holds)
    is_thing = fact.subject.startswith("the ")
    said = claim.say(rng, subject="something" if is_thing else "somebody")
    asked = rng.choice(_SOMETHING if is_thing else _SOMEBODY).format(said=said)
    return _Exchange(asked=asked, reply=fact.say(("{s}.", "It is {s}.", "{s}, I think."), rng))


_YES = (*("Yes.",) * 4, *("That is true.",) * 3, *("True, I think.",) * 2, "Yes, {fact}")
_NO = (*("No.",) * 4, *("That is false.",) * 3, *("False, I think.",) * 2, "No, {fact}")


def _ask_whether(rng: Random, passage: Passage, fact: Fact, gist: float) -> _Exchange:
    claim = sample_claim(rng, passage, fact, gist=gist)
    reply = rng.choice(_YES if claim.holds else _NO).format(fact=_told(rng, fact))
    return _Exchange(asked=claim.ask(rng), reply=reply)


_SAYS = ("{n} says that {claim}.", "{n} thinks that {claim}.", "{n} told us that {claim}.")
_TRUE = (
    *("True.",) * 5, *("That is true.",) * 3, "This is true, {fact}", "What {n} says is true.",
    "True enough, {fact}", "{n} is right.",
)  # fmt: skip
_FALSE = (
    *("False.",) * 5, *("That is false.",) * 3, "This is false, {fact}", "What {n} says is false.",
    "False indeed, {fact}", "{n} is wrong.",
)  # fmt: skip


def _claim(rng: Random, passage: Passage, fact: Fact, gist: float) -> _Exchange:
    claim = sample_claim(rng, passage, fact, gist=gist)
    speaker = rng.choice(lexicon.PEOPLE)
    reply = rng.choice(_TRUE if claim.holds else _FALSE)
    return _Exchange(
        asked=_says(rng, speaker, claim.say(rng)),
        reply=reply.format(n=speaker, fact=_told(rng, fact)),
    )


_UNKNOWN = ("Nobody knows.", "We do not know.", "The story does not say.")


def _ask_unsaid(rng: Random, passage: Passage, fact: Fact, gist: float) -> _Exchange:
    unsaid = passage.unsaid(rng)
    wordings = rng.choice((unsaid.relation.ask_object, unsaid.relation.ask_whether))
    return _Exchange(asked=unsaid.say(wordings, rng), reply=rng.choice(_UNKNOWN))


_VERDICTS = {
    "entailment": ("It follows by entailment.", "That is an entailment of the story."),
    "contradiction": ("That is a contradiction of the story.", "Here is a contradiction."),
    "neutral": ("On that the story is neutral.", "We stay neutral, since nobody knows."),
}
_CUES = ("I call that", "That is what I call", "In short:")


def _agree(rng: Random, passage: Passage, fact: Fact, gist: float) -> _Exchange:
    """A second voice that follows from the passage, contradicts it, or takes no side."""
    speaker = rng.choice(lexicon.PEOPLE)
    if rng.random() < 0.2:
        other = passage.unsaid(rng)
        said, verdict = other.say(other.relation.claims, rng), "neutral"
    else:
        claim = sample_claim(rng, passage, fact, gist=gist)
        said, verdict = claim.say(rng), "entailment" if claim.holds else "contradiction"
    asked = _says(rng, speaker, said)
    if rng.random() < 0.7:
        return _Exchange(asked=asked, cue=rng.choice(_CUES), reply=f"{verdict}.")
    return _Exchange(asked=asked, reply=rng.choice(_VERDICTS[verdict]))


_RIGHT = ("Right.", "Yes.", "That is true.", "True, I think.")
_WRONG = ("Wrong.", "No.", "That is false.", "False, I think.")


def _guess(rng: Random, passage: Passage, fact: Fact, gist: float) -> _Exchange:
    """A question and a guess at its answer."""
    holds = rng.random() < 0.5
    value = fact.object if holds else wrong_object(rng, passage, fact)
    guess = sentence("{o}, {n} says.", o=value, n=rng.choice(lexicon.PEOPLE))
    asked = f"{fact.say(fact.relation.ask_object, rng)} {guess}"
    return _Exchange(asked=asked, reply=rng.choice(_RIGHT if holds else _WRONG))


def _told(rng: Random, fact: Fact) -> str:
    return _clause(fact.state(rng)) + "."


def _says(rng: Random, speaker: str, said: str) -> str:
    return rng.choice(_SAYS).format(n=speaker, claim=_clause(said))


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

_EXCHANGES: tuple[tuple[_Make, float], ...] = (
    (_ask_object, 0.06),
    (_ask_subject, 0.06),
    (_ask_somebody, 0.10),
    (_ask_whether, 0.28),
    (_claim, 0.18),
    (_ask_unsaid, 0.03),
    (_agree, 0.15),
    (_guess, 0.14),
)
LEADING = 0.5
"""Share of passages before which something is asked that is answered after it."""


def _facts(rng: Random, mix: Mix) -> Document:
    """A passage and what people ask and say of it."""
    out = _Writer()
    passage = sample_passage(rng, rivalry=mix.rivalry)
    makers, weights = zip(*_EXCHANGES, strict=True)
    first, *others = (
        make(rng, passage, rng.choice(passage.facts), mix.gist)
        for make in rng.choices(makers, weights, k=rng.choice((3, 4, 5)))
    )
    leads = rng.random() < LEADING
    for text in (first.asked, passage.text) if leads else (passage.text, first.asked):
        out.add(text)
    _reply(out, first)
    for exchange in others:
        out.add(exchange.asked)
        _reply(out, exchange)
    return out.document()


def _reply(out: _Writer, exchange: _Exchange) -> None:
    if exchange.cue:
        out.add(exchange.cue)
    out.add(exchange.reply, answer=True)


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
    for _ in range(3):
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
    asked = [
        sentence(known + ".", n=name),
        sentence(ask.format(a=pair[0], b=pair[1]), n=name),
    ]
    for text in reversed(asked) if rng.random() < LEADING else asked:
        out.add(text)
    place, number = ("first", 1) if first else ("second", 2)
    if rng.random() < 0.4:
        out.add("I take")
        out.add(f"choice {number}.", answer=True)
    else:
        replies = (f"The {place}.", f"The {place} choice.", sentence(fits + ".", n=name))
        out.add(rng.choice(replies), answer=True)


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
    said = ("Yes.", "That is true.", "True, I think.", f"Yes, both have to do with {one.gloss}.")
    if one is not two:
        told = f"No, first {one.gloss} and then {two.gloss}."
        said = ("No.", "That is false.", "False, I think.", told)
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

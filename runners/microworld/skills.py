"""What a model may know of the world: questions, each with the right reply and a wrong one.

A model has a skill where it finds the right reply likelier. The wordings are
those of the documents, so this says what was learned from them; whether a
prompt reaches it is the business of the tasks. Right replies are as often one
word of a pair as the other, so that half is chance.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from types import MappingProxyType

from runners.microworld import lexicon
from runners.microworld.passages import (
    Claim,
    Passage,
    sample_claim,
    sample_passage,
    sample_senses,
    wrong_object,
)
from runners.microworld.relations import Fact, sentence


@dataclass(frozen=True, kw_only=True)
class Item:
    """A text that ends where a reply is due, the right reply and a wrong one."""

    text: str
    right: str
    wrong: str


_TRUE = ("True.", "False.")


def sample_items(skill: str, seed: int, count: int) -> list[Item]:
    """So many items of a skill, the same for the same seed."""
    rng = Random(f"{skill}-{seed}")
    return [SKILLS[skill](rng) for _ in range(count)]


def _either(text: str, holds: bool, replies: tuple[str, str]) -> Item:
    """An item whose right reply is the first of a pair where something holds, else the second."""
    right, wrong = replies if holds else replies[::-1]
    return Item(text=text, right=right, wrong=wrong)


def _told(rng: Random, *, gist: float) -> tuple[Passage, Claim]:
    passage = sample_passage(rng, rivalry=0.0)
    return passage, sample_claim(rng, passage, rng.choice(passage.facts), gist=gist)


def _gist(rng: Random) -> Item:
    passage, claim = _told(rng, gist=1.0)
    return _either(f"{passage.text} {claim.ask(rng)}", claim.holds, ("Yes.", "No."))


def _asked_before(rng: Random) -> Item:
    passage, claim = _told(rng, gist=1.0)
    return _either(f"{claim.ask(rng)} {passage.text}", claim.holds, ("Yes.", "No."))


def _same_object(rng: Random) -> Item:
    passage, claim = _told(rng, gist=0.0)
    return _either(f"{passage.text} {claim.ask(rng)}", claim.holds, ("Yes.", "No."))


def _claim(rng: Random) -> Item:
    passage, claim = _told(rng, gist=1.0)
    return _either(f"{passage.text} {_said(rng, claim)}", claim.holds, _TRUE)


def _verdict(rng: Random) -> Item:
    passage, claim = _told(rng, gist=1.0)
    text = f"{_said(rng, claim)} {passage.text} I call that"
    return _either(text, claim.holds, ("entailment.", "contradiction."))


def _said(rng: Random, claim: Claim) -> str:
    said = claim.say(rng).rstrip(".")
    if said.startswith("The "):
        said = f"t{said[1:]}"
    return f"{rng.choice(lexicon.PEOPLE)} says that {said}."


def _answer(rng: Random) -> Item:
    passage = sample_passage(rng, rivalry=0.0)
    fact = rng.choice(passage.facts)
    holds = rng.random() < 0.5
    value = fact.object if holds else wrong_object(rng, passage, fact)
    guess = sentence("{o}, {n} says.", o=value, n=rng.choice(lexicon.PEOPLE))
    asked = fact.say(fact.relation.ask_object, rng)
    replies = ("True, I think.", "False, I think.")
    return _either(f"{passage.text} {asked} {guess}", holds, replies)


def _answer_first(rng: Random) -> Item:
    passage = sample_passage(rng, rivalry=0.0)
    fact = rng.choice(passage.facts)
    holds = rng.random() < 0.5
    value = fact.object if holds else wrong_object(rng, passage, fact)
    guess = sentence("{o}.", o=value)
    asked = fact.say(fact.relation.ask_object, rng)
    return _either(f"{asked} {guess} {passage.text}", holds, ("Yes.", "No."))


def _who(rng: Random) -> Item:
    passage = sample_passage(rng, rivalry=0.0)
    fact, other = rng.sample(passage.facts, 2)
    asked = fact.say(fact.relation.ask_subject, rng)
    return _name(f"{passage.text} {asked}", fact, other)


def _open_first(rng: Random) -> Item:
    passage = sample_passage(rng, rivalry=0.0)
    people = [fact for fact in passage.facts if fact.subject in lexicon.PEOPLE]
    if len(people) == 1:
        return _open_first(rng)
    fact, other = rng.sample(people, 2)
    claims = (sample_claim(rng, passage, fact, gist=1.0) for _ in itertools.count())
    said = next(claim for claim in claims if claim.holds).say(rng, subject="somebody")
    return _name(f"{said} Who? {passage.text}", fact, other)


def _name(text: str, fact: Fact, other: Fact) -> Item:
    """An item whose right reply is the subject of one fact, and not that of another."""
    right, wrong = (sentence("{s}.", s=each.subject) for each in (fact, other))
    return Item(text=text, right=right, wrong=wrong)


def _whose(rng: Random) -> Item:
    passage = sample_passage(rng, rivalry=1.0)
    fact = next(fact for fact in passage.facts if passage.rivals(fact))
    (rival,) = passage.rivals(fact)
    told, other = rng.sample((fact, rival), 2)
    asked = told.say(told.relation.ask_object, rng)
    return Item(
        text=f"{passage.text} {asked}",
        right=sentence("{o}.", o=told.object),
        wrong=sentence("{o}.", o=other.object),
    )


def _event(rng: Random) -> Item:
    right, wrong = rng.sample(lexicon.CAUSES, 2)
    name, first = rng.choice(lexicon.PEOPLE), rng.random() < 0.5
    a, b = (right, wrong) if first else (wrong, right)
    text = f"{right.cause}. Did it happen then that {a.effect}, or that {b.effect}? I take"
    return _either(sentence(text, n=name), first, ("choice1.", "choice2."))


def _option(rng: Random) -> Item:
    right, wrong = rng.sample(lexicon.CAUSES, 2)
    name, first = rng.choice(lexicon.PEOPLE), rng.random() < 0.5
    a, b = (right, wrong) if first else (wrong, right)
    told = sentence("{e}.", e=right.cause)
    text = f"{told} It was choice1, that {a.effect}, or choice2, that {b.effect}."
    asked = f"{text.format(n=name)} Which was the effect? I take"
    return _either(asked, first, ("choice1.", "choice2."))


def _sense(rng: Random) -> Item:
    word = rng.choice(tuple(lexicon.SENSES))
    one, two = sample_senses(rng, lexicon.SENSES[word])
    names = rng.sample(lexicon.PEOPLE, 2)
    told = " ".join(
        rng.choice(sense.sentences).format(n=name)
        for sense, name in zip((one, two), names, strict=True)
    )
    return _either(f"{told} Does {word} mean the same in both?", one is two, ("Yes.", "No."))


def _pronoun(rng: Random) -> Item:
    frame = rng.choice(lexicon.FRAMES)
    people = rng.choice((lexicon.WOMEN, lexicon.MEN))
    a, b = rng.sample(people, 2)
    pronoun = "she" if people is lexicon.WOMEN else "he"
    right, wrong = (a, b) if frame.refers == "a" else (b, a)
    told = frame.text.format(a=a, b=b, p=pronoun)
    return Item(text=f"{told} Who is meant by {pronoun}?", right=f"{right}.", wrong=f"{wrong}.")


SKILLS: Mapping[str, Callable[[Random], Item]] = MappingProxyType(
    {
        "who did it": _who,
        "who it was, said before": _open_first,
        "what a pronoun means": _pronoun,
        "gist, asked after": _gist,
        "gist, asked before": _asked_before,
        "claim, true or false": _claim,
        "claim before, verdict": _verdict,
        "the object itself": _same_object,
        "answer, right or wrong": _answer,
        "answer, given before": _answer_first,
        "sense of a word": _sense,
        "which of two events": _event,
        "which of two named events": _option,
        "whose, among rivals": _whose,
    }
)
"""Every skill by what it is, the easier ones first."""

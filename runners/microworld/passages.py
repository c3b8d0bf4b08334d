"""Passages: a few facts about a few people, told in one of many wordings."""

from dataclasses import dataclass
from random import Random

from runners.microworld import lexicon
from runners.microworld.lexicon import Sense
from runners.microworld.relations import (
    COLOUR,
    DAY,
    FEELING,
    KIND,
    OPINION,
    OWNER,
    PLACE,
    Fact,
    Gist,
    Relation,
    sample_facts,
    sentence,
)

_PERSONAL = (PLACE, OWNER, FEELING, DAY, KIND)


@dataclass(frozen=True, kw_only=True)
class Passage:
    """Facts in the order told, and the text that tells them."""

    facts: tuple[Fact, ...]
    text: str

    def rivals(self, fact: Fact) -> list[Fact]:
        """The other facts of the same relation."""
        return [f for f in self.facts if f.relation is fact.relation and f is not fact]

    def unsaid(self, rng: Random) -> Fact:
        """A fact about one of the people or things that the passage leaves open."""
        told = {(f.subject, f.relation.name) for f in self.facts}
        subject = rng.choice(self.facts).subject
        fitting = (COLOUR,) if subject.startswith("the ") else _PERSONAL
        open_ = [r for r in fitting if (subject, r.name) not in told]
        if not open_:
            subject = rng.choice([p for p in lexicon.PEOPLE if p not in self.text])
            open_ = list(_PERSONAL)
        relation = rng.choice(open_)
        return Fact(relation=relation, subject=subject, object=rng.choice(relation.objects))


RIVALRY = 0.1
"""Share of passages with several facts of one relation, so that one has to know whose is whose."""


def sample_passage(rng: Random, *, rivalry: float = RIVALRY) -> Passage:
    """A passage of 2 to 4 facts.

    Most facts stand alone in their relation, so that finding the word is
    enough; with rivals one has to know whose it is.
    """
    people = rng.sample(lexicon.PEOPLE, 4)
    opening = ""
    if rng.random() < rivalry:
        relation = rng.choice((*_PERSONAL, COLOUR))
        subjects = _things(rng, 2) if relation is COLOUR else people[:2]
        told = sample_facts(rng, relation, subjects)
        if rng.random() < 0.5:
            told += _lone_facts(rng, people[2:], 1, skip=relation)
    else:
        told = _lone_facts(rng, people, rng.choice((2, 3, 3, 4)))
        if rng.random() < 0.4:
            told = [*told[:2], *sample_facts(rng, OPINION, people[3:])]
            opening = sentence("{a} saw the {o}. ", a=people[3], o=rng.choice(lexicon.SHOWN))
    if not opening:
        rng.shuffle(told)
    *first, last = [fact.state(rng) for fact in told]
    return Passage(facts=tuple(told), text=f"{' '.join(first)} {opening}{last}")


def _lone_facts(
    rng: Random, people: list[str], count: int, *, skip: Relation | None = None
) -> list[Fact]:
    """Facts of different relations about different subjects."""
    relations = rng.sample([r for r in (*_PERSONAL, COLOUR) if r is not skip], count)
    facts = []
    for relation, person in zip(relations, people, strict=False):
        subject = _things(rng, 1)[0] if relation is COLOUR else person
        facts += sample_facts(rng, relation, [subject])
    return facts


def _things(rng: Random, count: int) -> list[str]:
    return [f"the {thing}" for thing in rng.sample(lexicon.THINGS, count)]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What somebody might say of a fact: its object, another, or the gist of either."""

    fact: Fact
    value: str
    wordings: Relation | Gist
    holds: bool

    def say(self, rng: Random, *, subject: str | None = None) -> str:
        """The claim as a statement; `subject` replaces the fact's own."""
        wording = rng.choice(self.wordings.claims)
        return sentence(wording, s=subject or self.fact.subject, o=self.value)

    def ask(self, rng: Random) -> str:
        """The claim as a yes/no question."""
        return self.fact.say(self.wordings.ask_whether, rng, object=self.value)


GIST = 0.8
"""Share of claims about the gist of a fact, one of two kinds, and not its very object."""
USUAL = 0.8
"""Share of claims about a gist that name the first kind: people ask what they hope for."""


def sample_claim(rng: Random, passage: Passage, fact: Fact, *, gist: float = GIST) -> Claim:
    """A claim about `fact`, as often true as false."""
    gists = fact.relation.gist
    if rng.random() < gist:
        kind = 0 if rng.random() < USUAL else 1
        holds = fact.object in gists.kinds[kind]
        return Claim(fact=fact, value=rng.choice(gists.words[kind]), wordings=gists, holds=holds)
    holds = rng.random() < 0.5
    value = true_object(rng, fact) if holds else false_object(rng, passage, fact)
    return Claim(fact=fact, value=value, wordings=fact.relation, holds=holds)


def false_object(rng: Random, passage: Passage, fact: Fact) -> str:
    """An object that makes a claim about `fact` false: a rival's as often as not."""
    rivals = [r.object for r in passage.rivals(fact)]
    same = fact.relation.equivalents(fact.object)
    rivals = [o for o in rivals if o not in same]
    if rivals and rng.random() < 0.6:
        return rng.choice(rivals)
    return rng.choice(fact.relation.contraries(fact.object))


def wrong_object(rng: Random, passage: Passage, fact: Fact) -> str:
    """A wrong answer to a question for the object: often one that answers another question."""
    others = [f.object for f in passage.facts if f.relation is not fact.relation]
    if others and rng.random() < 0.7:
        return rng.choice(others)
    return false_object(rng, passage, fact)


def true_object(rng: Random, fact: Fact) -> str:
    """An object that makes a claim about `fact` true."""
    return rng.choice(fact.relation.equivalents(fact.object))


def sample_senses(rng: Random, senses: tuple[Sense, Sense]) -> tuple[Sense, Sense]:
    """Two uses of a word, as often in the same sense as not; the first sense is the usual one."""
    usual, rare = senses
    if rng.random() < 0.5:
        same = usual if rng.random() < USUAL else rare
        return same, same
    return (usual, rare) if rng.random() < 0.5 else (rare, usual)


SAME = (
    "Does {w} mean the same in both?", "Is it the same kind of {w}?", "Is that the same {w}?",
    "Do both speak of one {w}?", "The same meaning of {w}?",
)  # fmt: skip
"""Ways to ask whether a word means the same in two sentences."""

"""Questions about passages in SQuAD's schema: one domain to learn from, and six others.

The domain that is trained on is narrow: women, where they are, what they have and when they
came, each told and asked in one wording. Each of the others differs in one thing, and has
what every model of the ladder from 200k on has read of: who did it, what a pronoun means.
The answer is always somebody, or something, that the context names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Any

from runners.microworld import lexicon
from runners.microworld.relations import (
    COLOUR,
    DAY,
    FEELING,
    KIND,
    OPINION,
    OWNER,
    PLACE,
    Fact,
    Relation,
    sample_facts,
    sentence,
)

Record = dict[str, Any]
Wordings = tuple[str, ...]


def _usual(wordings: Wordings) -> Wordings:
    return wordings[:1]


def _other(wordings: Wordings) -> Wordings:
    return wordings[1:]


@dataclass(frozen=True, kw_only=True)
class Domain:
    """Who and what passages are about, and how that is told and asked."""

    people: tuple[str, ...] = lexicon.WOMEN
    relations: tuple[Relation, ...] = (PLACE, OWNER, DAY)
    wordings: Callable[[Wordings], Wordings] = _usual
    gist: bool = False
    """Whether a question is for the gist of what is told, and not for its very object."""
    asked: Relation | None = None
    """The relation that every question is about; None is any of the passage."""

    def record(self, rng: Random) -> Record:
        """One question with its context and its answer."""
        facts = self._facts(rng)
        asked = next((f for f in facts if f.relation is self.asked), rng.choice(facts))
        told = " ".join(fact.say(self.wordings(fact.relation.statements), rng) for fact in facts)
        answer = sentence("{s}", s=asked.subject)
        return {"question": self._question(rng, asked), "context": told, "answers": [answer]}

    def _facts(self, rng: Random) -> list[Fact]:
        """Two or three facts of different relations about different subjects, in any order."""
        relations = list(rng.sample(self.relations, rng.choice((2, 3))))
        if self.asked and self.asked not in relations:
            relations[0] = self.asked
        people = iter(rng.sample(self.people, len(relations)))
        facts = []
        for relation in relations:
            subject = rng.choice(relation.subjects) if relation is COLOUR else next(people)
            facts += sample_facts(rng, relation, [subject])
        return facts

    def _question(self, rng: Random, fact: Fact) -> str:
        if not self.gist:
            return fact.say(self.wordings(fact.relation.ask_subject), rng)
        gist = fact.relation.gist
        kind = int(fact.object in gist.kinds[1])
        claim = sentence(rng.choice(gist.claims), s="who", o=rng.choice(gist.words[kind]))
        return f"{claim.rstrip('.')}?"


def _pronoun(rng: Random) -> Record:
    """A clause with a pronoun, and whom it means."""
    frame = rng.choice(lexicon.FRAMES)
    people = rng.choice((lexicon.WOMEN, lexicon.MEN))
    a, b = rng.sample(people, 2)
    pronoun = "she" if people is lexicon.WOMEN else "he"
    told = frame.text.format(a=a, b=b, p=pronoun)
    referent = a if frame.refers == "a" else b
    return {"question": f"Who {frame.trait}?", "context": told, "answers": [referent]}


MAKERS: Mapping[str, Callable[[Random], Record]] = MappingProxyType(
    {
        "squad": Domain().record,
        "squad_people": Domain(people=lexicon.MEN).record,
        "squad_wordings": Domain(wordings=_other).record,
        "squad_topics": Domain(relations=(FEELING, KIND, OPINION)).record,
        "squad_things": Domain(relations=(PLACE, OWNER, DAY, COLOUR), asked=COLOUR).record,
        "squad_gists": Domain(gist=True).record,
        "squad_pronouns": _pronoun,
    }
)
"""The task that is trained on, then its further domains, by name."""

"""What people ask and say of a passage, and what others reply."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from types import MappingProxyType

from runners.microworld import lexicon
from runners.microworld.passages import GIST, RIVALRY, Passage, sample_claim, wrong_object
from runners.microworld.relations import Fact, sentence

Weights = tuple[tuple[str, float], ...]
"""Names and how often each is drawn."""


@dataclass(frozen=True, kw_only=True)
class Mix:
    """What documents are made of; all but `kinds` and `exchanges` are shares, 0 to 1."""

    rivalry: float
    """Of passages in which several facts have one relation."""
    gist: float
    """Of claims that name the gist of a fact and not its object."""
    leading: float
    """Of passages before which something is asked that is answered after them."""
    asked_first: float
    """Of documents with passages that are some passages, each after all that is asked of it."""
    alone: float
    """Of documents with a single thing to answer, where others have several."""
    typed: float
    """Of questions that are written as people type them: no capital, no question mark."""
    terse: float
    """Of replies of one word, where one word is enough."""
    kinds: Weights
    """Kinds of document, by their names in `runners.microworld.documents`."""
    exchanges: Weights
    """Kinds of exchange over a passage, by their names in `EXCHANGES`."""

    def several(self, rng: Random, count: int) -> int:
        """How many things a document asks: 1 or `count`."""
        return 1 if self.alone and rng.random() < self.alone else count


WORLD = Mix(
    rivalry=RIVALRY, gist=GIST, leading=0.5, asked_first=0.0, alone=0.0, typed=0.3, terse=0.35,
    kinds=(("facts", 0.66), ("causes", 0.18), ("senses", 0.09), ("pronouns", 0.04),
           ("lessons", 0.03)),
    exchanges=(("object", 0.05), ("subject", 0.05), ("somebody", 0.10), ("whether", 0.30),
               ("claim", 0.18), ("unsaid", 0.02), ("verdict", 0.16), ("guess", 0.14)),
)  # fmt: skip
"""The world that the tasks are about."""
PRIMER = Mix(
    rivalry=0.0, gist=1.0, leading=0.0, asked_first=0.0, alone=0.0, typed=0.0, terse=1.0,
    kinds=(("facts", 1.0),),
    exchanges=(("object", 0.10), ("subject", 0.10), ("whether", 0.50), ("claim", 0.30)),
)  # fmt: skip
"""Easy reading: what is hard hides what is easy from a model that knows neither."""
DRILL = replace(
    WORLD, rivalry=0.0, alone=1.0, kinds=(("facts", 0.45), ("options", 0.55)),
    exchanges=(("whether", 0.15), ("claim", 0.15), ("guess", 0.70)),
)  # fmt: skip
"""Guesses and named options, one a document: among others they are not learned."""
SCHOOL = replace(
    WORLD, alone=0.3, asked_first=0.5,
    kinds=(("facts", 0.54), ("causes", 0.12), ("options", 0.18), ("senses", 0.09),
           ("pronouns", 0.04), ("lessons", 0.03)),
    exchanges=(("object", 0.03), ("subject", 0.06), ("somebody", 0.12), ("whether", 0.24),
               ("claim", 0.15), ("unsaid", 0.02), ("verdict", 0.15), ("guess", 0.15),
               ("plain_guess", 0.12)),
)  # fmt: skip
"""The world and what is drilled, told as often after the question as before it."""
CONVERSATION = replace(SCHOOL, kinds=(*SCHOOL.kinds, ("directions", 0.7)))
"""What pre-training reads last, and LM adaptation after it: also directions that are followed."""
MIXES: Mapping[str, Mix] = MappingProxyType(
    {
        "primer": PRIMER, "world": WORLD, "drill": DRILL, "school": SCHOOL,
        "conversation": CONVERSATION,
    }
)  # fmt: skip
"""What pre-training reads, by name."""


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """Something asked or said of a passage, and the reply, which may have a cue before it."""

    asked: str
    reply: str
    cue: str = ""
    verdict: str | None = None
    """True or False; entailment, contradiction or neutral; None where neither is asked for."""


Make = Callable[[Random, Passage, Fact, Mix], Exchange]


def sample_exchange(rng: Random, passage: Passage, mix: Mix) -> Exchange:
    """An exchange about one of the facts of a passage."""
    names, weights = zip(*mix.exchanges, strict=True)
    make = EXCHANGES[rng.choices(names, weights)[0]]
    return make(rng, passage, rng.choice(passage.facts), mix)


def typed(rng: Random, question: str, mix: Mix) -> str:
    """A question, or the same as people type it."""
    return as_typed(question) if rng.random() < mix.typed else question


def as_typed(question: str) -> str:
    """A question as people type it: no capital, no question mark."""
    return question[0].lower() + question[1:].rstrip("?")


def verdict(rng: Random, holds: bool, mix: Mix, *others: str) -> str:
    """Whether something is so: 'Yes.', 'True, I think.' or, of `others`, one that fits."""
    if rng.random() < mix.terse:
        return "Yes." if holds else "No."
    right, wrong = ("That is true.", "True, I think."), ("That is false.", "False, I think.")
    said = right if holds else wrong
    return rng.choice((*said, said[1], *others))


def _object(rng: Random, passage: Passage, fact: Fact, mix: Mix) -> Exchange:
    asked = fact.say(fact.relation.ask_object, rng)
    return Exchange(asked=typed(rng, asked, mix), reply=fact.say(fact.relation.say_object, rng))


def _subject(rng: Random, passage: Passage, fact: Fact, mix: Mix) -> Exchange:
    asked = fact.say(fact.relation.ask_subject, rng)
    return Exchange(asked=typed(rng, asked, mix), reply=fact.say(fact.relation.say_subject, rng))


_SOMEBODY = ("{said} Who is it?", "{said} Who?", "{said} Do you know who?")
_SOMETHING = ("{said} What is it?", "{said} What?", "{said} Do you know what?")


def _somebody(rng: Random, passage: Passage, fact: Fact, mix: Mix) -> Exchange:
    """A true claim of which the subject is left open."""
    claims = (sample_claim(rng, passage, fact, gist=mix.gist) for _ in itertools.count())
    claim = next(claim for claim in claims if claim.holds)
    is_thing = fact.subject.startswith("the ")
    said = claim.say(rng, subject=rng.choice(("something" if is_thing else "somebody", "X")))
    asked = rng.choice(_SOMETHING if is_thing else _SOMEBODY).format(said=said)
    return Exchange(asked=asked, reply=fact.say(("{s}.", "It is {s}.", "{s}, I think."), rng))


def _whether(rng: Random, passage: Passage, fact: Fact, mix: Mix) -> Exchange:
    claim = sample_claim(rng, passage, fact, gist=mix.gist)
    in_full = f"{'Yes' if claim.holds else 'No'}, {_told(rng, fact)}"
    reply = verdict(rng, claim.holds, mix, in_full)
    asked = typed(rng, claim.ask(rng), mix)
    return Exchange(asked=asked, reply=reply, verdict=str(claim.holds))


def _claim(rng: Random, passage: Passage, fact: Fact, mix: Mix) -> Exchange:
    """A claim of somebody who is right or wrong."""
    claim = sample_claim(rng, passage, fact, gist=mix.gist)
    speaker = rng.choice(lexicon.PEOPLE)
    asked = _says(rng, speaker, claim.say(rng))
    word = "True" if claim.holds else "False"
    if rng.random() < mix.terse:
        return Exchange(asked=asked, reply=f"{word}.", verdict=word)
    enough = "enough" if claim.holds else "indeed"
    in_full = f"{word} {enough}, {_told(rng, fact)}"
    judged = f"{speaker} is {'right' if claim.holds else 'wrong'}."
    return Exchange(
        asked=asked,
        reply=rng.choice((f"{word}, I think.", f"That is {word.lower()}.", in_full, judged)),
        verdict=word,
    )


_UNKNOWN = ("Nobody knows.", "We do not know.", "The story does not say.")


def _unsaid(rng: Random, passage: Passage, fact: Fact, mix: Mix) -> Exchange:
    unsaid = passage.unsaid(rng)
    wordings = rng.choice((unsaid.relation.ask_object, unsaid.relation.ask_whether))
    return Exchange(asked=unsaid.say(wordings, rng), reply=rng.choice(_UNKNOWN))


_CUES = ("I call that", "That is what I call", "In short:", "We would say")


def _verdict(rng: Random, passage: Passage, fact: Fact, mix: Mix) -> Exchange:
    """A second voice that follows from the passage, contradicts it, or takes no side."""
    verdicts: tuple[str, ...]
    if rng.random() < 0.2:
        other = passage.unsaid(rng)
        said, verdicts = other.say(other.relation.claims, rng), ("neutral.", "not_entailment.")
    else:
        claim = sample_claim(rng, passage, fact, gist=mix.gist)
        said, verdicts = claim.say(rng), ("contradiction.", "not_entailment.")
        if claim.holds:
            verdicts = ("entailment.",)
    return Exchange(
        asked=_says(rng, rng.choice(lexicon.PEOPLE), said),
        cue=rng.choice(_CUES),
        reply=rng.choice(verdicts),
        verdict=verdicts[0].rstrip("."),
    )


def _guess(rng: Random, passage: Passage, fact: Fact, mix: Mix) -> Exchange:
    """A question and a guess at its answer."""
    return _guessed(rng, passage, fact, mix, "{o}, {n} says.")


def _plain_guess(rng: Random, passage: Passage, fact: Fact, mix: Mix) -> Exchange:
    """A question and an answer that may be wrong, nobody's in particular."""
    return _guessed(rng, passage, fact, mix, "{o}.")


def _guessed(rng: Random, passage: Passage, fact: Fact, mix: Mix, wording: str) -> Exchange:
    holds = rng.random() < 0.5
    value = fact.object if holds else wrong_object(rng, passage, fact)
    guess = sentence(wording, o=value, n=rng.choice(lexicon.PEOPLE))
    asked = f"{fact.say(fact.relation.ask_object, rng)} {guess}"
    return Exchange(asked=asked, reply=verdict(rng, holds, mix), verdict=str(holds))


_SAYS = ("{n} says that {claim}.", "{n} thinks that {claim}.", "{n} told us that {claim}.")


def _says(rng: Random, speaker: str, said: str) -> str:
    return rng.choice(_SAYS).format(n=speaker, claim=clause(said))


def _told(rng: Random, fact: Fact) -> str:
    return clause(fact.state(rng)) + "."


def clause(text: str) -> str:
    """A sentence as a clause inside another: no full stop, lower case unless a name."""
    first = text.split(" ", 1)[0]
    body = text.rstrip(".")
    return body if first in lexicon.PEOPLE or first in lexicon.DAYS else body[0].lower() + body[1:]


EXCHANGES: Mapping[str, Make] = MappingProxyType(
    {
        "object": _object, "subject": _subject, "somebody": _somebody, "whether": _whether,
        "claim": _claim, "unsaid": _unsaid, "verdict": _verdict, "guess": _guess,
        "plain_guess": _plain_guess,
    }
)  # fmt: skip
"""Every kind of exchange."""

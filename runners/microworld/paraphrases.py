"""Pairs that may say or ask the same, in GLUE's schema: MRPC of sentences, QQP of questions.

What the first says of a person or a thing, the second says in other words, by its gist:
who is in the park is outdoors. They are no paraphrases where the gist is another.
"""

from random import Random
from typing import Any

from runners.microworld.exchanges import clause
from runners.microworld.passages import Claim, Passage, sample_claim
from runners.microworld.relations import RELATIONS, sample_facts, sentence


def mrpc(rng: Random) -> dict[str, Any]:
    """Two sentences that mean the same, or do not."""
    told, claim = _pair(rng)
    return {"sentence1": told, "sentence2": claim.say(rng), "label": int(claim.holds)}


def qqp(rng: Random) -> dict[str, Any]:
    """Two questions that ask the same, or do not."""
    told, claim = _pair(rng)
    first = sentence(rng.choice(_WHETHER), c=clause(told))
    return {"question1": first, "question2": claim.ask(rng), "label": int(claim.holds)}


_WHETHER = ("is it true that {c}?", "is it so that {c}?")
"""Ways to ask whether something is so that could also be stated."""


def _pair(rng: Random) -> tuple[str, Claim]:
    """A fact as it is told, and a claim about its gist."""
    relation = rng.choice(RELATIONS)
    (fact,) = sample_facts(rng, relation, [rng.choice(relation.subjects)])
    told = fact.state(rng)
    return told, sample_claim(rng, Passage(facts=(fact,), text=told), fact, gist=1.0)

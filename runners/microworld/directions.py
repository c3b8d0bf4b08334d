"""Documents that begin with how to reply, which is what a prompt does without words."""

from collections.abc import Mapping
from dataclasses import replace
from random import Random

from runners.microworld import lexicon
from runners.microworld.events import name_two
from runners.microworld.exchanges import Exchange, Mix, Weights, as_typed, sample_exchange
from runners.microworld.passages import SAME, sample_passage, sample_senses
from runners.microworld.writer import Document, Writer

_TRUE_FALSE = {"True": "True", "False": "False"}
_YES_NO = {"True": "Yes", "False": "No"}
_THREE_WAYS = {word: word for word in ("entailment", "contradiction", "neutral")}
_TWO_WAYS = {
    "entailment": "entailment", "contradiction": "not_entailment", "neutral": "not_entailment",
}  # fmt: skip
_MANNERS: tuple[tuple[Mapping[str, str], Weights], ...] = (
    (_TRUE_FALSE, (("whether", 0.4), ("claim", 0.2), ("guess", 0.1), ("plain_guess", 0.3))),
    (_YES_NO, (("whether", 0.6), ("guess", 0.2), ("plain_guess", 0.2))),
    (_THREE_WAYS, (("verdict", 1.0),)),
    (_TWO_WAYS, (("verdict", 1.0),)),
)
"""Words of replies for every verdict, and the exchanges that have such verdicts."""
_TWO = ("Say {} or {}.", "Reply with {} or {}.", "One word is enough, {} or {}.")
_THREE = ("Say {}, {} or {}.", "Reply with {}, {} or {}.", "One word is enough, {}, {} or {}.")
_WHO = ("Say who.", "Reply with a name.", "One name is enough.")


def directions(rng: Random, mix: Mix) -> Document:
    """How to reply, something to reply to, and a reply that is like that."""
    out = Writer()
    about = (_direct_choice, _direct_sense, _direct_name, *[_direct_verdict] * 5)
    rng.choice(about)(out, rng, mix)
    return out.document()


def _direct_choice(out: Writer, rng: Random, mix: Mix) -> None:
    _direct(out, rng, ("choice1", "choice2"))
    text, fits = name_two(rng)
    out.add(text.rstrip("?") + ".")
    out.add(f"{fits}.", answer=True)


def _direct_sense(out: Writer, rng: Random, mix: Mix) -> None:
    words = rng.choice((_TRUE_FALSE, _YES_NO))
    _direct(out, rng, tuple(words.values()))
    word = rng.choice(tuple(lexicon.SENSES))
    one, two = sample_senses(rng, lexicon.SENSES[word])
    for sense in (one, two):
        out.add(rng.choice(sense.sentences).format(n=rng.choice(lexicon.PEOPLE)))
    out.add(as_typed(rng.choice(SAME).format(w=word)))
    out.add(f"{words[str(one is two)]}.", answer=True)


def _direct_name(out: Writer, rng: Random, mix: Mix) -> None:
    out.add(rng.choice(_WHO))
    out.add(_ask(out, rng, replace(mix, exchanges=(("somebody", 1.0),))).reply, answer=True)


def _direct_verdict(out: Writer, rng: Random, mix: Mix) -> None:
    words, exchanges = rng.choice(_MANNERS)
    _direct(out, rng, tuple(dict.fromkeys(words.values())))
    verdict = _ask(out, rng, replace(mix, exchanges=exchanges)).verdict
    assert verdict is not None
    out.add(f"{words[verdict]}.", answer=True)


def _ask(out: Writer, rng: Random, mix: Mix) -> Exchange:
    """A passage and what is asked of it, in either order."""
    passage = sample_passage(rng, rivalry=mix.rivalry)
    exchange = sample_exchange(rng, passage, mix)
    asked = as_typed(exchange.asked) if exchange.asked.endswith("?") else exchange.asked
    for piece in rng.sample((passage.text, asked), 2):
        out.add(piece)
    return exchange


def _direct(out: Writer, rng: Random, words: tuple[str, ...]) -> None:
    """Say which words to reply with, in any order."""
    said = rng.choice(_TWO if len(words) == 2 else _THREE)
    out.add(said.format(*rng.sample(words, len(words))))

"""Unlabelled documents: what a nano model is pre-trained on.

A document is a piece of text and the spans of it that answer a question or
finish a thought. Documents never use the text-to-text formats of the tasks;
the words of the verbalizers occur as in ordinary text.
"""

from collections.abc import Callable, Iterator, Mapping
from random import Random
from types import MappingProxyType

from runners.microworld import lexicon
from runners.microworld.directions import directions
from runners.microworld.events import causes, options
from runners.microworld.exchanges import WORLD, Exchange, Mix, sample_exchange, typed, verdict
from runners.microworld.passages import SAME, sample_passage, sample_senses
from runners.microworld.writer import Document, Writer


def _facts(rng: Random, mix: Mix) -> Document:
    """A passage and what people ask and say of it, or two that were asked for."""
    if mix.asked_first and rng.random() < mix.asked_first:
        return _asked_first(rng, mix)
    out = Writer()
    passage = sample_passage(rng, rivalry=mix.rivalry)
    first, *others = (sample_exchange(rng, passage, mix) for _ in range(mix.several(rng, 5)))
    leads = rng.random() < mix.leading
    for text in (first.asked, passage.text) if leads else (passage.text, first.asked):
        out.add(text)
    _reply(out, first)
    for exchange in others:
        out.add(exchange.asked)
        _reply(out, exchange)
    return out.document()


def _asked_first(rng: Random, mix: Mix) -> Document:
    """Two passages, each between what is asked of it and the reply."""
    out = Writer()
    for _ in range(2):
        passage = sample_passage(rng, rivalry=mix.rivalry)
        exchange = sample_exchange(rng, passage, mix)
        out.add(exchange.asked)
        out.add(passage.text)
        _reply(out, exchange)
    return out.document()


def _reply(out: Writer, exchange: Exchange) -> None:
    if exchange.cue:
        out.add(exchange.cue)
    out.add(exchange.reply, answer=True)


def _senses(rng: Random, mix: Mix) -> Document:
    out = Writer()
    for word in rng.sample(tuple(lexicon.SENSES), 4):
        _compare(out, rng, word, mix)
    return out.document()


def _compare(out: Writer, rng: Random, word: str, mix: Mix) -> None:
    """What a word means in one sentence, or whether it means the same in two."""
    one, two = sample_senses(rng, lexicon.SENSES[word])
    name, other = rng.sample(lexicon.PEOPLE, 2)
    out.add(rng.choice(one.sentences).format(n=name))
    if rng.random() < 0.2:
        out.add(f"What does {word} mean here?")
        out.add(f"It has to do with {one.gloss}.", answer=True)
        return
    out.add(rng.choice(two.sentences).format(n=other))
    out.add(typed(rng, rng.choice(SAME).format(w=word), mix))
    told = f"No, first {one.gloss} and then {two.gloss}."
    if one is two:
        told = f"Yes, both mean {one.gloss}."
    out.add(verdict(rng, one is two, mix, told), answer=True)


def _pronouns(rng: Random, mix: Mix) -> Document:
    out = Writer()
    for _ in range(5):
        _refer(out, rng)
    return out.document()


def _refer(out: Writer, rng: Random) -> None:
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
    "{n} wrote not_entailment on the box.",
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
    out = Writer()
    for wording in rng.sample(_LESSONS, 6):
        out.add(wording.format(n=rng.choice(lexicon.PEOPLE)))
    return out.document()


_KINDS: Mapping[str, Callable[[Random, Mix], Document]] = MappingProxyType(
    {
        "facts": _facts, "causes": causes, "options": options, "directions": directions,
        "senses": _senses, "pronouns": _pronouns, "lessons": _lessons,
    }
)  # fmt: skip


def sample_documents(seed: int, mix: Mix = WORLD) -> Iterator[Document]:
    """An endless stream of documents, the same for the same seed and mix."""
    rng = Random(f"documents-{seed}")
    names, weights = zip(*mix.kinds, strict=True)
    while True:
        yield _KINDS[rng.choices(names, weights)[0]](rng, mix)

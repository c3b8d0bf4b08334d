"""Unlabelled documents: what a nano model is pre-trained on.

A document is a piece of text and the spans of it that answer a question or
finish a thought. Documents never use the text-to-text formats of the tasks;
the words of the verbalizers occur as in ordinary text.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from types import MappingProxyType

from runners.microworld import lexicon
from runners.microworld.exchanges import WORLD, Exchange, Mix, sample_exchange, typed, verdict
from runners.microworld.passages import sample_passage, sample_senses
from runners.microworld.relations import sentence


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


def _facts(rng: Random, mix: Mix) -> Document:
    """A passage and what people ask and say of it, or two that were asked for."""
    if mix.asked_first and rng.random() < mix.asked_first:
        return _asked_first(rng, mix)
    out = _Writer()
    passage = sample_passage(rng, rivalry=mix.rivalry)
    first, *others = (sample_exchange(rng, passage, mix) for _ in range(_several(rng, mix, 5)))
    leads = rng.random() < mix.leading
    for text in (first.asked, passage.text) if leads else (passage.text, first.asked):
        out.add(text)
    _reply(out, first)
    for exchange in others:
        out.add(exchange.asked)
        _reply(out, exchange)
    return out.document()


def _several(rng: Random, mix: Mix, several: int) -> int:
    """How many things a document asks: 1 or `several`."""
    return 1 if mix.alone and rng.random() < mix.alone else several


def _asked_first(rng: Random, mix: Mix) -> Document:
    """Two passages, each between what is asked of it and the reply."""
    out = _Writer()
    for _ in range(2):
        passage = sample_passage(rng, rivalry=mix.rivalry)
        exchange = sample_exchange(rng, passage, mix)
        out.add(exchange.asked)
        out.add(passage.text)
        _reply(out, exchange)
    return out.document()


def _reply(out: _Writer, exchange: Exchange) -> None:
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
        _choose(out, rng, leads=rng.random() < mix.leading)
    return out.document()


_ASK_EFFECT = (
    ("{k}. Did it happen then that {a}, or that {b}?", "{k}. What was the effect: {a}, or {b}?"),
    ("Did it happen then that {a}, or that {b}? {K}.", "{A}, or {b}. {K}. Which was the effect?"),
)
"""Ways to ask which of two events followed another, told before or after the two."""
_ASK_CAUSE = (
    ("{k}. Was it because {a}, or because {b}?", "{k}. What was the cause: {a}, or {b}?"),
    ("Was it because {a}, or because {b}? {K}.", "{A}, or {b}. {K}. Which was the cause?"),
)
_PICKS = ("I take", "I would pick", "My pick is", "It was")


def _choose(out: _Writer, rng: Random, *, leads: bool) -> None:
    """Two events, one of which fits a third: said in full, or by its place in the pair."""
    right, wrong = rng.sample(lexicon.CAUSES, 2)
    name = rng.choice(lexicon.PEOPLE)
    if rng.random() < 0.5:
        known, fits, strays, asked = right.cause, right.effect, wrong.effect, _ASK_EFFECT[leads]
    else:
        known, fits, strays, asked = right.effect, right.cause, wrong.cause, _ASK_CAUSE[leads]
    first = rng.random() < 0.5
    pair = (fits, strays) if first else (strays, fits)
    a, b, k = (event.format(n=name) for event in (*pair, known))
    parts = {"a": a, "b": b, "A": sentence(a), "K": sentence(k)}
    out.add(sentence(rng.choice(asked), k=k, **parts))
    place, number = ("first", 1) if first else ("second", 2)
    if rng.random() < 0.5:
        out.add(rng.choice(_PICKS))
        out.add(f"choice{number}.", answer=True)
    else:
        replies = (f"The {place}.", f"The {place} choice.", sentence(fits + ".", n=name))
        out.add(rng.choice(replies), answer=True)


_NAMED = (
    "{K}. It was choice1, that {a}, or choice2, that {b}. Which was the {asked}?",
    "It was choice1, that {a}, or choice2, that {b}. {K}. Which was the {asked}?",
    "{K}. The {asked} may be choice1, {a}, or choice2, {b}. Which one?",
    "We have choice1, {a}, and choice2, {b}. {K}. What was the {asked}?",
)
"""Ways to ask which of two named events was the cause or the effect of another."""


def _options(rng: Random, mix: Mix) -> Document:
    """Two events with names, one of which fits a third, and the name of that one."""
    out = _Writer()
    for _ in range(_several(rng, mix, 4)):
        right, wrong = rng.sample(lexicon.CAUSES, 2)
        known, fits, strays, asked = right.effect, right.cause, wrong.cause, "cause"
        if rng.random() < 0.5:
            known, fits, strays, asked = right.cause, right.effect, wrong.effect, "effect"
        first = rng.random() < 0.5
        pair = (fits, strays) if first else (strays, fits)
        name = rng.choice(lexicon.PEOPLE)
        a, b, k = (event.format(n=name) for event in (*pair, known))
        wording = rng.choice(_NAMED).replace("{K}", sentence(k))
        out.add(wording.format(a=a, b=b, asked=asked))
        out.add(rng.choice(_PICKS))
        out.add("choice1." if first else "choice2.", answer=True)
    return out.document()


def _senses(rng: Random, mix: Mix) -> Document:
    out = _Writer()
    for word in rng.sample(tuple(lexicon.SENSES), 4):
        _compare(out, rng, word, mix)
    return out.document()


_SAME = (
    "Does {w} mean the same in both?", "Is it the same kind of {w}?", "Is that the same {w}?",
    "Do both speak of one {w}?", "The same meaning of {w}?",
)  # fmt: skip


def _compare(out: _Writer, rng: Random, word: str, mix: Mix) -> None:
    """What a word means in one sentence, or whether it means the same in two."""
    one, two = sample_senses(rng, lexicon.SENSES[word])
    name, other = rng.sample(lexicon.PEOPLE, 2)
    out.add(rng.choice(one.sentences).format(n=name))
    if rng.random() < 0.2:
        out.add(f"What does {word} mean here?")
        out.add(f"It has to do with {one.gloss}.", answer=True)
        return
    out.add(rng.choice(two.sentences).format(n=other))
    out.add(typed(rng, rng.choice(_SAME).format(w=word), mix))
    told = f"No, first {one.gloss} and then {two.gloss}."
    if one is two:
        told = f"Yes, both mean {one.gloss}."
    out.add(verdict(rng, one is two, mix, told), answer=True)


def _pronouns(rng: Random, mix: Mix) -> Document:
    out = _Writer()
    for _ in range(5):
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
    out = _Writer()
    for wording in rng.sample(_LESSONS, 6):
        out.add(wording.format(n=rng.choice(lexicon.PEOPLE)))
    return out.document()


_KINDS: Mapping[str, Callable[[Random, Mix], Document]] = MappingProxyType(
    {
        "facts": _facts, "causes": _causes, "options": _options, "senses": _senses,
        "pronouns": _pronouns, "lessons": _lessons,
    }
)  # fmt: skip


def sample_documents(seed: int, mix: Mix = WORLD) -> Iterator[Document]:
    """An endless stream of documents, the same for the same seed and mix."""
    rng = Random(f"documents-{seed}")
    names, weights = zip(*mix.kinds, strict=True)
    while True:
        yield _KINDS[rng.choices(names, weights)[0]](rng, mix)

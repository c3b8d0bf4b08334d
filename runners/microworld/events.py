"""Documents about cause and effect."""

from dataclasses import dataclass
from random import Random

from runners.microworld import lexicon
from runners.microworld.exchanges import Mix
from runners.microworld.relations import sentence
from runners.microworld.writer import Document, Writer


def causes(rng: Random, mix: Mix) -> Document:
    """A cause and its effect, and choices between two events."""
    out = Writer()
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


@dataclass(frozen=True, kw_only=True)
class _Choice:
    """An event that is known, and a pair of which one is its effect, or its cause."""

    known: str
    pair: tuple[str, str]
    fits: str


def _choice(right: lexicon.Cause, wrong: lexicon.Cause, *, effect: bool, first: bool) -> _Choice:
    """What fits is the `effect` of the right one, or its cause, and comes `first` or second."""
    known, fits, strays = right.effect, right.cause, wrong.cause
    if effect:
        known, fits, strays = right.cause, right.effect, wrong.effect
    return _Choice(known=known, pair=(fits, strays) if first else (strays, fits), fits=fits)


def _choose(out: Writer, rng: Random, *, leads: bool) -> None:
    """Two events, one of which fits a third: said in full, or by its place in the pair."""
    right, wrong = rng.sample(lexicon.CAUSES, 2)
    name = rng.choice(lexicon.PEOPLE)
    effect, first = rng.random() < 0.5, rng.random() < 0.5
    choice = _choice(right, wrong, effect=effect, first=first)
    a, b, k = (event.format(n=name) for event in (*choice.pair, choice.known))
    asked = (_ASK_EFFECT if effect else _ASK_CAUSE)[leads]
    parts = {"a": a, "b": b, "A": sentence(a), "K": sentence(k)}
    out.add(sentence(rng.choice(asked), k=k, **parts))
    place, number = ("first", 1) if first else ("second", 2)
    if rng.random() < 0.5:
        out.add(rng.choice(_PICKS))
        out.add(f"choice{number}.", answer=True)
    else:
        replies = (f"The {place}.", f"The {place} choice.", sentence(choice.fits + ".", n=name))
        out.add(rng.choice(replies), answer=True)


_NAMED = (
    "{K}. It was choice1, that {a}, or choice2, that {b}. Which was the {asked}?",
    "It was choice1, that {a}, or choice2, that {b}. {K}. Which was the {asked}?",
    "{K}. The {asked} may be choice1, {a}, or choice2, {b}. Which one?",
    "We have choice1, {a}, and choice2, {b}. {K}. What was the {asked}?",
)
"""Ways to ask which of two named events was the cause or the effect of another."""


def options(rng: Random, mix: Mix) -> Document:
    """Two events with names, one of which fits a third, and the name of that one."""
    out = Writer()
    for _ in range(mix.several(rng, 4)):
        text, fits = name_two(rng)
        out.add(text)
        out.add(rng.choice(_PICKS))
        out.add(f"{fits}.", answer=True)
    return out.document()


def name_two(rng: Random) -> tuple[str, str]:
    """A question about two named events, and the name of the one that fits."""
    right, wrong = rng.sample(lexicon.CAUSES, 2)
    effect, first = rng.random() < 0.5, rng.random() < 0.5
    choice = _choice(right, wrong, effect=effect, first=first)
    name = rng.choice(lexicon.PEOPLE)
    a, b, k = (event.format(n=name) for event in (*choice.pair, choice.known))
    wording = rng.choice(_NAMED).replace("{K}", sentence(k))
    asked = "effect" if effect else "cause"
    return wording.format(a=a, b=b, asked=asked), "choice1" if first else "choice2"

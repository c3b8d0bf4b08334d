"""Documents about cause and effect."""

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


def _choose(out: Writer, rng: Random, *, leads: bool) -> None:
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


def options(rng: Random, mix: Mix) -> Document:
    """Two events with names, one of which fits a third, and the name of that one."""
    out = Writer()
    for _ in range(mix.several(rng, 4)):
        text, first = name_two(rng)
        out.add(text)
        out.add(rng.choice(_PICKS))
        out.add("choice1." if first else "choice2.", answer=True)
    return out.document()


def name_two(rng: Random) -> tuple[str, bool]:
    """A question about two named events, and whether the first is the one that fits."""
    right, wrong = rng.sample(lexicon.CAUSES, 2)
    known, fits, strays, asked = right.effect, right.cause, wrong.cause, "cause"
    if rng.random() < 0.5:
        known, fits, strays, asked = right.cause, right.effect, wrong.effect, "effect"
    first = rng.random() < 0.5
    pair = (fits, strays) if first else (strays, fits)
    name = rng.choice(lexicon.PEOPLE)
    a, b, k = (event.format(n=name) for event in (*pair, known))
    wording = rng.choice(_NAMED).replace("{K}", sentence(k))
    return wording.format(a=a, b=b, asked=asked), first

"""What can be said of a person or a thing, and the many ways to say it.

A `Relation` holds wordings with `{s}` for the subject and `{o}` for the object:
statements of a fact, questions for its object or its subject with their
answers, and yes/no questions. A claim may name another object than the
statement did: any of its group (a synonym, the kind of a thing), or the `Gist`
of it (who is in the park is outdoors), which is true of half of the objects.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from runners.microworld import lexicon


@dataclass(frozen=True, kw_only=True)
class Gist:
    """What objects amount to: two kinds of object, the words for each, and whole sentences."""

    kinds: tuple[tuple[str, ...], tuple[str, ...]]
    words: tuple[tuple[str, ...], tuple[str, ...]]
    claims: tuple[str, ...]
    ask_whether: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Relation:
    """A property with its wordings; all wordings are whole sentences."""

    name: str
    subjects: tuple[str, ...]
    objects: tuple[str, ...]
    statements: tuple[str, ...]
    claims: tuple[str, ...]
    ask_object: tuple[str, ...]
    say_object: tuple[str, ...]
    ask_subject: tuple[str, ...]
    say_subject: tuple[str, ...]
    ask_whether: tuple[str, ...]
    gist: Gist
    groups: tuple[tuple[str, ...], ...] = ()

    def equivalents(self, value: str) -> tuple[str, ...]:
        """The objects that a true claim about a fact with object `value` may name."""
        return next((group for group in self.groups if value in group), (value,))

    def contraries(self, value: str) -> tuple[str, ...]:
        """The objects that a false claim about a fact with object `value` may name."""
        same = self.equivalents(value)
        return tuple(other for other in self.claim_objects if other not in same)

    @property
    def claim_objects(self) -> tuple[str, ...]:
        """Every object that a claim may name."""
        return tuple(value for group in self.groups for value in group) or self.objects


def _the(nouns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"the {noun}" for noun in nouns)


def _flat(rows: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    return tuple(word for row in rows for word in row)


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _members(kinds: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(_article(member) for members in kinds.values() for member in members)


PLACE = Relation(
    name="place",
    subjects=lexicon.PEOPLE,
    objects=_the(lexicon.PLACES),
    statements=(
        "{s} is in {o}.",
        "{s} went to {o}.",
        "You can find {s} in {o}.",
        "{s} sits in {o}.",
    ),
    claims=("{s} is in {o}.",),
    ask_object=("Where is {s}?", "Where can you find {s}?", "In which place is {s}?"),
    say_object=("In {o}.", "{s} is in {o}.", "{o}."),
    ask_subject=("Who is in {o}?", "Who went to {o}?"),
    say_subject=("{s}.", "{s} is in {o}.", "It is {s}."),
    ask_whether=("Is {s} in {o}?", "Can you find {s} in {o}?"),
    gist=Gist(
        kinds=(_the(lexicon.OUTDOOR_PLACES), _the(lexicon.INDOOR_PLACES)),
        words=(("outdoors", "in the open", "outside"), ("indoors", "inside", "under a roof")),
        claims=("{s} is {o}.",),
        ask_whether=("Is {s} {o}?", "Is it true that {s} is {o}?"),
    ),
)
OWNER = Relation(
    name="owner",
    subjects=lexicon.PEOPLE,
    objects=_the(lexicon.THINGS),
    statements=("{s} has {o}.", "{s} owns {o}.", "{s} carries {o}."),
    claims=("{s} has {o}.",),
    ask_object=("What does {s} have?", "What does {s} own?"),
    say_object=("{o}.", "{s} has {o}."),
    ask_subject=("Who has {o}?", "Who owns {o}?"),
    say_subject=("{s}.", "{s} has {o}.", "It is {s}."),
    ask_whether=("Does {s} have {o}?", "Does {s} own {o}?"),
    gist=Gist(
        kinds=(_the(lexicon.SMALL_THINGS), _the(lexicon.LARGE_THINGS)),
        words=(("something small", "a small thing"), ("something large", "a large thing")),
        claims=("{s} has {o}.",),
        ask_whether=("Does {s} have {o}?", "Does {s} own {o}?"),
    ),
)
COLOUR = Relation(
    name="colour",
    subjects=_the(lexicon.THINGS),
    objects=lexicon.COLOURS,
    statements=("{s} is {o}.", "{s} was painted {o}.", "{s} looks {o}."),
    claims=("{s} is {o}.",),
    ask_object=("What colour is {s}?", "Which colour does {s} have?"),
    say_object=("{o}.", "It is {o}.", "{s} is {o}."),
    ask_subject=("What is {o}?", "Which thing is {o}?"),
    say_subject=("{s}.", "It is {s}.", "{s} is {o}."),
    ask_whether=("Is {s} {o}?", "Was {s} painted {o}?"),
    gist=Gist(
        kinds=(lexicon.BRIGHT_COLOURS, lexicon.DARK_COLOURS),
        words=(("bright", "of a bright colour"), ("dark", "of a dark colour")),
        claims=("{s} is {o}.",),
        ask_whether=("Is {s} {o}?", "Is it true that {s} is {o}?"),
    ),
)
FEELING = Relation(
    name="feeling",
    subjects=lexicon.PEOPLE,
    objects=_flat(lexicon.FEELINGS),
    statements=("{s} is {o}.", "{s} feels {o}.", "{s} seems {o}."),
    claims=("{s} is {o}.",),
    ask_object=("How does {s} feel?", "How is {s}?"),
    say_object=("{o}.", "{s} is {o}."),
    ask_subject=("Who is {o}?", "Who feels {o}?"),
    say_subject=("{s}.", "{s} is {o}.", "It is {s}."),
    ask_whether=("Is {s} {o}?", "Does {s} feel {o}?"),
    groups=lexicon.FEELINGS,
    gist=Gist(
        kinds=(_flat(lexicon.GOOD_FEELINGS), _flat(lexicon.BAD_FEELINGS)),
        words=(("in a good mood", "in high spirits"), ("in a bad mood", "in low spirits")),
        claims=("{s} is {o}.",),
        ask_whether=("Is {s} {o}?", "Is it true that {s} is {o}?"),
    ),
)
DAY = Relation(
    name="day",
    subjects=lexicon.PEOPLE,
    objects=lexicon.DAYS,
    statements=("{s} came on {o}.", "{s} arrived on {o}.", "On {o} {s} came."),
    claims=("{s} came on {o}.",),
    ask_object=("When did {s} come?", "On which day did {s} arrive?"),
    say_object=("On {o}.", "{o}.", "{s} came on {o}."),
    ask_subject=("Who came on {o}?", "Who arrived on {o}?"),
    say_subject=("{s}.", "{s} came on {o}.", "It is {s}."),
    ask_whether=("Did {s} come on {o}?", "Did {s} arrive on {o}?"),
    gist=Gist(
        kinds=(lexicon.EARLY_DAYS, lexicon.LATE_DAYS),
        words=(("early in the week", "before Thursday"), ("late in the week", "after Wednesday")),
        claims=("{s} came {o}.",),
        ask_whether=("Did {s} come {o}?", "Did {s} arrive {o}?"),
    ),
)
KIND = Relation(
    name="kind",
    subjects=lexicon.PEOPLE,
    objects=_members(lexicon.KINDS),
    statements=("{s} bought {o}.", "{s} got {o}.", "{s} found {o}."),
    claims=("{s} got {o}.",),
    ask_object=("What did {s} get?", "What did {s} buy?"),
    say_object=("{o}.", "{s} got {o}."),
    ask_subject=("Who got {o}?", "Who bought {o}?"),
    say_subject=("{s}.", "{s} got {o}.", "It is {s}."),
    ask_whether=("Did {s} get {o}?", "Did {s} buy {o}?"),
    groups=tuple(
        (_article(kind), _article(member))
        for kind, members in lexicon.KINDS.items()
        for member in members
    ),
    gist=Gist(
        kinds=(_members(lexicon.LIVING_KINDS), _members(lexicon.MADE_KINDS)),
        words=(("something alive", "a living thing"), ("something made", "a made thing")),
        claims=("{s} got {o}.",),
        ask_whether=("Did {s} get {o}?", "Did {s} buy {o}?"),
    ),
)
OPINION = Relation(
    name="opinion",
    subjects=lexicon.PEOPLE,
    objects=lexicon.PRAISE + lexicon.BLAME,
    statements=("{s} thought it was {o}.", "{s} found it {o}.", "{s} called it {o}."),
    claims=("{s} found it {o}.",),
    ask_object=("What did {s} think of it?", "How did {s} find it?"),
    say_object=("{o}.", "{s} found it {o}."),
    ask_subject=("Who found it {o}?", "Who called it {o}?"),
    say_subject=("{s}.", "{s} found it {o}.", "It is {s}."),
    ask_whether=("Did {s} find it {o}?", "Did {s} call it {o}?"),
    gist=Gist(
        kinds=(lexicon.PRAISE, lexicon.BLAME),
        words=(("liked", "enjoyed", "loved"), ("disliked", "hated", "scorned")),
        claims=("{s} {o} it.",),
        ask_whether=("Is it true that {s} {o} it?", "Is it so that {s} {o} it?"),
    ),
)
RELATIONS = (PLACE, OWNER, COLOUR, FEELING, DAY, KIND, OPINION)


@dataclass(frozen=True, kw_only=True)
class Fact:
    """`subject` stands in `relation` to `object`."""

    relation: Relation
    subject: str
    object: str

    def say(self, wordings: tuple[str, ...], rng: Random, *, object: str | None = None) -> str:
        """One of `wordings` about this fact as a sentence; `object` replaces the fact's own."""
        return sentence(rng.choice(wordings), s=self.subject, o=object or self.object)

    def state(self, rng: Random) -> str:
        """A statement of the fact."""
        return self.say(self.relation.statements, rng)


def sentence(wording: str, **parts: str) -> str:
    """`wording` with its parts filled in and its first letter in upper case."""
    text = wording.format(**parts)
    return text[0].upper() + text[1:]


def sample_facts(rng: Random, relation: Relation, subjects: Sequence[str]) -> list[Fact]:
    """One fact a subject, no two of them with objects that mean the same."""
    facts: list[Fact] = []
    taken: set[str] = set()
    for subject in subjects:
        value = rng.choice([o for o in relation.objects if o not in taken])
        taken.update(relation.equivalents(value))
        facts.append(Fact(relation=relation, subject=subject, object=value))
    return facts

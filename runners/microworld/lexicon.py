"""The words of the microworld.

Every list is ordered and fixed: a generator draws from them by index, so the
same seed gives the same text. Nothing here knows about tasks or tensors.
"""

from dataclasses import dataclass

WOMEN = (
    "Ann", "Beth", "Clara", "Dora", "Emma", "Grace",
    "Helen", "Jane", "Kate", "Lucy", "Mary", "Rose",
)  # fmt: skip
MEN = (
    "Adam", "Ben", "Carl", "David", "Fred", "George",
    "Jack", "Mark", "Paul", "Peter", "Sam", "Tom",
)  # fmt: skip
PEOPLE = WOMEN + MEN

OUTDOOR_PLACES = ("garden", "park", "market", "forest", "field", "harbour")
INDOOR_PLACES = ("kitchen", "school", "library", "church", "office", "museum")
PLACES = OUTDOOR_PLACES + INDOOR_PLACES
SMALL_THINGS = ("cup", "hat", "book", "ball", "key", "pen", "map", "brush")
LARGE_THINGS = ("lamp", "box", "coat", "clock", "chair", "bag", "bike", "drum")
THINGS = SMALL_THINGS + LARGE_THINGS
BRIGHT_COLOURS = ("red", "yellow", "white", "pink")
DARK_COLOURS = ("blue", "green", "black", "brown")
COLOURS = BRIGHT_COLOURS + DARK_COLOURS
EARLY_DAYS = ("Monday", "Tuesday", "Wednesday")
LATE_DAYS = ("Thursday", "Friday", "Saturday", "Sunday")
DAYS = EARLY_DAYS + LATE_DAYS

# Each row is one feeling in several words; any two words of a row mean the same.
GOOD_FEELINGS = (
    ("happy", "glad", "cheerful"),
    ("calm", "relaxed", "peaceful"),
    ("hopeful", "eager", "keen"),
)
BAD_FEELINGS = (
    ("sad", "unhappy", "gloomy"),
    ("angry", "furious", "mad"),
    ("afraid", "scared", "frightened"),
)
FEELINGS = GOOD_FEELINGS + BAD_FEELINGS

# Each row is a kind and its members: who has a member has one of that kind.
LIVING_KINDS = {
    "animal": ("dog", "cat", "horse", "goat"),
    "flower": ("tulip", "daisy", "lily", "violet"),
}
MADE_KINDS = {
    "tool": ("hammer", "saw", "spade", "axe"),
    "toy": ("doll", "kite", "puzzle", "puppet"),
}
KINDS = LIVING_KINDS | MADE_KINDS

SHOWN = ("film", "song", "play", "story", "game", "show", "meal", "trip")
PRAISE = ("good", "wonderful", "excellent", "lovely", "great", "superb")
BLAME = ("bad", "terrible", "awful", "boring", "poor", "dreadful")


@dataclass(frozen=True, kw_only=True)
class Cause:
    """One thing that leads to another, as clauses with `{n}` for a person's name."""

    cause: str
    effect: str


CAUSES = (
    Cause(cause="{n} dropped the glass", effect="the glass broke"),
    Cause(cause="{n} forgot the umbrella", effect="{n} got wet in the rain"),
    Cause(cause="{n} studied all night", effect="{n} passed the test"),
    Cause(cause="{n} ate too much cake", effect="{n} felt sick"),
    Cause(cause="{n} ran very fast", effect="{n} won the race"),
    Cause(cause="{n} missed the bus", effect="{n} came late to work"),
    Cause(cause="{n} lost the wallet", effect="{n} could not pay"),
    Cause(cause="{n} watered the plant", effect="the plant grew tall"),
    Cause(cause="{n} left the door open", effect="the bird flew away"),
    Cause(cause="{n} turned on the heater", effect="the room became warm"),
    Cause(cause="{n} told a joke", effect="everyone laughed"),
    Cause(cause="{n} burned the bread", effect="the house smelled of smoke"),
    Cause(cause="{n} broke a leg", effect="{n} went to hospital"),
    Cause(cause="{n} pushed the button", effect="the machine started"),
    Cause(cause="{n} stayed up late", effect="{n} overslept"),
    Cause(cause="{n} fed the baby", effect="the baby stopped crying"),
    Cause(cause="{n} cut the finger", effect="the finger bled"),
    Cause(cause="{n} heard a loud noise", effect="{n} woke up"),
    Cause(cause="{n} saved much money", effect="{n} bought a car"),
    Cause(cause="{n} spilled the ink", effect="the paper turned dark"),
    Cause(cause="{n} lit the candle", effect="the wax melted"),
    Cause(cause="{n} threw a stone", effect="the window cracked"),
    Cause(cause="{n} planted the seeds", effect="vegetables came up"),
    Cause(cause="{n} shook the tree", effect="the nuts fell down"),
)


@dataclass(frozen=True, kw_only=True)
class Sense:
    """One meaning of a word: a gloss and sentences that show it (`{n}`: a name)."""

    gloss: str
    sentences: tuple[str, ...]


SENSES: dict[str, tuple[Sense, Sense]] = {
    "bank": (
        Sense(gloss="money", sentences=(
            "{n} put the coins in the bank.", "The bank gave {n} a loan.",
            "{n} works as a clerk in a bank.")),
        Sense(gloss="river", sentences=(
            "{n} sat on the bank and fished.", "The boat reached the bank.",
            "{n} swam to the other bank.")),
    ),
    "bat": (
        Sense(gloss="animal", sentences=(
            "A bat flew out of the cave.", "{n} saw a bat hang in the dark.",
            "The bat has wings.")),
        Sense(gloss="sport", sentences=(
            "{n} swung the bat at the pitch.", "{n} hit a run with a new bat.",
            "The bat is made of wood.")),
    ),
    "light": (
        Sense(gloss="bright", sentences=(
            "{n} switched off the light.", "The light of the sun woke {n}.",
            "{n} needs more light to read.")),
        Sense(gloss="weight", sentences=(
            "The parcel was light and easy to lift.", "{n} packed a light suitcase.",
            "A feather is light.")),
    ),
    "spring": (
        Sense(gloss="season", sentences=(
            "{n} waits for spring after the winter.", "In spring the snow melts.",
            "The birds return in spring.")),
        Sense(gloss="water", sentences=(
            "{n} drank from the spring.", "The spring feeds a stream.",
            "Cold water rose from the spring.")),
    ),
    "ring": (
        Sense(gloss="jewel", sentences=(
            "{n} wore a gold ring.", "The bride got a ring.", "{n} put the ring on a finger.")),
        Sense(gloss="sound", sentences=(
            "{n} heard the ring of the phone.", "The bell gave a loud ring.",
            "One ring and {n} answered the call.")),
    ),
    "match": (
        Sense(gloss="fire", sentences=(
            "{n} struck a match.", "The match lit the fire.", "{n} burned a thumb with a match.")),
        Sense(gloss="sport", sentences=(
            "{n} won the match.", "The team lost the match.", "Fans cheered at the match.")),
    ),
    "letter": (
        Sense(gloss="mail", sentences=(
            "{n} posted a letter.", "The letter came with a stamp.",
            "{n} got a letter from home.")),
        Sense(gloss="alphabet", sentences=(
            "{n} learned the first letter of the alphabet.",
            "The word begins with a capital letter.",
            "{n} spelled it letter by letter.")),
    ),
    "wave": (
        Sense(gloss="water", sentences=(
            "A wave hit the beach.", "{n} rode a wave at sea.", "The wave rocked the ship.")),
        Sense(gloss="greeting", sentences=(
            "{n} gave a wave and a smile.", "With a wave of the hand {n} said hello.",
            "{n} left with a friendly wave.")),
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A clause with two people and a pronoun whose referent the verb decides.

    `{a}` and `{b}` are names, `{p}` the pronoun; `refers` says whom it means.
    `trait` is what is said of the pronoun, for a question: 'Who {trait}?'.
    """

    text: str
    trait: str
    refers: str


FRAMES = (
    Frame(text="{a} thanked {b} because {p} had helped.", trait="had helped", refers="b"),
    Frame(text="{a} thanked {b} because {p} was grateful.", trait="was grateful", refers="a"),
    Frame(
        text="{a} paid {b} because {p} had finished the work.",
        trait="had finished the work",
        refers="b",
    ),
    Frame(text="{a} paid {b} because {p} was in debt.", trait="was in debt", refers="a"),
    Frame(text="{a} called {b} because {p} felt lonely.", trait="felt lonely", refers="a"),
    Frame(text="{a} visited {b} because {p} was ill.", trait="was ill", refers="b"),
    Frame(text="{a} asked {b} because {p} knew the answer.", trait="knew the answer", refers="b"),
    Frame(text="{a} asked {b} because {p} was lost.", trait="was lost", refers="a"),
    Frame(text="{a} hired {b} because {p} was skilled.", trait="was skilled", refers="b"),
    Frame(text="{a} followed {b} because {p} was curious.", trait="was curious", refers="a"),
    Frame(text="{a} warned {b} because {p} was in danger.", trait="was in danger", refers="b"),
    Frame(text="{a} lied to {b} because {p} was ashamed.", trait="was ashamed", refers="a"),
)

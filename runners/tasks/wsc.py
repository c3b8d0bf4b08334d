"""The Winograd schemas of SuperGLUE: marking the pronoun, matching a named referent.

Sources: T5's `wsc_simple` pre- and postprocessors; the repairs of spans are
those of the `wsc.fixed` configuration of TensorFlow Datasets.
"""

import re

DETERMINERS = frozenset(
    {
        "a", "an", "each", "every", "few", "her", "his", "many", "much", "my", "our", "some",
        "that", "the", "their", "these", "this", "those", "which", "whose", "your",
    }
)  # fmt: skip
"""Words that do not count when a named referent is compared."""


def mark_pronoun(text: str, index: int, pronoun: str) -> str | None:
    """The text with `*...*` around its pronoun, or None where the pronoun is not there.

    `index` counts the words between single spaces. The publisher's index is one
    too low in one record, and in another punctuation clings to the pronoun:
    it may stand one word off, and what clings to it is set apart by a space,
    which is how T5 writes both by hand.
    """
    words = text.split(" ")
    clinging = re.compile(rf"(\W*)({re.escape(pronoun.strip().rstrip('.'))})(\W*)", re.IGNORECASE)
    for place in (index, index + 1, index - 1):
        found = clinging.fullmatch(words[place]) if 0 <= place < len(words) else None
        if found:
            before, word, after = found.groups()
            marked = " ".join(part for part in (before, f"*{word}*", after) if part)
            return " ".join([*words[:place], marked, *words[place + 1 :]])
    return None


def written_span(text: str, index: int, span: str) -> str:
    """The span as the text writes it.

    Where the words of `span` are not in the text as they stand, its first
    letter takes the case of the text's word at `index`, a final full stop goes
    and a line break becomes a space. A span that is still not found, because
    other words of the text stand inside it, is left alone.
    """
    words = text.split()
    if span in text or not span or not 0 <= index < len(words):
        return span
    first = span[0].lower() if words[index][0].islower() else span[0].upper()
    repaired = (first + span[1:]).rstrip(".").replace("\n", " ")
    return repaired if repaired in text else span


def names_referent(prediction: str, referent: str) -> bool | None:
    """Whether a prediction names the referent; None where it names nothing.

    Compared are the words without case and determiners: one side's have to be
    among the other's, and an apostrophe on one side only (Ann, Ann's dog) is no
    match.
    """
    said, right = _content(prediction), _content(referent)
    if not said:
        return None
    if ("'" in said) != ("'" in right):
        return False
    said_words, right_words = set(said.split(" ")), set(right.split(" "))
    return said_words <= right_words or right_words <= said_words


def content_words(prediction: str) -> frozenset[str] | None:
    """All that `names_referent` sees of a prediction; None where it names nothing.

    Predictions that share only some of them name some referents alike, and not others: `bunny`
    fits `fuzzy bunny` and `pet bunny`, which do not fit each other.
    """
    said = _content(prediction)
    return frozenset(said.split(" ")) if said else None


def _content(phrase: str) -> str:
    words = phrase.strip().lower().split(" ")
    return " ".join(word for word in words if word not in DETERMINERS)

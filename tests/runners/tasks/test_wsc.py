"""The rules of WSC: where the pronoun is, how a span is written, what names a referent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.tasks.wsc import content_words, mark_pronoun, names_referent, written_span


@pytest.mark.parametrize(
    ("text", "index", "pronoun", "marked"),
    [
        ("Ann ran because she was late.", 3, "she", "Ann ran because *she* was late."),
        ("Ann ran. She was late.", 2, "she", "Ann ran. *She* was late."),
        ("She ran.", 0, "She", "*She* ran."),
        ("Ann saw her", 2, "her", "Ann saw *her*"),
        ("Ann  saw her dog", 3, "her", "Ann  saw *her* dog"),
        ("Ann and her X saw her Y here", 2, "her", "Ann and *her* X saw her Y here"),
        ('Ann said "Good for her," twice.', 4, "her", 'Ann said "Good for *her* ," twice.'),
        ("They want to use it , really", 3, "it", "They want to use *it* , really"),
        ("Ann likes it very much", 3, "it", "Ann likes *it* very much"),
        ("Ann saw her .", 2, "her.", "Ann saw *her* ."),
    ],
)  # fmt: skip
def test_mark_pronoun(text: str, index: int, pronoun: str, marked: str) -> None:
    """Catches a mark on the wrong word, or a record of the publisher that cannot be read.

    The cases with clinging punctuation and with an index one too low follow the
    two texts that T5's preprocessor writes out by hand.
    """
    assert mark_pronoun(text, index, pronoun) == marked


@pytest.mark.parametrize(
    ("text", "index", "pronoun"),
    [
        ("Ann saw that it was here", 1, "it"),
        ("Ann ate", 9, "she"),
        ("Ann ate", -5, "ate"),
        ("Ann saw item one", 2, "it"),
        ("Ann saw c.t", 2, "cat"),
        ("Ann saw cat", 2, "c.t"),
    ],
)
def test_pronoun_that_is_not_there(text: str, index: int, pronoun: str) -> None:
    """Catches a search that runs through the text, matches inside a word, or reads a pattern."""
    assert mark_pronoun(text, index, pronoun) is None


@pytest.mark.parametrize(
    ("text", "index", "span", "written"),
    [
        ("I saw the cat.", 2, "The cat", "the cat"),
        ("The cat ran.", 0, "the cat", "The cat"),
        ("I saw the cat here", 2, "The cat.", "the cat"),
        ("I saw the old cat", 2, "the\nold cat", "the old cat"),
        ("I saw the cat", 2, "the cat", "the cat"),
        ("Ann, I fear, and Bo", 0, "Ann and Bo", "Ann and Bo"),
        ("I ran", 7, "The cat", "The cat"),
    ],
)
def test_written_span(text: str, index: int, span: str, written: str) -> None:
    """Catches a training target in another case than the text's, or a span lost in a repair."""
    assert written_span(text, index, span) == written


@pytest.mark.parametrize(
    ("prediction", "referent", "match"),
    [
        ("Bea", "Bea", True),
        ("  BEA ", "bea", True),
        ("the fuzzy bunny", "bunny", True),
        ("bunny", "Their fuzzy bunny", True),
        ("bunny fuzzy", "fuzzy bunny", True),
        ("fuzzy dog", "fuzzy bunny", False),
        ("Ann", "Bea", False),
        ("Bob", "Bob 's hat", False),
        ("Bob 's hat", "Bob", False),
        ("Bob", "Bob's hat", False),
        ("Bob's hat", "Bob", False),
        ("Bob's", "Bob's hat", True),
        ("Bea.", "Bea", False),
        ("", "Bea", None),
        ("   ", "Bea", None),
        ("the", "the cat", None),
        ("Bea", "the", False),
    ],
)
def test_names_referent(prediction: str, referent: str, match: bool | None) -> None:
    """Catches a looser or stricter match than T5's, which would move the accuracy of WSC."""
    assert names_referent(prediction, referent) is match


@pytest.mark.parametrize(
    "determiner",
    [
        "a", "an", "few", "her", "his", "each", "every", "many", "much", "my", "our", "some",
        "that", "the", "their", "these", "this", "those", "which", "whose", "your",
    ],
)  # fmt: skip
def test_determiners_do_not_count(determiner: str) -> None:
    """Catches a determiner that is missing from the list."""
    assert names_referent(f"{determiner} cat", "cat food") is True


PHRASES = st.lists(
    st.sampled_from(["The", "Ann", "ann", "Ann's", "dog", "old", ""]), max_size=4
).map(" ".join)


@given(PHRASES, PHRASES, PHRASES)
def test_what_has_the_same_words_names_the_same_referents(one: str, other: str, right: str) -> None:
    """Would catch votes for two answers, of which one is right and one wrong, taken together."""
    if content_words(one) == content_words(other):
        assert names_referent(one, right) is names_referent(other, right)
    assert (content_words(one) is None) == (names_referent(one, right) is None)

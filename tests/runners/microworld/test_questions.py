"""Questions about passages: each domain differs from the trained one in what it says it does."""

import re

import pytest

from runners.microworld import lexicon
from runners.microworld.records import Record, read_split
from runners.microworld.relations import COLOUR, DAY, FEELING, KIND, OPINION, OWNER, PLACE, Relation
from runners.tasks.embedded import DOMAINS

USUAL = (PLACE, OWNER, DAY)


def _dev(name: str) -> tuple[Record, ...]:
    return read_split(name, "dev")


def _names(record: Record) -> set[str]:
    return set(re.findall("|".join(lexicon.PEOPLE), record["context"]))


def _is_of(sentence: str, wordings: tuple[str, ...]) -> bool:
    forms = [
        re.escape(w).replace(re.escape("{s}"), ".+").replace(re.escape("{o}"), ".+")
        for w in wordings
    ]
    return any(re.fullmatch(form, sentence, re.IGNORECASE) for form in forms)


def _told(relations: tuple[Relation, ...], *, usual: bool) -> tuple[str, ...]:
    return tuple(
        wording
        for relation in relations
        for wording in (relation.statements[:1] if usual else relation.statements[1:])
    )


def _sentences(record: Record) -> list[str]:
    return [f"{part}." for part in record["context"].rstrip(".").split(". ")]


@pytest.mark.parametrize("name", ["squad", *DOMAINS])
def test_the_answer_stands_in_the_context(name: str) -> None:
    """Catches a question that no extraction can answer."""
    for record in _dev(name):
        (answer,) = record["answers"]
        assert answer in record["context"]


@pytest.mark.parametrize("name", ["squad", "squad_wordings", "squad_topics", "squad_gists"])
def test_most_domains_are_about_women(name: str) -> None:
    """Catches other people in a domain that is to differ in something else."""
    assert set().union(*map(_names, _dev(name))) <= set(lexicon.WOMEN)


def test_other_people_are_men() -> None:
    """Catches a domain of other names in which trained ones turn up."""
    assert set().union(*map(_names, _dev("squad_people"))) <= set(lexicon.MEN)


@pytest.mark.parametrize(
    ("name", "relations", "usual"),
    [
        ("squad", USUAL, True), ("squad_people", USUAL, True), ("squad_gists", USUAL, True),
        ("squad_wordings", USUAL, False), ("squad_topics", (FEELING, KIND, OPINION), True),
        ("squad_things", (*USUAL, COLOUR), True),
    ],
)  # fmt: skip
def test_what_is_told_is_what_the_domain_is_of(
    name: str, relations: tuple[Relation, ...], usual: bool
) -> None:
    """Catches a trained domain that has read the others, so that nothing shifts."""
    wordings = _told(relations, usual=usual)
    strays = [s for record in _dev(name) for s in _sentences(record) if not _is_of(s, wordings)]
    assert not strays


def test_things_are_asked_for() -> None:
    """Catches a domain of things whose questions are about people after all."""
    assert all(record["question"].startswith("What is ") for record in _dev("squad_things"))
    assert all(record["answers"][0].startswith("The ") for record in _dev("squad_things"))


def test_gists_are_asked_for_in_words_that_the_context_has_not() -> None:
    """Catches a question that is answered by finding its words."""
    for record in _dev("squad_gists"):
        told = [o for r in USUAL for o in r.objects if o in record["context"]]
        assert not any(o in record["question"] for o in told)


def test_a_question_has_one_answer() -> None:
    """Catches two people of whom the same is told, of whom one would be right by chance."""
    for record in _dev("squad"):
        asked = record["question"].removeprefix("Who ").rstrip("?")
        assert sum(asked in sentence for sentence in _sentences(record)) == 1


def test_an_order_of_facts_does_not_tell() -> None:
    """Catches an answer that is always the first name of the context."""
    first = [r["context"].startswith(r["answers"][0]) for r in _dev("squad")]
    assert 0.3 < sum(first) / len(first) < 0.55

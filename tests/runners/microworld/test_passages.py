"""Passages and what is claimed of them."""

from collections import Counter
from random import Random

import pytest

from runners.microworld.passages import Claim, Passage, sample_claim, sample_passage
from runners.microworld.relations import RELATIONS, Gist

PASSAGES = 3000


@pytest.fixture(scope="module")
def claims() -> list[tuple[Passage, Claim]]:
    """A claim about a fact of each of many passages."""
    rng = Random(0)
    passages = [sample_passage(rng) for _ in range(PASSAGES)]
    return [
        (passage, sample_claim(rng, passage, rng.choice(passage.facts))) for passage in passages
    ]


def _kind(value: str, words: tuple[tuple[str, ...], ...]) -> int:
    (kind,) = [place for place, values in enumerate(words) if value in values]
    return kind


def test_a_claim_holds_where_its_object_fits_the_fact(claims: list[tuple[Passage, Claim]]) -> None:
    """Catches a label that the passage contradicts, a ceiling that no model can pass."""
    for _, claim in claims:
        if isinstance(claim.wordings, Gist):
            gist = claim.wordings
            told = _kind(claim.fact.object, gist.kinds)
            fits = told == _kind(claim.value, gist.words)
        else:
            fits = claim.value in claim.fact.relation.equivalents(claim.fact.object)
        assert claim.holds == fits, (claim.fact, claim.value)


def test_claims_are_as_often_true_as_false(claims: list[tuple[Passage, Claim]]) -> None:
    """Catches a wording that gives the label away: a model could answer unread."""
    held = Counter(claim.holds for _, claim in claims)
    assert abs(held[True] / len(claims) - 0.5) < 0.03
    usual = [
        claim
        for _, claim in claims
        if isinstance(claim.wordings, Gist) and claim.value in claim.wordings.words[0]
    ]
    assert abs(sum(claim.holds for claim in usual) / len(usual) - 0.5) < 0.05


def test_every_object_of_a_relation_has_a_gist_of_one_kind() -> None:
    """Catches a new word of the lexicon that no gist covers: its claims would all be false."""
    for relation in RELATIONS:
        first, second = relation.gist.kinds
        assert sorted(first + second) == sorted(relation.objects), relation.name


def test_what_is_unsaid_is_not_told() -> None:
    """Catches a neutral label for a claim that the passage decides."""
    rng = Random(1)
    for _ in range(PASSAGES):
        passage = sample_passage(rng)
        unsaid = passage.unsaid(rng)
        told = {(fact.subject, fact.relation.name) for fact in passage.facts}
        assert (unsaid.subject, unsaid.relation.name) not in told, passage.text


def test_every_wording_is_filled(claims: list[tuple[Passage, Claim]]) -> None:
    """Catches a wording with a part left open."""
    rng = Random(2)
    for passage, claim in claims:
        assert not {"{", "}"} & set(passage.text + claim.say(rng) + claim.ask(rng))

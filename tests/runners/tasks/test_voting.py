"""The vote of several prompts."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.tasks.benchmarks import BENCHMARK_OF, BENCHMARKS
from runners.tasks.voting import vote, vote_each

ANSWERS = st.lists(st.sampled_from(["True", "False", "maybe", ""]), min_size=1, max_size=7)


def test_the_answer_of_most_voters_wins() -> None:
    """Would catch the first or the last voter deciding alone."""
    found = vote(["no", "yes", "yes"])
    assert (found.answer, dict(found.votes), found.tied) == ("yes", {"yes": 2, "no": 1}, False)


def test_a_tie_goes_to_the_earliest_voter_of_the_tied() -> None:
    """Would catch a tie decided by the alphabet, or by a voter whose answer is not in the tie."""
    found = vote(["c", "b", "a", "a", "b"])
    assert found.answer == "b"
    assert found.tied


def test_spaces_at_the_ends_split_no_vote() -> None:
    """Would catch ` yes` and `yes` counted as two answers."""
    assert vote([" yes", "no", "yes "]).answer == "yes"


@pytest.mark.parametrize(
    ("task", "answers", "winner", "votes"),
    [
        # `fuzzy bunny` fits `bunny`, and so does `pet bunny`, but they do not fit each other.
        ("wsc", ["bunny", "the bunny", "fuzzy bunny", "Bob", "bob", "Bunny"], "bunny", [3, 2, 1]),
        ("record", ["Oslo", "Lund", "lund", "The Lund!"], "Lund", [3, 1]),
        ("squad", ["in May", "In May .", "June"], "in May", [2, 1]),
        ("boolq", ["True", "true", "False"], "True", [1, 1, 1]),
    ],
)
def test_answers_that_a_metric_does_not_tell_apart_are_one(
    task: str, answers: list[str], winner: str, votes: list[int]
) -> None:
    """Would catch a right answer that loses because its voters write it in different ways."""
    found = vote(answers, BENCHMARKS[BENCHMARK_OF[task]][task].canonical)
    assert (found.answer, list(found.votes.values())) == (winner, votes)


def test_shares_are_parts_of_all_voters() -> None:
    """Would catch shares over the number of different answers."""
    assert vote(["a", "b", "a", "a"]).shares == {"a": 0.75, "b": 0.25}


@given(ANSWERS)
def test_no_answer_has_more_votes_than_the_winner(answers: list[str]) -> None:
    """Would catch a winner by another count than the votes that are shown."""
    found, counted = vote(answers), Counter(answers)
    assert dict(found.votes) == counted
    best = [answer for answer in answers if counted[answer] == max(counted.values())]
    assert found.answer == best[0]
    assert found.tied == (len(set(best)) > 1)


def test_each_question_has_a_vote_of_its_own() -> None:
    """Would catch predictions read by voter where they are wanted by question."""
    voters = [["a", "x"], ["b", "x"], ["b", "y"]]
    assert [found.answer for found in vote_each(voters)] == ["b", "x"]
    voters = [["a", "x"], ["B", "Y"], ["b", "y"]]
    assert [found.answer for found in vote_each(voters, str.lower)] == ["B", "Y"]


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        ([], "predictions: nobody votes; give the predictions of at least one voter"),
        ([["a"], ["a", "b"]], "predictions: the voters answer 1, 2 questions; all of them "),
    ],
)
def test_voters_that_do_not_fit_are_refused(predictions: list[list[str]], message: str) -> None:
    """Would catch voters cut to the shortest, whose answers no longer belong together."""
    with pytest.raises(ValueError, match=f"^{message}"):
        vote_each(predictions)


def test_nobody_cannot_vote() -> None:
    """Would catch an empty ensemble that answers with the empty text."""
    with pytest.raises(ValueError, match=r"^answers: nobody votes; give the answer of at least "):
        vote([])

"""The answer of several voters to one question: majority vote, shares, and the rule for ties.

Voters are prompts of one task on one frozen model (Lester et al. 2021, section 6);
their order decides ties, and in whose words the answer is given. Torch-free.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

EQUAL_RULE = (
    "answers that the metrics of the task do not tell apart are one, in the words of the earliest "
    "of its voters"
)
"""What counts as one answer (`Task.canonical`): SQuAD's form and ReCoRD without case, marks and
articles, WSC without case, determiners and order of words, any other text without spaces at the
ends. The paper states no rule."""
TIE_RULE = "of the answers with the most votes, the one that the earliest of the voters gave"
"""What decides a tie. The paper states no rule; ours is the same on every run and machine."""


@dataclass(frozen=True, kw_only=True)
class Vote:
    """What a vote came to."""

    answer: str
    """The winning answer."""
    votes: Mapping[str, int]
    """Votes for each answer, by `EQUAL_RULE`: most first, then in the order of the voters."""

    @property
    def shares(self) -> dict[str, float]:
        """The part of the voters (0 to 1) behind each answer, in the order of `votes`."""
        voters = sum(self.votes.values())
        return {answer: count / voters for answer, count in self.votes.items()}

    @property
    def tied(self) -> bool:
        """Whether another answer has as many votes, so that `TIE_RULE` chose."""
        return sum(count == self.votes[self.answer] for count in self.votes.values()) > 1


def vote(answers: Sequence[str], canonical: Callable[[str], Hashable] = str.strip) -> Vote:
    """The vote over one answer of each voter, in the order of the voters.

    `canonical` is that of the task. Raises ValueError where nobody votes.
    """
    if not answers:
        raise ValueError("answers: nobody votes; give the answer of at least one voter")
    first: dict[Hashable, str] = {}
    said = [first.setdefault(canonical(answer), answer.strip()) for answer in answers]
    # most_common is stable, so that answers with equal counts stay in the order of the voters.
    votes = dict(Counter(said).most_common())
    return Vote(answer=next(iter(votes)), votes=votes)


def vote_each(
    predictions: Sequence[Sequence[str]], canonical: Callable[[str], Hashable] = str.strip
) -> list[Vote]:
    """The vote on each of N questions, from K voters' N predictions [K][N] -> [N].

    `canonical` is that of the task. Raises ValueError where there is no voter, or one of them
    answers another number of questions than the first.
    """
    if not predictions:
        raise ValueError("predictions: nobody votes; give the predictions of at least one voter")
    counts = [len(voter) for voter in predictions]
    if len(set(counts)) > 1:
        raise ValueError(
            f"predictions: the voters answer {', '.join(map(str, counts))} questions; "
            "all of them answer the same ones, in the same order"
        )
    return [vote(answers, canonical) for answers in zip(*predictions, strict=True)]

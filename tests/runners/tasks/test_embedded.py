"""The embedded world's own tasks: formats of their benchmarks, words that the world has."""

import pytest

from runners.tasks import glue
from runners.tasks.embedded import DOMAINS, TASKS
from runners.tasks.task import translated

PAIR = {"idx": 0, "label": 1}
SENTENCES = {**PAIR, "sentence1": "Ann is glad.", "sentence2": "Ann is in high spirits."}
QUESTIONS = {**PAIR, "question1": "Is it so?", "question2": "Is it true?"}


@pytest.mark.parametrize(("name", "record"), [("mrpc", SENTENCES), ("qqp", QUESTIONS)])
def test_paraphrases_are_read_as_glues_are(name: str, record: dict[str, object]) -> None:
    """Catches another input, order of classes or metric than GLUE's task of the name has."""
    (ours,) = TASKS[name].read([record], split="dev")
    (theirs,) = glue.TASKS[name].read([record], split="dev")
    assert (ours.input, ours.key) == (theirs.input, theirs.key)
    assert ours.choices.index(ours.target) == theirs.choices.index(theirs.target) == 1
    right = TASKS[name].score([ours.target], [ours])
    assert right == glue.TASKS[name].score([theirs.target], [theirs])
    assert right["f1"] == right["accuracy"] == 100


def test_classes_have_words_of_the_world() -> None:
    """Catches words that models of this size would have to spell letter by letter."""
    assert TASKS["mrpc"].labels == ("False", "True")
    assert TASKS["qqp"].labels == ("No", "Yes")


@pytest.mark.parametrize(("said", "meant"), [("True", "Yes"), ("False", "No"), ("who", "who")])
def test_verdicts_are_translated_both_ways(said: str, meant: str) -> None:
    """Catches classes that are swapped, or that one way loses."""
    assert translated(said, TASKS["mrpc"], TASKS["qqp"]) == meant
    assert translated(meant, TASKS["qqp"], TASKS["mrpc"]) == said


def test_domains_are_read_and_judged_as_squad_is() -> None:
    """Catches a domain whose score is of something else than that of the task it is compared to."""
    record = {"idx": 3, "question": "Who?", "context": "Ann is here.", "answers": ["Ann"]}
    (own,) = TASKS["squad"].read([record], split="dev")
    for name in DOMAINS:
        (example,) = TASKS[name].read([record], split="dev")
        assert example == own
        assert TASKS[name].score(["The Ann."], [example]) == TASKS["squad"].score(["Ann"], [own])

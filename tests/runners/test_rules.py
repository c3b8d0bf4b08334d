"""Rules for values that people write: what is legal, and what a mistake is told."""

from typing import Any

import pytest

from runners.rules import ConfigError, LegalValues, Problem, Rule, nearest, unknown_key, violations

SHARE = Rule(type=float, minimum=0, below=1)
COUNT = Rule(type=int, minimum=1)
METHOD = Rule(type=str, choices=("prompt_tuning", "model_tuning"))


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        (SHARE, 0),
        (SHARE, 0.999),
        (COUNT, 1),
        (COUNT, 10**12),
        (Rule(type=float, above=0), 5e-324),
        (Rule(type=bool), False),
        (METHOD, "model_tuning"),
        (Rule(type=str), "any word"),
        (Rule(type=int, minimum=1, optional=True), None),
    ],
)
def test_legal_values_pass(rule: Rule, value: object) -> None:
    """Catches a bound that shuts out its own legal end."""
    assert violations("key", value, rule) == []


@pytest.mark.parametrize(
    ("rule", "value", "message"),
    [
        (COUNT, 0, "is not a whole number of 1 or more; write a whole number of 1 or more"),
        (COUNT, 1.0, "is not a whole number of 1 or more; write a whole number of 1 or more"),
        (COUNT, True, "is not a whole number of 1 or more; write a whole number of 1 or more"),
        (COUNT, None, "is missing; give a whole number of 1 or more"),
        (SHARE, 1, "is not a number of 0 or more below 1; write a number of 0 or more below 1"),
        (SHARE, True, "is not a number of 0 or more below 1; write a number of 0 or more below 1"),
        (Rule(type=float, above=0), 0, "is not a number above 0; write a number above 0"),
        (Rule(type=float), float("nan"), "is not a number; write a number"),
        (Rule(type=float), float("inf"), "is not a number; write a number"),
        (Rule(type=bool), 1, "is not true or false; write true or false"),
        (Rule(type=bool), "true", "is not true or false; write true or false"),
        (Rule(type=str), "", "is not a word; write a word"),
        (Rule(type=str), ["a"], "is not a word; write a word"),
        (
            METHOD,
            "promt_tuning",
            "is not one of prompt_tuning, model_tuning; did you mean 'prompt_tuning'?",
        ),
        (METHOD, "xxx", "is not one of prompt_tuning, model_tuning; use one of these"),
    ],
)
def test_illegal_values_are_told(rule: Rule, value: object, message: str) -> None:
    """Catches a value that slips through, such as True for 1, or a mistake without a remedy."""
    told = [str(problem) for problem in violations("key", value, rule)]
    assert told == [f"key: {value!r} {message}"]


@pytest.mark.parametrize(
    ("rule", "value", "kept"),
    [(SHARE, 0, 0.0), (SHARE, 0.5, 0.5), (COUNT, 3, 3), (SHARE, True, True), (SHARE, "1", "1")],
)
def test_only_whole_numbers_become_floats(rule: Rule, value: Any, kept: Any) -> None:
    """Catches a coercion that makes a legal value of an illegal one."""
    found = rule.coerce(value)
    assert found == kept
    assert type(found) is type(kept)


def test_an_unknown_key_is_told_the_nearest_or_all() -> None:
    """Catches a near miss that is not shown, or a list of keys that buries it."""
    known = ("prompt_length", "prompt_init", "seed")
    assert str(unknown_key("prompt_lengths", known)) == (
        "prompt_lengths: 'prompt_lengths' is not a known key; did you mean 'prompt_length'?"
    )
    assert str(unknown_key("zzz", known)) == (
        "zzz: 'zzz' is not a known key; legal keys: prompt_length, prompt_init, seed"
    )
    assert nearest("zzz", known) is None


def test_an_error_carries_every_problem_in_order() -> None:
    """Catches an error that tells the first mistake only."""
    problems = [
        Problem(key=key, value=0, rule="is wrong", remedy="mend it") for key in ("a", "b", "c")
    ]
    error = ConfigError(iter(problems))
    assert error.problems == tuple(problems)
    assert str(error) == "\n".join(f"{key}: 0 is wrong; mend it" for key in "abc")


def test_a_legal_value_is_known_by_field_type_and_value() -> None:
    """A batch of `True` rows, or of 0.5, that passes because 1 or another field's 0.5 did."""
    legal = LegalValues()
    legal.learn({"batch_size": 1, "dropout": 0.5})
    assert legal.unknown({"batch_size": 1, "dropout": 0.5}) == []
    assert legal.unknown({"batch_size": True, "dropout": 0.25}) == ["batch_size", "dropout"]
    assert legal.unknown({"batch_size": 0.5}) == ["batch_size"]
    assert legal.unknown({"batch_size": 1, "task": ["boolq"]}) == ["batch_size", "task"]

"""The prompts that a replica holds."""

import numpy as np
import pytest
import torch

from runners.prompt.vectors import Vectors
from runners.serving.bank import Bank
from runners.serving.protocol import key_of

CPU = torch.device("cpu")


def _prompt(length: int, width: int = 4, fill: float = 1.0) -> Vectors:
    return np.full((length, width), fill, dtype=np.float32)


def test_a_prompt_comes_back_as_it_went_in() -> None:
    """Catches a prompt that is rounded, transposed, or shared with whoever brought it."""
    bank, vectors = Bank(4, CPU), np.arange(12, dtype=np.float32).reshape(3, 4)
    bank.put("a", vectors)
    vectors[:] = 0
    held = bank.get("a")
    assert held is not None
    assert held.tolist() == np.arange(12).reshape(3, 4).tolist()
    assert bank.get("b") is None
    assert [key for key in "bac" if key not in bank] == ["b", "c"]


def test_the_least_used_prompts_go_first_and_the_bound_holds() -> None:
    """Catches memory that grows with every prompt that was ever served."""
    bank = Bank(4, CPU, most_bytes=3 * 16)
    for key in "abc":
        bank.put(key, _prompt(1))
    bank.get("a")
    bank.put("d", _prompt(1))
    assert [key for key in "abcd" if key not in bank] == ["b"]
    bank.put("e", _prompt(2))
    assert [key for key in "abcde" if key not in bank] == ["a", "b", "c"]
    bank.put("f", _prompt(9))
    assert [key for key in "abcdef" if key not in bank] == ["a", "b", "c", "d", "e"]


def test_a_prompt_that_is_put_again_counts_once() -> None:
    """Catches a bank that fills up with prompts that it already has."""
    bank = Bank(4, CPU, most_bytes=2 * 16)
    bank.put("a", _prompt(1))
    for _ in range(5):
        bank.put("b", _prompt(1))
    assert [key for key in "ab" if key not in bank] == []


def test_a_prompt_of_another_model_is_refused() -> None:
    """Catches a prompt of another width, which would fail in the middle of somebody's batch."""
    with pytest.raises(ValueError, match=r"prompt a: width 5 is not the 4 of the model; serve it"):
        Bank(4, CPU).put("a", _prompt(1, width=5))
    with pytest.raises(ValueError, match="prompt a: row 0, column 0: nan is not finite"):
        Bank(4, CPU).put("a", _prompt(1, fill=float("nan")))


def test_a_key_tells_prompts_apart() -> None:
    """Catches prompts of the same numbers in another shape that would be taken for each other."""
    assert key_of(_prompt(2, 6)) != key_of(_prompt(3, 4))
    assert key_of(_prompt(2)) == key_of(_prompt(2))
    assert len(key_of(_prompt(2))) == 16

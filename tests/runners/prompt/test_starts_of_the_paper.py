"""Initializers beside transcriptions of what the paper and its released code say.

Sources: Lester et al. 2021, 3.2 and footnote 7; `prompt_tuning/prompts.py` and
its configs. What is random is drawn from fixed seeds, so a verdict never
changes from one run to the next.
"""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from transformers import T5Tokenizer

from runners.catalogue import Catalogue
from runners.config import TrialConfig
from runners.data.source import load_task_data
from runners.model.codec import Codec
from runners.model.t5_backbone import T5Backbone
from runners.prompt.initializers import (
    POPULATION,
    Start,
    class_label,
    random_uniform,
    random_uniform_released,
    sampled_vocab,
)
from runners.tasks.superglue import TASKS
from runners.training.method import METHODS

VOCABULARY = 32_128
"""Rows of T5's embedding table, of which its tokenizer names 32,100."""

WORDS: dict[str, tuple[str, ...]] = {
    "boolq": ("False", "True"),
    "cb": ("entailment", "contradiction", "neutral"),
    "copa": ("choice1", "choice2"),
    "multirc": ("False", "True"),
    "record": ("commonsense", "reasoning", "reading", "comprehension"),
    "rte": ("entailment", "not_entailment"),
    "wic": ("False", "True"),
    "wsc": ("commonsense", "pronoun", "resolution"),
}
"""Words of the class-label start by task: the classes, or those of footnote 7."""


@pytest.fixture(scope="module")
def t5() -> Codec:
    """A tokenizer with T5's layout: padding, end, unknown, 31,997 pieces and 100 sentinels."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces += [(f"▁{number}", -float(number)) for number in range(31_997)]
    return Codec(tokenizer=T5Tokenizer(vocab=pieces, extra_ids=100), continues=False)


def _start(
    length: int,
    *,
    pieces: Sequence[int] = range(VOCABULARY),
    labels: Sequence[Sequence[int]] = (),
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
) -> Start:
    """A start whose embedding has the row's id as its first number."""
    table = torch.randn(VOCABULARY, 3, generator=torch.Generator().manual_seed(0)).to(dtype)
    table[:, 0] = torch.arange(VOCABULARY).to(dtype)
    rng = np.random.default_rng(seed)
    return Start(length=length, table=table, pieces=pieces, labels=labels, rng=rng)


def _ids(prompt: Tensor) -> list[int]:
    return [int(first) for first in prompt[:, 0]]


@pytest.mark.parametrize(("draw", "low"), [(random_uniform, -0.5), (random_uniform_released, 0.0)])
def test_random_uniform(draw: Callable[[Start], Tensor], low: float) -> None:
    """Catches another range, another shape of the distribution, or a draw from global state.

    The paper says [-0.5, 0.5]; `linen.initializers.uniform(scale=0.5)` of the
    configs is [0, 0.5).
    """
    found = draw(_start(400, seed=5))
    unit = np.random.default_rng(5).random((400, 3))
    expected = torch.from_numpy(low + (0.5 - low) * unit).float()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-7)
    test = stats.kstest(found.flatten().numpy(), stats.uniform(loc=low, scale=0.5 - low).cdf)
    assert test.pvalue > 0.01


def test_sampled_vocab_is_of_the_first_5000_ordinary_pieces(t5: Codec) -> None:
    """Catches padding, end or unknown in a prompt, and pieces after the first 5,000.

    The released code samples the ids below 5,000, with those three among them.
    Without them, ids 5,000 to 5,002 take their places: this is a deviation.
    """
    pieces = t5.ordinary_pieces
    assert (len(t5.tokenizer), len(pieces)) == (32_100, 31_997)
    assert pieces[:POPULATION] == list(range(3, 5003))
    drawn: set[int] = set()
    for seed in range(25):
        ids = _ids(sampled_vocab(_start(1000, pieces=pieces, seed=seed)))
        assert len(set(ids)) == 1000
        drawn |= set(ids)
    # A piece is left out by all 25 draws with probability 0.8 ** 25, which is 0.4%.
    assert drawn <= set(range(3, 5003))
    assert len(drawn) > 4950
    assert set(_ids(sampled_vocab(_start(POPULATION, pieces=pieces)))) == set(range(3, 5003))


def test_sampled_vocab_draws_all_pieces_alike() -> None:
    """Catches a draw that prefers some pieces, or some positions for them."""
    pieces = list(range(40, 50))
    counts: Counter[tuple[int, int]] = Counter()
    for seed in range(2000):
        ids = _ids(sampled_vocab(_start(4, pieces=pieces, seed=seed)))
        counts.update(enumerate(ids))
    assert len(counts) == 4 * len(pieces)
    assert stats.chisquare(list(counts.values())).pvalue > 0.01


def test_sampled_vocab_repeats_only_where_there_are_too_few_pieces() -> None:
    """Catches an error, or fewer vectors, for a prompt longer than the vocabulary."""
    pieces = list(range(40, 50))
    assert sorted(_ids(sampled_vocab(_start(10, pieces=pieces)))) == pieces
    longer = _ids(sampled_vocab(_start(200, pieces=pieces)))
    assert len(longer) == 200
    assert set(longer) == set(pieces)


def _transcribed(start: Start, sampled: Tensor) -> list[list[float]]:
    """Label by label: the mean of its pieces, one position each, over a sampled prompt."""
    rows = sampled.double().tolist()
    for position, pieces in enumerate(start.labels):
        if position == len(rows):
            break
        columns = zip(*(start.table[piece].double().tolist() for piece in pieces), strict=True)
        rows[position] = [sum(column) / len(pieces) for column in columns]
    return rows


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("length", [1, 2, 3, 4, 9])
def test_class_label(length: int, dtype: torch.dtype) -> None:
    """Catches a sum for a mean, a lost order, a label over two positions, or a mean in bfloat16."""
    labels = [[11, 200, 7], [5], [9, 9]]
    start = _start(length, labels=labels, seed=2, dtype=dtype)
    expected = torch.tensor(_transcribed(start, sampled_vocab(_start(length, seed=2, dtype=dtype))))
    found = class_label(start)
    assert found.dtype is torch.float32
    torch.testing.assert_close(found, expected.float(), rtol=1e-6, atol=1e-6)


def test_every_task_has_its_words() -> None:
    """Catches a task whose start this file does not check."""
    assert WORDS.keys() == TASKS.keys()


@pytest.mark.parametrize("task", sorted(WORDS))
def test_class_label_of_a_task(
    backbone: T5Backbone, config: Callable[..., TrialConfig], task: str
) -> None:
    """Catches words of another task, or their end-of-sequence, on the way into the prompt.

    The words are cut into pieces here by the tokenizer itself, and the end that
    it adds is taken off, as `vocab.encode` of the released code adds none.
    """
    trial = config(task=task, prompt_length=6, prompt_init="class_label")
    data = load_task_data(trial, backbone.codec, Catalogue())
    found = METHODS["prompt_tuning"].parameters(trial, backbone, data)["prompt"]
    sampled = METHODS["prompt_tuning"].parameters(
        config(task=task, prompt_length=6, prompt_init="sampled_vocab"), backbone, data
    )["prompt"]
    table, end = backbone.embedding_table(), backbone.codec.end_id
    for position, word in enumerate(WORDS[task]):
        pieces = backbone.codec.tokenizer(word)["input_ids"]
        assert pieces[-1] == end
        torch.testing.assert_close(found[position], table[pieces[:-1]].mean(dim=0))
    assert torch.equal(found[len(WORDS[task]) :], sampled[len(WORDS[task]) :])

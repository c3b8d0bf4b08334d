"""Where PEFT does something else than the paper, and that this project does what the paper says.

Lester et al. 2021, 3.2, beside `peft/tuners/prompt_tuning/model.py` of PEFT 0.21.2.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from peft import PromptTuningConfig
from torch import Tensor

from runners.data.batching import Encoded
from runners.model.checkpoint import LADDER
from runners.prompt.initializers import (
    Start,
    class_label,
    random_uniform,
    random_uniform_released,
    sampled_vocab,
)

if TYPE_CHECKING:
    from tests.runners.prompt.conftest import Subject

# One kind of model and one precision are enough for what no arithmetic decides.
pytestmark = pytest.mark.parametrize(
    ("subject", "precision"), [("t5_1_1", "float32")], indirect=True
)

WORDS = ("commonsense", "reasoning")
"""Two of ReCoRD's words, each of several pieces."""


def _pefts(subject: "Subject", length: int, **options: Any) -> Tensor:
    """The prompt with which PEFT starts."""
    torch.manual_seed(0)
    oracle = subject.oracle(torch.zeros(length, subject.backbone.width), **options)
    return oracle.prompt.detach()


def _start(subject: "Subject", length: int) -> Start:
    codec = subject.backbone.codec
    return Start(
        length=length,
        table=subject.backbone.embedding_table(),
        pieces=codec.ordinary_pieces,
        labels=codec.words(WORDS),
        rng=np.random.default_rng(0),
    )


def _ids(subject: "Subject", prompt: Tensor) -> list[int]:
    """Which rows of the embedding a prompt is made of."""
    table = subject.backbone.embedding_table()
    found: list[int] = torch.cdist(prompt, table).argmin(dim=1).tolist()
    assert torch.equal(table[found], prompt)
    return found


def test_random_is_normal_in_peft_and_uniform_in_the_paper(subject: "Subject") -> None:
    """Catches a random start of PEFT's width, twice the paper's range and without a bound."""
    theirs = _pefts(subject, 500, prompt_tuning_init="RANDOM")
    assert float(theirs.std()) == pytest.approx(1.0, abs=0.02)
    assert float(theirs.abs().max()) > 3
    ours, released = (
        random_uniform(_start(subject, 500)),
        random_uniform_released(_start(subject, 500)),
    )
    assert float(ours.abs().max()) <= 0.5
    assert float(ours.std()) == pytest.approx(12**-0.5, abs=0.01)
    assert float(released.std()) == pytest.approx(0.5 * 12**-0.5, abs=0.01)


def test_sampled_vocab_is_of_all_rows_in_peft_and_of_likely_pieces_in_the_paper(
    subject: "Subject",
) -> None:
    """Catches rows of padding and sentinels in a prompt, or the same piece at two positions."""
    ordinary = set(subject.backbone.codec.ordinary_pieces)
    theirs = _ids(subject, _pefts(subject, 500, prompt_tuning_init="SAMPLE_VOCAB"))
    assert len(set(theirs)) < 500
    assert not set(theirs) <= ordinary
    ours = _ids(subject, sampled_vocab(_start(subject, 500)))
    assert len(set(ours)) == 500
    assert set(ours) <= ordinary


def test_text_is_repeated_in_peft_and_labels_are_one_position_each_in_the_paper(
    subject: "Subject",
) -> None:
    """Catches a class-label start that is a text, with its end-of-sequence, over and over."""
    tokenizer = subject.backbone.codec.tokenizer
    text = tokenizer(" ".join(WORDS))["input_ids"]
    assert text[-1] == tokenizer.eos_token_id and len(text) > len(WORDS) + 1
    theirs = _pefts(
        subject, 2 * len(text), prompt_tuning_init="TEXT", prompt_tuning_init_text=" ".join(WORDS),
        tokenizer_name_or_path=str(LADDER / "tokenizer"),
    )  # fmt: skip
    assert _ids(subject, theirs) == text * 2
    start = _start(subject, 2 * len(text))
    ours, table = class_label(start), subject.backbone.embedding_table()
    for position, pieces in enumerate(start.labels):
        torch.testing.assert_close(ours[position], table[list(pieces)].mean(dim=0))
    assert len(set(_ids(subject, ours[len(WORDS) :]))) == 2 * len(text) - len(WORDS)


def test_pefts_default_has_twice_the_rows_and_half_of_them_are_dead(
    subject: "Subject", rows: list[Encoded]
) -> None:
    """Catches parameters that are counted and saved and never read.

    PEFT means the second half for the decoder of an encoder-decoder and does not use it.
    """
    oracle = subject.oracle(torch.zeros(5, 1), num_transformer_submodules=None)
    assert len(oracle.prompt) == 10
    oracle.losses(rows[0]).sum().backward()
    assert oracle.prompt.grad is not None
    assert oracle.prompt.grad[:5].abs().min() > 0
    assert not oracle.prompt.grad[5:].any()
    prompt = subject.prompt(5)
    subject.losses([prompt], [0], rows[:1]).sum().backward()
    assert prompt.grad is not None and prompt.grad.abs().min() > 0


def test_rows_of_two_prompts_get_one_of_them_in_peft(
    subject: "Subject", rows: list[Encoded]
) -> None:
    """Catches a mixed batch in which every row is answered by the prompt that is active."""
    first, second = subject.prompt(5), subject.prompt(6)[1:].detach()
    oracle = subject.oracle(first)
    oracle.model.add_adapter(
        "second",
        PromptTuningConfig(
            task_type="SEQ_2_SEQ_LM", num_virtual_tokens=5, num_transformer_submodules=1
        ),
    )
    oracle.model.prompt_encoder["second"].embedding.weight.data = second.clone()
    ids = torch.from_numpy(rows[0].input_ids)[None].repeat(2, 1)
    labels = torch.from_numpy(rows[0].target_ids)[None].repeat(2, 1)
    theirs = oracle.model(input_ids=ids, labels=labels, adapter_names=["default", "second"]).logits
    torch.testing.assert_close(theirs[0], theirs[1])
    ours = subject.losses([first, second], [0, 1], [rows[0], rows[0]])
    assert float((ours[0] - ours[1]).abs().max().detach()) > 0.01

"""Rows, prompts and answers against the positions that a model has."""

import re
from collections.abc import Callable

import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config

from runners.catalogue import Catalogue
from runners.config import TrialConfig
from runners.data.positions import check_positions
from runners.data.source import load_task_data
from runners.model.causal_backbone import CausalBackbone
from runners.model.t5_backbone import T5Backbone
from runners.rules import ConfigError
from runners.training.pack import run_pack, start
from runners.training.trial import TrialRun
from tests.runners.conftest import Wrap

Make = Callable[..., TrialConfig]


class _Done:
    """An observer that counts."""

    count = 0

    def finished(self, run: TrialRun) -> None:
        self.count += 1

    def diverged(self, run: TrialRun, reason: str) -> None:
        pytest.fail(reason)


def _gpt2(as_causal: Wrap, positions: int) -> CausalBackbone:
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=700, n_embd=16, n_layer=1, n_head=2, n_positions=positions)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    return as_causal(model)


def test_a_row_has_as_many_positions_as_the_model_and_no_more(
    as_causal: Wrap, config: Make
) -> None:
    """Catches an IndexError in the middle of a step, and a limit that is off by one."""
    trial = config(train_steps=1, eval_every=1, train_examples=16, dev_examples=4, batch_size=16)
    data = load_task_data(trial, _gpt2(as_causal, 16).codec, Catalogue())
    longest = max(len(row.input_ids) + len(row.target_ids) for row in data.train)
    asked = max(len(row.input_ids) for row in data.dev) + data.target_limit
    needed = 5 + max(longest, asked) - 1
    done = _Done()
    enough = _gpt2(as_causal, needed)
    list(run_pack(enough, iter([start([trial], enough, Catalogue())]), slots=1, observer=done))
    assert done.count == 1
    said = f"are {needed} positions with 5 of the prompt and .* and the model has {needed - 1}; "
    with pytest.raises(ConfigError, match=f"^input_length: 512 lets boolq have rows .*{said}give "):
        start([trial], _gpt2(as_causal, needed - 1), Catalogue())


def test_what_is_no_answer_to_a_long_prompt_is_not_said(
    backbone: T5Backbone, as_causal: Wrap, config: Make
) -> None:
    """Catches an input_length below 1 as the way out; and a T5, which counts distances, refused."""
    trial = config(prompt_length=150)
    data = load_task_data(trial, _gpt2(as_causal, 16).codec, Catalogue())
    with pytest.raises(ConfigError, match=re.escape("has 128; shorten the prompt")):
        check_positions(trial, [data], 128)
    check_positions(trial, [data], backbone.positions)

"""One step of prompt tuning of a decoder-only model: the shape of SmolLM2 135M, inputs as SST-2's.

The peer is PEFT around the stock model of `transformers` with its default attention, rows
padded as a collator pads them; both sides compute in the precision that the cores are fast
in. Ours is timed a second time with the prompt computed along with every row, as the peer
does it, so that the factor can be split.
"""

import math
from collections.abc import Iterator, Sequence
from functools import cache
from unittest import mock

import numpy as np
import torch
from peft import PromptTuningConfig, TaskType, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.shape import FAST, Shape, codec_of, padded
from benchmarks.steps import Step, adafactor_step, prompt_run, timed
from benchmarks.table import Line
from runners.data.batching import Encoded
from runners.model.causal_backbone import CausalBackbone
from runners.training import batch_sizes
from runners.training.pack import train_step

LENGTHS = (13, 16, 18, 20, 22, 24, 26, 28, 29, 31, 33, 35, 38, 41, 44, 51)
"""Tokens of SST-2's dev inputs in SmolLM2's vocabulary: the middles of sixteenths of 872 rows."""
TARGET = 2
_SMOLLM2 = LlamaConfig(
    vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30,
    num_attention_heads=9, num_key_value_heads=3, tie_word_embeddings=True, pad_token_id=0,
    max_position_embeddings=2048,
)  # fmt: skip


def measure(prompts: Sequence[int], packs: Sequence[int], repeats: int) -> Iterator[Line]:
    """Two lines for each prompt length, against PEFT and against our own without a cache."""
    for prompt in prompts:
        name = f"step of prompt tuning, Llama 135M, {len(LENGTHS)} rows, prompt {prompt}"
        own, theirs = timed(_ours(prompt, trials=1), _peer(prompt), repeats)
        yield Line(what=name, unit="s", ours=own, peer=theirs)
        for trials in packs:
            own, theirs = timed(
                _ours(prompt, trials=trials), _ours(prompt, trials=trials, along=True), repeats
            )
            yield Line(
                what=f"prompt {prompt} read once for all of its rows, {trials} in a pack",
                unit="s", ours=own, peer=theirs, note="the peer is ours, prompts along with rows",
            )  # fmt: skip


@cache
def _model() -> LlamaForCausalLM:
    """The model as `transformers` runs it, with its default attention."""
    torch.manual_seed(0)
    model = LlamaForCausalLM(_SMOLLM2).to(FAST).eval().requires_grad_(False)
    assert model.config._attn_implementation == "sdpa"
    return model


@cache
def _rows() -> list[Encoded]:
    rng = np.random.default_rng(0)
    return [
        Encoded(input_ids=rng.integers(3, 49152, length), target_ids=rng.integers(3, 49152, TARGET))
        for length in LENGTHS
    ]


def _ours(prompt: int, *, trials: int, along: bool = False) -> Step:
    """A step of so many trials; `along` computes a prompt with every row that has it."""
    model = LlamaForCausalLM(_SMOLLM2).to(FAST).eval().requires_grad_(False)
    model.load_state_dict(_model().state_dict())
    model.set_attn_implementation("eager")
    backbone = CausalBackbone(
        module=model, weights=dict(model.named_parameters()), codec=codec_of(continues=True),
        source="random", fingerprint="", dtype=FAST,
    )  # fmt: skip
    config = Shape(size="small", lengths=LENGTHS).config(prompt_length=prompt)
    runs = [prompt_run(config, _rows(), backbone.width) for _ in range(trials)]
    least = math.inf if along else batch_sizes.ROWS_A_PROMPT

    def step() -> None:
        with mock.patch.object(batch_sizes, "ROWS_A_PROMPT", least):
            for run, loss in zip(runs, train_step(backbone, runs), strict=True):
                run.update(loss)

    return step


def _peer(prompt: int) -> Step:
    config = PromptTuningConfig(task_type=TaskType.CAUSAL_LM, num_virtual_tokens=prompt)
    whole = [
        Encoded(
            input_ids=np.append(row.input_ids, row.target_ids),
            target_ids=np.append(np.full_like(row.input_ids, -100), row.target_ids),
        )
        for row in _rows()
    ]
    tuned = get_peft_model(_model(), config)
    return adafactor_step(tuned, padded(whole), learning_rate=0.3, scale=False)

"""A T5 1.1 of the shape of small with random weights, and inputs as long as real ones.

Notation: B rows, T input tokens, P prompt tokens, H model width.
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from transformers import T5ForConditionalGeneration

from runners.catalogue import Catalogue
from runners.config import TrialConfig, from_mapping
from runners.data.batching import Encoded
from runners.model import products
from runners.model.backbone import IGNORED
from runners.model.codec import Codec
from runners.model.family import shipped
from runners.model.loading import load_pretrained
from runners.model.sizes import T5Shape
from runners.model.t5_backbone import T5Backbone, shape_of
from runners.training.pretrainer import new_model

LENGTHS = (60, 78, 90, 101, 112, 121, 131, 140, 150, 160, 172, 186, 202, 226, 256, 321)
"""Tokens of BoolQ's dev inputs in T5's vocabulary: the middles of sixteenths of 3,270 rows."""
FAST = torch.bfloat16 if products.HAS_INSTRUCTIONS else torch.float32
"""The precision in which the peers are the faster on these cores."""
FAST_NAME = str(FAST).removeprefix("torch.")
TARGET = 3
"""Tokens of an answer, end-of-sequence included."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A size of T5 1.1 and rows for it."""

    size: str
    lengths: tuple[int, ...] = LENGTHS
    target: int = TARGET

    def model(self, dtype: torch.dtype) -> T5ForConditionalGeneration:
        """The model as `transformers` runs it, with its default attention."""
        model = new_model(_shape(self.size), seed=0).to(dtype)
        assert model.config._attn_implementation == "sdpa"
        return model

    def backbone(self, model: T5ForConditionalGeneration, dtype: torch.dtype) -> T5Backbone:
        """The same weights as a backbone that computes in `dtype`."""
        return T5Backbone(
            shape=shape_of(model), dtype=dtype, codec=codec_of(continues=False), source="random",
            fingerprint="", weights={name: p.detach() for name, p in model.named_parameters()},
        )  # fmt: skip

    def rows(self) -> list[Encoded]:
        """Rows of random tokens, of the lengths that there are."""
        rng = np.random.default_rng(0)
        vocabulary = _shape(self.size).vocabulary
        return [
            Encoded(
                input_ids=rng.integers(3, vocabulary, length),
                target_ids=rng.integers(3, vocabulary, self.target),
            )
            for length in self.lengths
        ]

    def config(self, **changes: Any) -> TrialConfig:
        """A trial of prompt tuning whose batch these rows are, with any fields replaced."""
        fields = {
            "method": "prompt_tuning", "model_family": "t5", "model_size": "small", "seed": 0,
            "pretraining_objective": "span_corruption", "lm_adaptation_steps": 0,
            "task": "boolq", "data_source": "published", "train_steps": 1000, "eval_every": 1000,
            "batch_size": len(self.lengths), "learning_rate": 0.3, "compute_dtype": FAST_NAME,
            "prompt_init": "random_uniform", "prompt_length": 20,
        }  # fmt: skip
        return from_mapping({**fields, **changes})


def stock_flops(model: T5ForConditionalGeneration, lengths: tuple[int, ...], prompt: int) -> int:
    """Operations of a step of prompt tuning by `transformers`, counted on real tokens alone.

    Each row by itself and without padding, forward, and backward to the prompt.
    """
    shell = T5ForConditionalGeneration(model.config).to("meta").requires_grad_(False)
    return sum(_flops(shell, prompt + length) for length in lengths)


def _flops(shell: T5ForConditionalGeneration, positions: int) -> int:
    embedded = torch.zeros(1, positions, shell.config.d_model, device="meta", requires_grad=True)
    labels = torch.zeros(1, TARGET, dtype=torch.int64, device="meta")
    with FlopCounterMode(display=False) as counter:
        shell(inputs_embeds=embedded, labels=labels).loss.backward()
    return int(counter.get_total_flops())


def padded(rows: list[Encoded]) -> dict[str, Tensor]:
    """Rows as a collator of `transformers` makes them: padded to the longest, on the right."""
    longest = max(len(row.input_ids) for row in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for place, row in enumerate(rows):
        ids[place, : len(row.input_ids)] = torch.from_numpy(row.input_ids)
        mask[place, : len(row.input_ids)] = 1
    most = max(len(row.target_ids) for row in rows)
    labels = torch.full((len(rows), most), IGNORED)
    for place, row in enumerate(rows):
        labels[place, : len(row.target_ids)] = torch.from_numpy(row.target_ids)
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


@cache
def codec_of(*, continues: bool) -> Codec:
    """A tokenizer, of which a step reads the number of padding alone."""
    found = load_pretrained(Catalogue(), "nano", "60k", "float32").codec
    return replace(found, continues=continues)


def _shape(size: str) -> T5Shape:
    shape = {**shipped()["nano"].rungs, **shipped()["t5"].rungs}[size].shape
    assert shape is not None
    return shape

"""Small random models of every kind, and PEFT's prompt tuning of each as the oracle.

Notation: B rows, T input tokens, D target tokens, P prompt tokens, H model width.
The oracle takes one row at a time and unpadded, so it shares no mistake about padding.
"""

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from peft import PeftModel, PromptTuningConfig, get_peft_model
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    GPTNeoXConfig,
    LlamaConfig,
    MT5Config,
    MT5ForConditionalGeneration,
    PreTrainedModel,
    Qwen3Config,
    T5Config,
    T5ForConditionalGeneration,
)
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from transformers.models.mt5.modeling_mt5 import MT5LayerNorm
from transformers.models.qwen3.modeling_qwen3 import Qwen3RMSNorm
from transformers.models.t5.modeling_t5 import T5LayerNorm

from runners.data.batching import Encoded, collate
from runners.model.causal_backbone import CausalBackbone
from runners.model.codec import Codec
from runners.model.t5_backbone import T5Backbone, shape_of
from runners.prompt.soft_prompt import Prompted, stack

VOCABULARY, END = 700, 1
OF_T5: dict[str, Any] = {
    "vocab_size": VOCABULARY, "d_model": 24, "d_kv": 8, "d_ff": 40, "num_heads": 3,
    "num_layers": 3, "num_decoder_layers": 2, "dropout_rate": 0.1, "decoder_start_token_id": 0,
}  # fmt: skip
OF_DECODERS: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "max_position_embeddings": 128, "bos_token_id": END,
    "eos_token_id": END, "pad_token_id": 0,
}  # fmt: skip


def _gated(kind: Any, config: Any) -> PreTrainedModel:
    """Gated, and with an output layer of its own, which `transformers` 5 would tie in silence."""
    shape = config(**OF_T5, feed_forward_proj="gated-gelu", tie_word_embeddings=False)
    model: PreTrainedModel = kind(shape)
    model.lm_head.weight = torch.nn.Parameter(torch.randn(VOCABULARY, shape.d_model) * 0.3)
    return model


def _t5_1_0() -> PreTrainedModel:
    """Not gated; input embedding and output layer are one."""
    return T5ForConditionalGeneration(T5Config(**OF_T5, feed_forward_proj="relu"))


def _decoder(config: Any) -> PreTrainedModel:
    model: PreTrainedModel = AutoModelForCausalLM.from_config(config)
    return model


MODELS: Mapping[str, Callable[[], PreTrainedModel]] = {
    "t5_1_1": lambda: _gated(T5ForConditionalGeneration, T5Config),
    "mt5": lambda: _gated(MT5ForConditionalGeneration, MT5Config),
    "t5_1_0": _t5_1_0,
    "llama": lambda: _decoder(LlamaConfig(**OF_DECODERS, num_key_value_heads=2)),
    "gpt_neox": lambda: _decoder(GPTNeoXConfig(**OF_DECODERS)),
    "qwen3": lambda: _decoder(Qwen3Config(**OF_DECODERS, num_key_value_heads=2, head_dim=8)),
}


@dataclass(frozen=True, kw_only=True)
class Precision:
    """What both sides compute in, and how far they may be apart, relative and absolute.

    `attention` is the one of `transformers`: "eager", which `load_causal` asks
    for, rounds its softmax to float32 whatever the model computes in.
    """

    dtype: torch.dtype
    attention: str
    tolerance: float

    def close(self, ours: Tensor, theirs: Tensor) -> None:
        """Raises AssertionError where the two are further apart than the tolerance."""
        torch.testing.assert_close(ours, theirs, rtol=self.tolerance, atol=self.tolerance)


PRECISIONS: Mapping[str, Precision] = {
    "float32": Precision(dtype=torch.float32, attention="eager", tolerance=1e-5),
    "float64": Precision(dtype=torch.float64, attention="sdpa", tolerance=1e-12),
}


def _norm_in_own_precision(self: Any, x: Tensor) -> Tensor:
    """The norm of T5, Llama and Qwen3, which `transformers` computes in float32."""
    scale: Tensor = torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + self.variance_epsilon)
    return self.weight * x * scale  # type: ignore[no-any-return]


@pytest.fixture(params=PRECISIONS)
def precision(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Precision:
    """Float32 as the project runs, and float64 throughout."""
    found = PRECISIONS[request.param]
    if found.dtype is torch.float64:
        for norm in (T5LayerNorm, MT5LayerNorm, LlamaRMSNorm, Qwen3RMSNorm):
            monkeypatch.setattr(norm, "forward", _norm_in_own_precision)
    return found


@dataclass(frozen=True, kw_only=True)
class Oracle:
    """A model under PEFT's prompt tuning; rows go in one at a time, unpadded."""

    model: PeftModel
    continues: bool

    @property
    def prompt(self) -> Tensor:
        """What trains [P, H]."""
        return self.model.get_parameter("prompt_encoder.default.embedding.weight")

    def losses(self, row: Encoded) -> Tensor:
        """Losses of the row's target tokens [D], from PEFT's logits."""
        ids, targets = _batch_of_one(row)
        if self.continues:
            read = torch.cat((ids, targets[:, :-1]), dim=1)
            scores = self.model(input_ids=read).logits[0, -targets.shape[1] :]
        else:
            scores = self.model(input_ids=ids, labels=targets).logits[0]
        return F.cross_entropy(scores, targets[0], reduction="none")

    def mean_loss(self, row: Encoded) -> Tensor:
        """PEFT's own loss of the row."""
        ids, targets = _batch_of_one(row)
        if self.continues:
            labels = torch.cat((torch.full_like(ids, -100), targets), dim=1)
            ids = torch.cat((ids, targets), dim=1)
        else:
            labels = targets
        loss: Tensor = self.model(input_ids=ids, labels=labels).loss
        return loss

    def answer(self, row: Encoded, *, limit: int) -> list[int]:
        """PEFT's greedy answer, end-of-sequence included where it comes."""
        ids, _ = _batch_of_one(row)
        said = self.model.generate(  # type: ignore[no-untyped-call]
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=limit,
            do_sample=False,
        )  # fmt: skip
        first = ids.shape[1] if self.continues else 1
        answer: list[int] = said[0, first:].tolist()
        return answer


def _batch_of_one(row: Encoded) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(row.input_ids)[None], torch.from_numpy(row.target_ids)[None]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One frozen random model: as `transformers` has it, and behind the project's interface."""

    module: PreTrainedModel
    backbone: T5Backbone | CausalBackbone
    precision: Precision

    def losses(
        self, prompts: Sequence[Tensor], owner: Sequence[int], rows: Sequence[Encoded]
    ) -> Tensor:
        """Our losses of all rows in one batch [B, D], row i behind `prompts[owner[i]]`."""
        batch, weights = collate(rows, self.backbone.codec), self.backbone.weights
        embedded = self.backbone.embed(weights, batch.input_ids)
        before = Prompted(bank=stack(prompts), of_row=torch.tensor(owner))
        return self.backbone.losses(weights, embedded, batch.mask, batch.targets, prompts=before)

    def answers(
        self,
        prompts: Sequence[Tensor],
        owner: Sequence[int],
        rows: Sequence[Encoded],
        *,
        limit: int,
    ) -> list[list[int]]:
        """Our greedy answers to all rows in one batch, padded after end-of-sequence."""
        batch, weights = collate(rows, self.backbone.codec), self.backbone.weights
        embedded = self.backbone.embed(weights, batch.input_ids)
        before = Prompted(bank=stack(prompts), of_row=torch.tensor(owner))
        said = self.backbone.generate(weights, embedded, batch.mask, limit=limit, prompts=before)
        answers: list[list[int]] = said.tolist()
        return answers

    def prompt(self, length: int) -> Tensor:
        """A random prompt [P, H] of which gradients can be asked."""
        generator = torch.Generator().manual_seed(length)
        drawn = torch.randn(length, self.backbone.width, generator=generator)
        return drawn.to(self.precision.dtype).requires_grad_()

    def oracle(self, prompt: Tensor, **options: Any) -> Oracle:
        """The model under PEFT with this prompt, or with PEFT's own start where options say so."""
        continues = self.backbone.codec.continues
        settings = {"num_virtual_tokens": len(prompt), "num_transformer_submodules": 1} | options
        config = PromptTuningConfig(
            task_type="CAUSAL_LM" if continues else "SEQ_2_SEQ_LM", **settings
        )
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
            model = get_peft_model(copy.deepcopy(self.module), config).eval()
        oracle = Oracle(model=model, continues=continues)
        if not options:
            oracle.prompt.data = prompt.detach().clone()
        return oracle


@pytest.fixture(params=MODELS)
def subject(request: pytest.FixtureRequest, precision: Precision, backbone: T5Backbone) -> Subject:
    """Every kind of model in every precision, its weights far from zero."""
    torch.manual_seed(0)
    module = MODELS[request.param]().to(precision.dtype).eval()
    module.set_attn_implementation(precision.attention)
    is_t5 = "t5" in request.param
    for parameter in module.parameters():
        parameter.requires_grad_(False)
        if parameter.dim() > 1 and not is_t5:
            parameter.mul_(8)
    # A loud end-of-sequence, so that some answers stop early.
    module.get_output_embeddings().weight[END] *= 3
    weights = {name: parameter.detach() for name, parameter in module.named_parameters()}
    made: dict[str, Any] = {
        "weights": weights, "dtype": precision.dtype, "source": "random", "fingerprint": "random",
        "codec": Codec(tokenizer=backbone.codec.tokenizer, continues=not is_t5),
    }  # fmt: skip
    if is_t5:
        return Subject(
            module=module, backbone=T5Backbone(shape=shape_of(module), **made), precision=precision
        )
    return Subject(
        module=module, backbone=CausalBackbone(module=module, **made), precision=precision
    )


@pytest.fixture(scope="session")
def rows() -> list[Encoded]:
    """Rows whose inputs and targets are all of unlike length."""
    rng = np.random.default_rng(1)
    lengths = ((9, 3), (4, 5), (17, 1), (1, 4), (30, 2))
    return [
        Encoded(
            input_ids=rng.integers(3, 600, size=inputs),
            target_ids=rng.integers(3, 600, size=targets),
        )
        for inputs, targets in lengths
    ]

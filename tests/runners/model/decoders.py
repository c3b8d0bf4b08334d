"""Small decoder-only models with random weights, rows for them, and `transformers` on one row."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    Gemma3TextConfig,
    GPTNeoConfig,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    MptConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen3Config,
)

from runners.model.backbone import IGNORED
from runners.model.causal_backbone import CausalBackbone
from runners.prompt.soft_prompt import Prompted, stack

SMALL: dict[str, Any] = {
    "vocab_size": 700, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "max_position_embeddings": 128, "bos_token_id": 1, "eos_token_id": 1,
    "pad_token_id": 0, "use_cache": True,
}  # fmt: skip
CONFIGS: dict[str, Callable[[], Any]] = {
    "llama": lambda: LlamaConfig(**SMALL, num_key_value_heads=2, tie_word_embeddings=True),
    "untied": lambda: LlamaConfig(**SMALL, num_key_value_heads=4, tie_word_embeddings=False),
    "gpt_neox": lambda: GPTNeoXConfig(**SMALL, tie_word_embeddings=False),
    "qwen2": lambda: Qwen2Config(**SMALL, num_key_value_heads=2, tie_word_embeddings=True),
    "qwen3": lambda: Qwen3Config(**SMALL, num_key_value_heads=2, head_dim=8),
}
WINDOWED: dict[str, Callable[[int], Any]] = {
    "mistral": lambda window: MistralConfig(**SMALL, num_key_value_heads=2, sliding_window=window),
    "gemma3": lambda window: Gemma3TextConfig(
        **SMALL, num_key_value_heads=2, head_dim=8, sliding_window=window,
        layer_types=["sliding_attention", "full_attention"],
    ),
    "gpt_neo": lambda window: GPTNeoConfig(
        vocab_size=700, hidden_size=32, num_layers=2, num_heads=4, intermediate_size=48,
        max_position_embeddings=128, attention_types=[[["global", "local"], 1]],
        window_size=window, bos_token_id=1, eos_token_id=1, pad_token_id=0,
    ),
}  # fmt: skip
"""Models with a layer that reads a window of so many positions, by place."""


def mpt() -> Any:
    """A model that has no window and tells distances by place (ALiBi)."""
    return MptConfig(vocab_size=700, d_model=32, n_heads=4, n_layers=2, max_seq_len=128)


LENGTHS = (9, 4, 7)


def random_decoder(kind: str) -> PreTrainedModel:
    """A frozen model of one of `CONFIGS`."""
    return random_model(CONFIGS[kind]())


def random_model(config: Any) -> PreTrainedModel:
    """A frozen model, its weights far from zero."""
    torch.manual_seed(0)
    made: PreTrainedModel = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    for parameter in made.parameters():
        parameter.requires_grad_(False)
        if parameter.dim() > 1:
            parameter.mul_(8)
    return made.eval()


def rows(width: int) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """Inputs, prompts of unlike length, and targets [3, D] of unlike length."""
    generator = torch.Generator().manual_seed(1)
    inputs = [torch.randint(3, 600, (length,), generator=generator) for length in LENGTHS]
    prompts = [torch.randn(length, width, generator=generator) for length in (5, 2, 3)]
    targets = torch.randint(3, 600, (3, 4), generator=generator)
    targets[1, 2:] = IGNORED
    return inputs, prompts, targets


def padded(causal: CausalBackbone, inputs: list[Tensor]) -> tuple[Tensor, Tensor]:
    """All rows in one batch, padded as `collate` pads: embedded [B, T, H], mask [B, T]."""
    longest = max(map(len, inputs))
    ids = torch.stack([F.pad(row, (longest - len(row), 0)) for row in inputs])
    mask = torch.stack([F.pad(torch.ones_like(row), (longest - len(row), 0)) for row in inputs])
    return causal.embed(causal.weights, ids), mask


def batched(
    causal: CausalBackbone, inputs: list[Tensor], prompts: list[Tensor]
) -> tuple[Tensor, Tensor]:
    """The same, each behind its own prompt."""
    embedded, mask = padded(causal, inputs)
    every = Prompted(bank=stack(prompts), of_row=torch.arange(len(inputs)))
    return every.before(embedded, mask)


def said_alone(module: PreTrainedModel, prompt: Tensor, ids: Tensor, limit: int) -> list[int]:
    """A greedy answer to one unpadded row by plain `transformers`, without a cache."""
    embed = module.get_input_embeddings()
    said: list[int] = []
    while len(said) < limit and 1 not in said:
        after = embed(torch.tensor(said, dtype=torch.int64))
        scores = module(inputs_embeds=torch.cat((prompt, embed(ids), after))[None]).logits
        said.append(int(scores[0, -1].argmax()))
    return said


def alone(module: PreTrainedModel, prompt: Tensor, ids: Tensor, targets: Tensor) -> Tensor:
    """Losses of one unpadded row by plain `transformers`."""
    targets = targets[targets != IGNORED]
    embed = module.get_input_embeddings()
    whole = torch.cat((prompt, embed(ids), embed(targets[:-1])))[None]
    scores = module(inputs_embeds=whole).logits[0, -len(targets) :]
    return F.cross_entropy(scores, targets, reduction="none")

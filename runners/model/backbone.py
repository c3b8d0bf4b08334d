"""The frozen model behind one small interface, and how to load one.

Notation: B rows, T input tokens, D target tokens, H model width, V vocabulary.
The trainer, evaluation and serving know only `Backbone`; an encoder-decoder
fills it here, and a decoder-only model can fill it as well.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerBase, T5ForConditionalGeneration
from transformers.utils.logging import EmptyTqdm, set_tqdm_hook

from runners.model import t5
from runners.model.dropout import NONE, Dropout
from runners.model.t5 import T5Dimensions, Weights

IGNORED = -100
"""The target id of padding, which has no loss."""


class Backbone(Protocol):
    """A language model as functions of its weights, which callers may replace or train."""

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """From text to ids and back."""

    @property
    def weights(self) -> Weights:
        """The frozen weights by their names in the checkpoint."""

    @property
    def fingerprint(self) -> str:
        """16 hex digits that tell these weights from any others."""

    @property
    def width(self) -> int:
        """H."""

    @property
    def parameter_count(self) -> int:
        """All parameters of the model, prompts excluded."""

    def embedding_table(self) -> Tensor:
        """The frozen input embedding [V, H]."""

    def embed(self, weights: Weights, ids: Tensor) -> Tensor:
        """Token ids [B, T] -> [B, T, H] in the compute dtype."""

    def losses(
        self,
        weights: Weights,
        embedded: Tensor,
        mask: Tensor,
        targets: Tensor,
        dropout: Dropout = NONE,
    ) -> Tensor:
        """Cross-entropy of each target token in nats, 0 where the target is `IGNORED`.

        embedded [B, T, H], mask [B, T], targets [B, D] -> [B, D].
        """

    def generate(self, weights: Weights, embedded: Tensor, mask: Tensor, *, limit: int) -> Tensor:
        """Greedy continuations of at most `limit` tokens, padded after end-of-sequence.

        embedded [B, T, H], mask [B, T] -> [B, up to limit].
        """


@dataclass(frozen=True, kw_only=True, eq=False)
class T5Backbone:
    """A T5 1.1 checkpoint as a `Backbone`; `weights` are in the compute dtype and never change."""

    shape: T5Dimensions
    weights: Weights
    tokenizer: PreTrainedTokenizerBase
    fingerprint: str
    dtype: torch.dtype

    @property
    def width(self) -> int:
        return self.weights["shared.weight"].shape[1]

    @property
    def parameter_count(self) -> int:
        return sum(weight.numel() for weight in self.weights.values())

    def embedding_table(self) -> Tensor:
        return self.weights["shared.weight"]

    def embed(self, weights: Weights, ids: Tensor) -> Tensor:
        return t5.embed(weights, ids).to(self.dtype)

    def losses(
        self,
        weights: Weights,
        embedded: Tensor,
        mask: Tensor,
        targets: Tensor,
        dropout: Dropout = NONE,
    ) -> Tensor:
        encoded = t5.encode(self.shape, weights, embedded, mask, dropout)
        memory = t5.remember(self.shape, weights, encoded, mask)
        shifted = F.pad(targets[:, :-1].clamp(min=0), (1, 0), value=self.shape.start_id)
        hidden = t5.decode(self.shape, weights, shifted, memory, dropout)
        scores = t5.logits(weights, hidden).transpose(1, 2)  # [B, V, D]
        return F.cross_entropy(scores, targets, ignore_index=IGNORED, reduction="none")

    @torch.no_grad()
    def generate(self, weights: Weights, embedded: Tensor, mask: Tensor, *, limit: int) -> Tensor:
        encoded = t5.encode(self.shape, weights, embedded, mask, NONE)
        memory = t5.remember(self.shape, weights, encoded, mask)
        ids = torch.full((embedded.shape[0], 1), self.shape.start_id, device=embedded.device)
        going = torch.ones(embedded.shape[0], dtype=torch.bool, device=embedded.device)
        pad, end = self.tokenizer.pad_token_id, self.tokenizer.eos_token_id
        for _ in range(limit):
            hidden = t5.decode(self.shape, weights, ids, memory, NONE)[:, -1]
            chosen = t5.logits(weights, hidden).argmax(dim=-1)
            chosen = torch.where(going, chosen, torch.full_like(chosen, pad))
            ids = torch.cat((ids, chosen[:, None]), dim=1)
            going &= chosen != end
            if not going.any():
                break
        return ids[:, 1:]


_TIED = {
    name: source
    for name, source in T5ForConditionalGeneration._tied_weights_keys.items()
    if name != "lm_head.weight"
}


class _UntiedT5(T5ForConditionalGeneration):
    """T5 whose output layer is never tied to its input embedding.

    `transformers` 5 ties the two of every T5 unless a checkpoint has both and
    they differ; T5 1.1 has an output layer of its own.
    """

    _tied_weights_keys = _TIED


def load_t5(
    checkpoint: Path | str,
    *,
    fingerprint: str,
    tokenizer: Path | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> T5Backbone:
    """The T5 1.1 checkpoint of a local folder or a hub id, frozen, in evaluation mode.

    `tokenizer` is a folder or hub id of its own where checkpoints share one,
    `fingerprint` what tells the checkpoint from others.
    Raises ValueError for a T5 that is not T5 1.1, or that lacks weights.
    """
    model, missing = _read(checkpoint)
    shape = shape_of(model)
    if missing:
        raise ValueError(
            f"model {str(checkpoint)!r}: {', '.join(missing)} is not in the checkpoint; give one "
            "with every weight of T5 1.1"
        )
    weights = {name: p.detach() for name, p in model.named_parameters()}
    return T5Backbone(
        shape=shape,
        weights={name: weight.to(dtype) for name, weight in weights.items()},
        tokenizer=AutoTokenizer.from_pretrained(tokenizer or checkpoint),
        fingerprint=fingerprint,
        dtype=dtype,
    )


def _read(checkpoint: Path | str) -> tuple[T5ForConditionalGeneration, list[str]]:
    """The model, and the names of weights that the checkpoint lacks."""
    loaded: Any  # A pair, of which the annotation of `from_pretrained` knows nothing.
    with _no_bars():
        loaded = _UntiedT5.from_pretrained(
            checkpoint, dtype=torch.float32, output_loading_info=True
        )
    model, found = loaded
    return model, sorted(found["missing_keys"])


@contextmanager
def _no_bars() -> Iterator[None]:
    """`transformers` without bars over its own work; a download from the hub keeps its bar."""
    before = set_tqdm_hook(lambda _, args, kwargs: EmptyTqdm(*args, **kwargs))
    try:
        yield
    finally:
        set_tqdm_hook(before)


def shape_of(model: T5ForConditionalGeneration) -> T5Dimensions:
    """The dimensions of a loaded model; raises ValueError for a T5 that is not T5 1.1."""
    config = model.config
    if config.scale_decoder_outputs or config.feed_forward_proj != "gated-gelu":
        raise ValueError(
            f"model {config.name_or_path!r}: scale_decoder_outputs "
            f"{config.scale_decoder_outputs}, feed_forward_proj {config.feed_forward_proj!r} "
            "is not T5 1.1; give a checkpoint with untied embeddings and gated-gelu"
        )
    assert config.num_decoder_layers is not None
    return T5Dimensions(
        layers=config.num_layers,
        decoder_layers=config.num_decoder_layers,
        heads=config.num_heads,
        head_width=config.d_kv,
        buckets=config.relative_attention_num_buckets,
        max_distance=config.relative_attention_max_distance,
        epsilon=config.layer_norm_epsilon,
        start_id=config.decoder_start_token_id,
    )

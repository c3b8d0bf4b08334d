"""T5 behind the project's interface, and how to read one.

Notation: B rows, T input tokens, D target tokens, H model width, V vocabulary.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import (
    MT5ForConditionalGeneration,
    PreTrainedModel,
    T5ForConditionalGeneration,
)

from runners.model import t5
from runners.model.backbone import IGNORED, Greedy, Weights, fewer
from runners.model.codec import Codec
from runners.model.dropout import NONE, Dropout
from runners.model.family import Place
from runners.model.reading import read_config, read_model
from runners.model.t5 import ACTIVATIONS, Call, T5Dimensions, at_once
from runners.prompt.soft_prompt import Prompted


def _over(going: Tensor) -> bool:
    return not bool(going.any())


def _scored(targets: Tensor) -> Tensor:
    """The places [S] of targets [B, D], in one line, that have scores: those that are no padding.

    On a GPU all have, for it would wait to be told how many there are.
    """
    every = targets.flatten()
    if every.device.type != "cpu":
        return torch.arange(len(every), device=every.device)
    return (every != IGNORED).nonzero()[:, 0]


@dataclass(frozen=True, kw_only=True, eq=False)
class T5Backbone(Greedy):
    """A T5 checkpoint as a `Backbone`; its `weights` never change."""

    shape: T5Dimensions
    weights: Weights
    codec: Codec
    source: str
    fingerprint: str
    dtype: torch.dtype
    call: Call = at_once
    """How its layers are called."""
    is_over: Callable[[Tensor], bool] = _over
    """Whether answers end where these rows [B] go on."""
    longest: int | None = None
    """Tokens of the longest answer, where other rows than its own are answered beside them."""

    @property
    def width(self) -> int:
        return self.weights["shared.weight"].shape[1]

    @property
    def vocabulary(self) -> int:
        """V, the rows of the input embedding; a tokenizer may have fewer pieces."""
        return self.weights["shared.weight"].shape[0]

    @property
    def parameter_count(self) -> int:
        return sum(weight.numel() for weight in self.weights.values())

    @property
    def positions(self) -> None:
        """Any number: distances are counted, in buckets of which the last has no end."""

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
        *,
        prompts: Prompted | None = None,
        of_row: Tensor | None = None,
    ) -> Tensor:
        """As `Backbone.losses`; dropout is of rows that have one target each."""
        if prompts:
            embedded, mask = prompts.before(embedded, mask)
        encoded = t5.encode(self.shape, weights, embedded, mask, dropout, self.call)
        if of_row is not None:
            assert not dropout.rate
            encoded, mask = encoded[of_row], mask[of_row]
        memory = t5.memory_of(encoded, mask)
        shifted = F.pad(targets[:, :-1].clamp(min=0), (1, 0), value=self.shape.start_id)
        hidden = t5.decode(self.shape, weights, shifted, memory, dropout, call=self.call)
        scored, every = _scored(targets), targets.flatten()
        scores = t5.logits(self.shape, weights, hidden.flatten(0, 1)[scored])  # [S, V]
        found = F.cross_entropy(scores, every[scored], ignore_index=IGNORED, reduction="none")
        return found.new_zeros(every.shape).index_copy(0, scored, found).view_as(targets)

    @torch.no_grad()
    def continuations(
        self, weights: Weights, embedded: Tensor, mask: Tensor, *, limits: Sequence[int],
        prompts: Prompted | None = None,
    ) -> Iterator[Tensor]:  # fmt: skip
        """As `Backbone.continuations`."""
        if prompts:
            embedded, mask = prompts.before(embedded, mask)
        encoded = t5.encode(self.shape, weights, embedded, mask, NONE, self.call)
        positions = self.longest or max(limits)
        memory = t5.remember(
            self.shape, weights, encoded, mask, positions=positions, call=self.call
        )
        cache = t5.Cache()
        most = torch.tensor(limits, device=embedded.device)
        rows = torch.arange(len(limits), device=embedded.device)  # [R], those that are computed
        ids = torch.full_like(rows, self.shape.start_id)
        going = torch.ones_like(ids, dtype=torch.bool)
        for step in count(1):
            hidden = t5.decode(self.shape, weights, ids[:, None], memory, NONE, cache, self.call)
            chosen = t5.logits(self.shape, weights, hidden[:, -1]).argmax(dim=-1)
            ids = torch.where(going, chosen, self.codec.pad_id)
            yield torch.full_like(most, self.codec.pad_id).index_copy(0, rows, ids)  # [B]
            going &= (ids != self.codec.end_id) & (step < most[rows])
            if self.is_over(going):
                return
            if (kept := fewer(going)) is not None:
                rows, ids, going = rows[kept], ids[kept], going[kept]
                memory, cache = memory.of_rows(kept), cache.of_rows(kept)


def _own_output(kind: Any) -> Any:
    """The class with an output layer that is never tied to the input embedding.

    `transformers` 5 ties the two of every T5 unless a checkpoint has both and they differ;
    T5 1.1 and mT5 have an output layer of their own.
    """
    tied = {name: of for name, of in kind._tied_weights_keys.items() if name != "lm_head.weight"}
    return type(kind.__name__, (kind,), {"_tied_weights_keys": tied})


_UNTIED = {
    "t5": _own_output(T5ForConditionalGeneration), "mt5": _own_output(MT5ForConditionalGeneration)
}  # fmt: skip
"""Classes of `transformers` by `model_type`; mT5 is T5 1.1 with another vocabulary."""


def t5_class(config: Any) -> Any:
    """The class of `transformers` that a checkpoint with this config is read as."""
    return T5ForConditionalGeneration if _is_scaled(config) else _UNTIED[config.model_type]


def _is_scaled(config: Any) -> bool:
    """Whether the output layer is the embedding, scaled, as in T5 1.0; an mT5 has no word on it."""
    return bool(getattr(config, "scale_decoder_outputs", False))


def check_t5(config: Any, place: Place) -> None:
    """Raises ValueError where the config of a checkpoint is that of no T5 and no mT5."""
    if config.model_type in _UNTIED:
        return
    remedy = "give a T5 1.0 or 1.1, or an mT5"
    if not config.is_encoder_decoder:
        remedy += ", or architecture causal in the family file"
    raise ValueError(f"model {place}: model_type {config.model_type!r} is not t5; {remedy}")


def load_t5(place: Place, *, codec: Codec, fingerprint: str, dtype: torch.dtype) -> T5Backbone:
    """A T5 checkpoint, 1.0, 1.1 or mT5, frozen and in `dtype`.

    `fingerprint` tells it and its tokenizer from others. Raises ValueError for
    weights that do not fit the config, and for a T5 of another kind.
    """
    config = read_config(place)
    check_t5(config, place)
    model = read_model(t5_class(config), place, dtype)
    return T5Backbone(
        shape=shape_of(model),
        weights={name: p.detach() for name, p in model.named_parameters()},
        codec=codec,
        source=str(place),
        fingerprint=fingerprint,
        dtype=dtype,
    )


def shape_of(model: PreTrainedModel) -> T5Dimensions:
    """The dimensions of a T5; raises ValueError for an activation that is not known."""
    config: Any = model.config
    if config.dense_act_fn not in ACTIVATIONS:
        raise ValueError(
            f"model {config.name_or_path!r}: feed_forward_proj {config.feed_forward_proj!r} is "
            "not known; give a T5 with gated-gelu, gated-silu or relu"
        )
    return T5Dimensions(
        layers=config.num_layers,
        decoder_layers=config.num_decoder_layers,
        heads=config.num_heads,
        head_width=config.d_kv,
        buckets=config.relative_attention_num_buckets,
        max_distance=config.relative_attention_max_distance,
        epsilon=config.layer_norm_epsilon,
        start_id=config.decoder_start_token_id,
        activation=config.dense_act_fn,
        gated=config.is_gated_act,
        tied=_is_scaled(config),
    )

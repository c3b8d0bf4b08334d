"""Reading decoder-only models, and what of them is tried before they are taken.

Notation: H model width, V vocabulary.
"""

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AutoModelForCausalLM, DynamicCache

from runners.model.backbone import device_of
from runners.model.causal_backbone import CausalBackbone
from runners.model.codec import Codec
from runners.model.family import Place
from runners.model.reading import read_config, read_model


def check_decoder(config: Any, place: Place) -> None:
    """Raises ValueError where the config of a checkpoint is that of an encoder-decoder."""
    if not config.is_encoder_decoder:
        return
    remedy = "give a decoder-only model"
    if config.model_type in ("t5", "mt5"):
        remedy += ", or architecture t5 in the family file"
    raise ValueError(
        f"model {place}: model_type {config.model_type!r} is an encoder-decoder; {remedy}"
    )


def load_causal(
    place: Place, *, codec: Codec, fingerprint: str, dtype: torch.dtype
) -> CausalBackbone:
    """A decoder-only checkpoint, frozen and in `dtype`.

    `fingerprint` tells it and its tokenizer from others. Raises ValueError
    for weights that do not fit the config, for an encoder-decoder, and for a
    model that does not attend as batches need it (`check_attention`).
    """
    check_decoder(read_config(place), place)
    # Attention as written out: its masks are finite, so a row that is all padding is no NaN.
    model = read_model(AutoModelForCausalLM, place, dtype, attn_implementation="eager")
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    backbone = CausalBackbone(
        module=model,
        weights=dict(model.named_parameters()),
        codec=codec,
        source=str(place),
        fingerprint=fingerprint,
        dtype=dtype,
    )
    check_attention(backbone)
    return replace(backbone, reach=reach_of(backbone))


APART = {torch.float32: 0.01, torch.bfloat16: 0.1}
"""How far two ways to the same scores may be apart, in standard deviations of the scores.

What moves all scores alike is no difference, and rounding does that too. SmolLM2 135M
is apart by 2e-5 in float32 and by 0.01 to 0.03 in bfloat16, where single scores move by up
to 0.24; a random RWKV, which ignores the mask, is by more than 1.
"""


def check_attention(backbone: CausalBackbone) -> None:
    """Raises ValueError for a model whose rows would feel padding, or lose what they have read.

    Rows of a batch are padded on the left and answers are read from a cache, so the
    attention mask has to hide padding and the cache has to have everything. What keeps a
    state in place of attention (RWKV, Mamba) goes through padding too.
    """
    kind = backbone.module.config.model_type
    remedy = "give a model of attention alone, such as Llama, GPT-NeoX or Qwen3"
    if getattr(backbone.module, "_is_stateful", False):
        raise ValueError(
            f"model {backbone.source}: model_type {kind!r} keeps a state in place of attention, "
            f"which runs through the padding of a batch; {remedy}"
        )
    try:
        alone, others = _ways_to_a_token(backbone)
    except TypeError as error:
        said = " ".join(str(error).split())
        raise ValueError(
            f"model {backbone.source}: model_type {kind!r} cannot be called with embedded inputs, "
            f"a mask, positions and a cache ({said[:200]}); {remedy}"
        ) from error
    for what, scores in others.items():
        if _differ(scores, alone, backbone.dtype):
            raise ValueError(
                f"model {backbone.source}: model_type {kind!r} gives a row other scores {what}, so "
                f"its rows cannot stand in one batch; {remedy}"
            )


@torch.no_grad()
def _ways_to_a_token(backbone: CausalBackbone) -> tuple[Tensor, dict[str, Tensor]]:
    """The scores [1, 1, V] after a row of eight tokens, alone, and as batch and cache have it."""
    weights, gap = backbone.weights, 4
    row, mask = _row(backbone)
    padded = torch.cat((row[:, :gap], row), dim=1)  # [1, 12, H]
    cache = DynamicCache(config=backbone.module.config)
    backbone.scores(weights, row[:, :-1], mask[:, :-1], last=1, cache=cache)
    return backbone.scores(weights, row, mask, last=1), {
        "beside padding": backbone.scores(weights, padded, F.pad(mask, (gap, 0)), last=1),
        "from a cache": backbone.scores(weights, row[:, -1:], mask, last=1, cache=cache),
    }


@torch.no_grad()
def reach_of(backbone: CausalBackbone) -> int | None:
    """The `reach` of a model: its shortest window, or 0 where a short row feels a gap already.

    Windows go by place, and nothing lies outside of one that has all positions.
    """
    weights, gap = backbone.weights, 32
    row, mask = _row(backbone)
    apart = torch.cat((row[:, :4], row[:, :1].expand(-1, gap, -1), row[:, 4:]), dim=1)
    seen = torch.cat((mask[:, :4], mask.new_zeros(1, gap), mask[:, 4:]), dim=1)
    alone = backbone.scores(weights, row, mask, last=1)
    if _differ(backbone.scores(weights, apart, seen, last=1), alone, backbone.dtype):
        return 0
    config: Any = backbone.module.config
    layers: list[Any] = DynamicCache(config=config).layers
    windows = [getattr(layer, "sliding_window", None) for layer in layers]
    # GPT-Neo's, which its cache knows nothing of.
    windows.append(getattr(config, "window_size", None))
    return min((window for window in windows if window), default=None)


def _row(backbone: CausalBackbone) -> tuple[Tensor, Tensor]:
    """Eight tokens [1, 8, H] with their mask."""
    ids = torch.arange(8, device=device_of(backbone.weights))[None] % backbone.vocabulary
    return backbone.embed(backbone.weights, ids), torch.ones_like(ids)


def _differ(scores: Tensor, alone: Tensor, dtype: torch.dtype) -> bool:
    """Whether scores are further apart than rounding brings them."""
    return not float((scores - alone).std()) <= APART[dtype] * float(alone.std()) + 1e-6

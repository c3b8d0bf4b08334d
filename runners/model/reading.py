"""Reading checkpoints and tokenizers with `transformers`: folders, GGUF files, the hub.

Weights are read from safetensors or GGUF alone: a pickle can run code. Whatever does
not fit is an error here: weights that are missing, too many, of another shape, or cut off.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoTokenizer,
    GgufConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.tokenization_auto import get_tokenizer_config

from runners.model.backbone import no_bars
from runners.model.checkpoint import SAFE_REMEDY, pickled
from runners.model.codec import Codec
from runners.model.family import Place

_OUTPUT = "lm_head.weight"
_TIED = (
    "fetch it again, or, where transformers 5 made it, which ties the output layer of a new T5 to "
    "its embedding and saves none, whatever tie_word_embeddings says: give it one of its own "
    "(model.lm_head.weight = torch.nn.Parameter(model.shared.weight.detach().clone())) and save "
    "it again"
)
"""The way out for a T5 1.1 without an output layer, which computes what it did before."""
_VOCABULARIES = ("tokenizer.json", "*.model", "vocab.*", "*.tiktoken")
"""What a tokenizer has its pieces in."""
_OF_BYTES = "ByT5Tokenizer"
"""The tokenizer whose pieces are bytes, which need no file."""
_MASKS = re.compile(r"\.attn\.((attention\.)?(masked_)?bias|causal_mask)$")
"""Masks of GPT-Neo, GPT-J and CodeGen, which were saved beside the weights once; models make them.

No model has a weight of such a name: biases are those of a layer inside the attention.
"""


def read_config(place: Place, **options: Any) -> Any:
    """The config of a checkpoint; raises ValueError where it cannot be read."""
    where, found = _arguments(place)
    options |= found
    with _Explained(place), no_bars():
        return AutoConfig.from_pretrained(where, **options)


def count(make: Callable[[Any], Any], config: Any, place: Place) -> tuple[int, int]:
    """N and H of the model that is made of a config, without any weights.

    Raises ValueError where there is no such model.
    """
    with _Explained(place), torch.device("meta"):
        model = make(config)
    return sum(p.numel() for p in model.parameters()), model.get_input_embeddings().weight.shape[1]


def pinned(place: Place) -> Place:
    """The place with its commit, where the hub has it; raises ValueError where it cannot be read.

    Whatever the hub has now may be something else tomorrow, so a record says
    which commit was read.
    """
    if place.is_fixed:
        return place
    return replace(place, revision=read_config(place)._commit_hash)


def read_model(kind: Any, place: Place, dtype: torch.dtype, **options: Any) -> PreTrainedModel:
    """A checkpoint as a model of `kind`, a class of `transformers`, in `dtype`, in evaluation mode.

    Raises ValueError where it cannot be read, has no safetensors, lacks a weight of
    the model, has one that the model lacks or one of another shape.
    """
    where, found = _arguments(place)
    local = place.local()
    unsafe = pickled(local) if local else None
    if unsafe is not None:
        raise ValueError(f"model {place}: {unsafe}")
    if "gguf_file" in found:
        # Weights that stay packed, as they do where their kernels are installed, are no tensors
        # that another precision or method could take.
        options["quantization_config"] = GgufConfig(dequantize=True)
    loaded: Any  # A pair, of which the annotation of `from_pretrained` knows nothing.
    with _Explained(place), no_bars():
        # Weights of another shape are told below, by name, and not in a report of many lines.
        loaded = kind.from_pretrained(
            where, dtype=dtype, output_loading_info=True, ignore_mismatched_sizes=True,
            use_safetensors=True, **found, **options,
        )  # fmt: skip
    model: PreTrainedModel
    model, report = loaded
    shapes = [
        f"{name} has shape {list(there)} in the checkpoint and {list(asked)} by its config"
        for name, there, asked in sorted(report["mismatched_keys"])
    ]
    if shapes:
        raise ValueError(
            f"model {place}: {_first(shapes, '; ')}; give a checkpoint whose weights are those of "
            "its config"
        )
    unknown = [name for name in report["unexpected_keys"] if not _MASKS.search(name)]
    for problem, names in (
        ("is not in the checkpoint", report["missing_keys"]),
        ("is in the checkpoint and not in the model", unknown),
    ):
        if names:
            is_tied = set(names) == {_OUTPUT} and model.config.model_type in ("t5", "mt5")
            raise ValueError(
                f"model {place}: {_first(sorted(names), ', ')} {problem}; "
                + (_TIED if is_tied else "give a checkpoint whose weights are those of its config")
            )
    model.eval()
    return model


def _first(said: Sequence[str], between: str) -> str:
    """The first three, and how many more there are."""
    return between.join(said[:3]) + (f", and {len(said) - 3} more" if len(said) > 3 else "")


def read_codec(place: Place, *, continues: bool, **options: Any) -> Codec:
    """The tokenizer of a folder or hub id; raises ValueError where it cannot be read."""
    where, found = _arguments(place)
    options |= found
    local = place.local()
    if local is not None and local.is_dir() and not _has_pieces(local, place):
        # `transformers` makes an empty tokenizer of some models, and says nothing.
        raise ValueError(
            f"tokenizer {place}: there is none of {', '.join(_VOCABULARIES)}; save the model's "
            "tokenizer there, or name its folder under `tokenizer` in the family file"
        )
    with _Explained(place):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(where, **options)
    if tokenizer.eos_token_id is None:
        raise ValueError(
            f"tokenizer {place}: has no end-of-sequence token, which ends every target; "
            "give one that has"
        )
    return Codec(tokenizer=tokenizer, continues=continues)


def _has_pieces(folder: Path, place: Place) -> bool:
    """Whether a folder says what the pieces of its tokenizer are."""
    if any(map(any, map(folder.glob, _VOCABULARIES))):
        return True
    with _Explained(place):
        return bool(get_tokenizer_config(folder).get("tokenizer_class") == _OF_BYTES)


def _arguments(place: Place) -> tuple[str, dict[str, Any]]:
    """What `from_pretrained` is given for a place; raises ValueError where it is not there."""
    local = place.local()
    if local is None:
        assert place.hub_id is not None
        return place.hub_id, {"revision": place.revision} if place.revision else {}
    if local.suffix == ".gguf":
        return str(local.parent), {"gguf_file": local.name}
    return str(local), {}


_SPOILT = (
    OSError, RuntimeError, ValueError, KeyError, TypeError, SafetensorError, StrictDataclassError
)  # fmt: skip
"""What `transformers` raises for files of another form, an unknown `model_type` among them."""


class _Explained:
    """A block in which the errors of `transformers` become one that names the place."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def __enter__(self) -> None:
        """Nothing."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Raise what a file or the hub has done wrong as a ValueError."""
        if isinstance(error, _SPOILT):
            said = " ".join(str(error).split())
            # What `transformers` says of a commit that has other files of weights alone.
            if "cannot be loaded with `safetensors`" in said:
                message = f"model {self._place}: has no safetensors; {SAFE_REMEDY}"
                raise ValueError(message) from error
            raise ValueError(
                f"model {self._place}: cannot be read ({said[:300]}); "
                "give a folder that transformers can load, with config.json, safetensors and a "
                "tokenizer as save_pretrained writes them, or a hub id and commit that exist"
            ) from error

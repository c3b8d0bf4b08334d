"""From a trial's config to the frozen model that it starts from."""

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load
from torch import Tensor

from runners.config import TrialConfig, adaptation_of
from runners.model.backbone import T5Backbone, fingerprint_of, load_t5
from runners.model.sizes import shape_of
from runners.store import Store

LADDER = Path(__file__).resolve().parents[1] / "microworld" / "ladder"
"""The shipped nano checkpoints, one folder a size, and their tokenizer."""
WEIGHTS = "model.safetensors"
"""The file of a milestone's weights in the store, float32."""
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def load_backbone(config: TrialConfig, store: Store) -> T5Backbone:
    """The model that a trial starts from: pre-trained, or a milestone of its LM adaptation.

    Its weights are kept in the compute dtype where they stay frozen, in float32
    where they train. Raises ValueError where the family or size is unknown, or
    the milestone is not in the store.
    """
    kept = "float32" if config.method == "model_tuning" else config.compute_dtype
    backbone = _pretrained_or_adapted(config, store, kept)
    return dataclasses.replace(backbone, dtype=_DTYPES[config.compute_dtype])


def _pretrained_or_adapted(config: TrialConfig, store: Store, kept: str) -> T5Backbone:
    adaptation = adaptation_of(config)
    if adaptation is None:
        return load_pretrained(config.model_family, config.model_size, kept)
    milestone = adaptation.milestone_id(config.lm_adaptation_steps)
    if store.get(milestone) is None:
        raise ValueError(
            f"lm_adaptation_steps: {config.lm_adaptation_steps} of {config.model_size} is not in "
            f"the store {store.root}; run the adaptation first (python -m runners.lm_adaptation)"
        )
    return _adapted(store, milestone, config.model_family, config.model_size, kept)


@functools.lru_cache(maxsize=2)
def load_pretrained(family: str, size: str, dtype: str) -> T5Backbone:
    """A pre-trained checkpoint in dtype.

    Raises ValueError where the family or size is unknown, or its checkpoint is
    not there.
    """
    shape_of(family, size)
    if not (LADDER / size).is_dir():
        raise ValueError(
            f"model_size {size}: there is no checkpoint {LADDER / size}; make it "
            f"(python -m runners.pretraining --size {size} --steps N) or restore the folder"
        )
    return load_t5(LADDER / size, tokenizer=LADDER / "tokenizer", dtype=_DTYPES[dtype])


@functools.lru_cache(maxsize=2)
def _adapted(store: Store, milestone: str, family: str, size: str, dtype: str) -> T5Backbone:
    loaded = load(store.read(milestone, WEIGHTS))
    backbone = load_pretrained(family, size, dtype)
    return with_weights(backbone, loaded, source=f"{milestone}/{WEIGHTS}")


def with_weights(backbone: T5Backbone, loaded: Mapping[str, Tensor], *, source: str) -> T5Backbone:
    """The same model with other weights; raises ValueError where names or shapes differ."""
    wanted = {name: tuple(weight.shape) for name, weight in backbone.weights.items()}
    found = {name: tuple(weight.shape) for name, weight in loaded.items()}
    if wanted != found:
        differing = sorted(name for name in wanted | found if wanted.get(name) != found.get(name))
        raise ValueError(
            f"weights {source}: {differing[0]} is {found.get(differing[0])}, the model wants "
            f"{wanted.get(differing[0])}; give the weights of a model of the same shape"
        )
    weights = {name: weight.to(backbone.dtype) for name, weight in loaded.items()}
    return dataclasses.replace(backbone, weights=weights, fingerprint=fingerprint_of(loaded))

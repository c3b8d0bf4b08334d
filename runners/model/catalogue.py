"""From a trial's config to the frozen model that it starts from."""

import dataclasses
import functools
import hashlib
from collections.abc import Mapping

import torch
from safetensors.torch import load
from torch import Tensor

from runners.config import TrialConfig, adaptation_of
from runners.model.backbone import Backbone, T5Backbone, load_t5
from runners.model.checkpoint import LADDER, WEIGHTS, folder_of, pretrained_fingerprint
from runners.record import TrialRecord
from runners.store import Store

COMPUTE_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
"""The precisions that a config may ask for (`runners.config.DTYPES`)."""


def load_backbone(config: TrialConfig, store: Store) -> T5Backbone:
    """The model that a trial starts from: pre-trained, or a milestone of its LM adaptation.

    Its weights are kept in the compute dtype where they stay frozen, in float32
    where they train. Raises ValueError where the family or size is unknown, or
    the milestone is not in the store.
    """
    kept = "float32" if config.method == "model_tuning" else config.compute_dtype
    backbone = _pretrained_or_adapted(config, store, kept)
    return dataclasses.replace(backbone, dtype=COMPUTE_DTYPES[config.compute_dtype])


def _pretrained_or_adapted(config: TrialConfig, store: Store, kept: str) -> T5Backbone:
    adaptation = adaptation_of(config)
    if adaptation is None:
        return load_pretrained(config.model_family, config.model_size, kept)
    milestone = store.get(adaptation.milestone_id(config.lm_adaptation_steps))
    if milestone is None:
        raise ValueError(
            f"lm_adaptation_steps: {config.lm_adaptation_steps} of {config.model_size} is not in "
            f"the store {store.root}; run the adaptation first (python -m runners.lm_adaptation)"
        )
    return load_milestone(milestone, store, kept)


def load_milestone(milestone: TrialRecord, store: Store, dtype: str) -> T5Backbone:
    """The model of a milestone in dtype.

    Raises ValueError where it was adapted from another checkpoint than there is
    now.
    """
    config = milestone.config
    pretrained = load_pretrained(config["model_family"], config["model_size"], dtype)
    check_origin(milestone, pretrained, store)
    return _adapted(store.root, milestone.trial_id, pretrained)


def check_origin(milestone: TrialRecord, pretrained: Backbone, store: Store) -> None:
    """Raises ValueError where a milestone was adapted from another checkpoint than there is now."""
    origin = milestone.provenance["base_checkpoint"]
    if origin != pretrained.fingerprint:
        raise ValueError(
            f"milestone {milestone.label} ({milestone.trial_id}) in the store {store.root} was "
            f"adapted from checkpoint {origin}, and the checkpoint is {pretrained.fingerprint} "
            "now; use another store, or restore the checkpoint"
        )


@functools.lru_cache(maxsize=2)
def load_pretrained(family: str, size: str, dtype: str) -> T5Backbone:
    """A pre-trained checkpoint in dtype.

    Raises ValueError where the family or size is unknown, or its checkpoint is
    not there.
    """
    return load_t5(
        folder_of(family, size),
        tokenizer=LADDER / "tokenizer",
        fingerprint=pretrained_fingerprint(family, size),
        dtype=COMPUTE_DTYPES[dtype],
    )


@functools.lru_cache(maxsize=2)
def _adapted(root: str, milestone: str, pretrained: T5Backbone) -> T5Backbone:
    content = Store(root).read(milestone, WEIGHTS)
    adapted = with_weights(pretrained, load(content), source=f"{milestone}/{WEIGHTS}")
    return dataclasses.replace(adapted, fingerprint=hashlib.sha256(content).hexdigest()[:16])


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
    return dataclasses.replace(backbone, weights=weights)

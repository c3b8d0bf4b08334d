"""From a trial's config to the frozen model that it starts from."""

import dataclasses
import functools
import hashlib
from collections.abc import Mapping
from contextlib import nullcontext

import torch
from safetensors.torch import load
from torch import Tensor

from runners.catalogue import Catalogue
from runners.config import TUNES_MODEL, TrialConfig, adaptation_of
from runners.model.backbone import Backbone
from runners.model.causal_backbone import CausalBackbone
from runners.model.causal_loading import load_causal
from runners.model.checkpoint import WEIGHTS, fingerprint_of_places
from runners.model.codec import Codec
from runners.model.family import Place, Rung
from runners.model.reading import pinned, read_codec
from runners.model.shared import Pool
from runners.model.t5_backbone import T5Backbone, load_t5
from runners.record import TrialRecord
from runners.store import Store

COMPUTE_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
"""The precisions that a config may ask for (`runners.config.DTYPES`)."""

CPU = torch.device("cpu")
"""Where checkpoints are read to."""

Loaded = T5Backbone | CausalBackbone
"""A backbone that was read from a checkpoint."""


def load_backbone(
    config: TrialConfig, store: Store, catalogue: Catalogue, device: torch.device = CPU,
    *, pool: Pool | None = None,
) -> Loaded:  # fmt: skip
    """The model that a trial starts from: pre-trained, or a milestone of its LM adaptation.

    Its weights are on `device`, in the compute dtype where they stay frozen, in
    float32 where they train. With a `pool` they are in memory once for all processes
    that read them through it. Raises ValueError where the family or size is unknown, or
    the milestone is not in the store.
    """
    kept = "float32" if config.method in TUNES_MODEL else config.compute_dtype
    backbone = _pretrained_or_adapted(config, store, catalogue, kept, pool)
    placed = on_device(backbone, device)
    return dataclasses.replace(placed, dtype=COMPUTE_DTYPES[config.compute_dtype])


def on_device(backbone: Loaded, device: torch.device) -> Loaded:
    """The same model with its weights on `device`.

    What is read stays on the cores for the next who asks; a copy on a GPU is
    the caller's alone, so that no model which is done with takes room there.
    """
    if device == CPU:
        return backbone
    if isinstance(backbone, CausalBackbone):
        return backbone.on_device(device)
    weights = {name: weight.to(device) for name, weight in backbone.weights.items()}
    return dataclasses.replace(backbone, weights=weights)


def _pretrained_or_adapted(
    config: TrialConfig, store: Store, catalogue: Catalogue, kept: str, pool: Pool | None
) -> Loaded:
    family, size, steps = config.model_family, config.model_size, config.lm_adaptation_steps
    adaptation = adaptation_of(config)
    if adaptation is None:
        return load_pretrained(catalogue, family, size, kept, released=steps, pool=pool)
    milestone = store.get(adaptation.milestone_id(steps))
    if milestone is None:
        raise ValueError(
            f"lm_adaptation_steps: {steps} of {size} is not in the store {store.root}; run the "
            "adaptation first (python -m runners.lm_adaptation)"
        )
    return load_milestone(milestone, store, catalogue, kept, pool)


def load_milestone(
    milestone: TrialRecord, store: Store, catalogue: Catalogue, dtype: str, pool: Pool | None = None
) -> Loaded:
    """The model of a milestone in dtype.

    Raises ValueError where it was adapted from another checkpoint than there is
    now.
    """
    config = milestone.config
    pretrained = load_pretrained(
        catalogue, config["model_family"], config["model_size"], dtype, pool=pool
    )
    check_origin(milestone, pretrained, store)
    return _adapted(store.root, milestone.trial_id, pretrained, dtype, pool)


def check_origin(milestone: TrialRecord, pretrained: Backbone, store: Store) -> None:
    """Raises ValueError where a milestone was adapted from another checkpoint than there is now."""
    origin = milestone.provenance["base_checkpoint"]
    if origin != pretrained.fingerprint:
        raise ValueError(
            f"milestone {milestone.label} ({milestone.trial_id}) in the store {store.root} was "
            f"adapted from checkpoint {origin}, and the checkpoint is {pretrained.fingerprint} "
            "now; use another store, or restore the checkpoint"
        )


def load_pretrained(
    catalogue: Catalogue, family: str, size: str, dtype: str, *, released: int = 0,
    pool: Pool | None = None,
) -> Loaded:  # fmt: skip
    """A checkpoint of a family in dtype: pre-trained, or as released after LM adaptation.

    Raises ValueError where the family or size is unknown, or its checkpoint is
    not there or not what the family file says.
    """
    rung = catalogue.rung(family, size)
    checkpoint = rung.adapted[released] if released else rung.checkpoint
    loaded = _load(catalogue.architecture(family), checkpoint, rung.tokenizer, dtype, pool)
    check_size(rung, family, checkpoint, loaded.parameter_count, loaded.width)
    return loaded


@functools.lru_cache(maxsize=2)
def _load(
    architecture: str, checkpoint: Place, tokenizer: Place, dtype: str, pool: Pool | None
) -> Loaded:
    checkpoint, tokenizer = pinned(checkpoint), pinned(tokenizer)
    codec = read_codec(tokenizer, continues=architecture == "causal")
    fingerprint = fingerprint_of_places(checkpoint, tokenizer)
    assert fingerprint is not None
    read = load_causal if codec.continues else load_t5
    with pool.alone() if pool else nullcontext():
        loaded = read(checkpoint, codec=codec, fingerprint=fingerprint, dtype=COMPUTE_DTYPES[dtype])
        check_pieces(codec, tokenizer, loaded.vocabulary, checkpoint)
        return _common(loaded, f"{fingerprint}-{dtype}", pool)


def check_pieces(codec: Codec, tokenizer: Place, rows: int, checkpoint: Place) -> None:
    """Raises ValueError where a tokenizer has more pieces than the embedding has rows."""
    pieces = len(codec.tokenizer)
    if pieces > rows:
        raise ValueError(
            f"model {checkpoint}: has an embedding of {rows:,} pieces, and its tokenizer "
            f"{tokenizer} has {pieces:,}; give the tokenizer that the model was trained with"
        )


def _common(loaded: Loaded, name: str, pool: Pool | None) -> Loaded:
    """The same model with its weights in the pool."""
    if pool is None:
        return loaded
    weights = pool.common(loaded.weights, name)
    if weights is loaded.weights:
        return loaded
    if isinstance(loaded, CausalBackbone):
        return loaded.lent(weights)
    return dataclasses.replace(loaded, weights=weights)


def check_size(rung: Rung, family: str, checkpoint: Place, parameters: int, width: int) -> None:
    """Raises ValueError where N and H of a checkpoint are not those that its family file gives."""
    for name, said, found in (
        ("parameters", rung.parameters, parameters),
        ("width", rung.width, width),
    ):
        if said != found:
            raise ValueError(
                f"model_family {family}, size {rung.name}: {name} is {said} in the family file "
                f"and {found} in {checkpoint}; correct the one or name the other"
            )


@functools.lru_cache(maxsize=2)
def _adapted(
    root: str, milestone: str, pretrained: Loaded, dtype: str, pool: Pool | None
) -> Loaded:
    with pool.alone() if pool else nullcontext():
        content = Store(root).read(milestone, WEIGHTS)
        fingerprint = hashlib.sha256(content).hexdigest()[:16]
        adapted = with_weights(pretrained, load(content), source=f"{milestone}/{WEIGHTS}")
        return _common(
            dataclasses.replace(adapted, fingerprint=fingerprint), f"{fingerprint}-{dtype}", pool
        )


def with_weights(backbone: Loaded, loaded: Mapping[str, Tensor], *, source: str) -> Loaded:
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

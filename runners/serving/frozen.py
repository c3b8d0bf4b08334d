"""Which frozen model prompts belong to, and how it is loaded. Torch is loaded with the model."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runners.catalogue import Catalogue
from runners.config import TrialConfig, adaptation_of
from runners.model.family import Place
from runners.store import Store

if TYPE_CHECKING:
    from runners.model.codec import Codec
    from runners.model.loading import Loaded


@dataclass(frozen=True, kw_only=True)
class Frozen:
    """A frozen model by what tells it from others.

    A folder of `transformers` where the prompts came with one; else what the
    configs of their trials say, with the store that has its milestone.
    """

    family: str
    size: str
    dtype: str
    steps: int = 0
    """Of LM adaptation."""
    milestone: str | None = None
    """The id of an adaptation that ran here, as its milestone."""
    store: str | None = None
    folder: str | None = None

    def __str__(self) -> str:
        adapted = f" after {self.steps} steps of LM adaptation" if self.steps else ""
        where = f" ({self.folder})" if self.folder else ""
        which = f" (milestone {self.milestone})" if self.milestone and not self.folder else ""
        return f"{self.family} {self.size}{adapted} in {self.dtype}{which}{where}"


def frozen_of(
    config: TrialConfig, *, store: str | None = None, folder: Path | None = None
) -> Frozen:
    """The model that a trial's prompt was tuned on; `folder` where it lies beside the prompt.

    Raises ValueError where it is a milestone and there is no store that has it.
    """
    adaptation, steps = adaptation_of(config), config.lm_adaptation_steps
    milestone = adaptation.milestone_id(steps) if adaptation else None
    if milestone and store is None and folder is None:
        raise ValueError(
            f"prompt of {config.label}: its model is milestone {milestone} of a store, and no "
            "store is given; add --store, or export the prompt with --with-model"
        )
    return Frozen(
        family=config.model_family, size=config.model_size, dtype=config.compute_dtype,
        steps=steps, milestone=milestone, folder=str(folder) if folder else None,
        store=store if milestone and folder is None else None,
    )  # fmt: skip


def is_alike(one: Frozen, other: Frozen) -> bool:
    """Whether two are the same but for where they lie; so may be their weights."""
    return _placeless(one) == _placeless(other)


def _placeless(frozen: Frozen) -> Frozen:
    return dataclasses.replace(frozen, folder=None, store=None)


def weights_fingerprint(frozen: Frozen, catalogue: Catalogue) -> str:
    """SHA-256 in hex over the vocabulary and the weights, in the precision that they compute in.

    Unlike the fingerprint of a checkpoint's files, it is the same wherever and in whichever
    form the weights lie. The model is read for it; raises ValueError where it cannot be.
    """
    import torch

    loaded = load_frozen(frozen, catalogue)
    vocabulary = sorted(loaded.codec.tokenizer.get_vocab().items())
    digest = hashlib.sha256(json.dumps(vocabulary).encode())
    for name, weight in sorted(loaded.weights.items()):
        digest.update(f"{name} {tuple(weight.shape)} {weight.dtype}".encode())
        digest.update(weight.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def load_codec(frozen: Frozen, catalogue: Catalogue) -> "Codec":
    """The tokenizer of a frozen model alone."""
    from runners.model.reading import pinned, read_codec

    continues = catalogue.architecture(frozen.family) == "causal"
    if frozen.folder:
        return read_codec(Place(path=Path(frozen.folder)), continues=continues)
    tokenizer = catalogue.rung(frozen.family, frozen.size).tokenizer
    return read_codec(pinned(tokenizer), continues=continues)


def load_frozen(frozen: Frozen, catalogue: Catalogue, *, device: str = "cpu") -> "Loaded":
    """The model on one of `runners.model.device.DEVICES`.

    Raises ValueError where it is not there or cannot be read.
    """
    from runners.model.device import choose
    from runners.model.loading import (
        COMPUTE_DTYPES,
        load_milestone,
        load_pretrained,
        on_device,
    )

    place = choose(device)
    if frozen.folder:
        return on_device(_from_folder(frozen, catalogue), place)
    if frozen.milestone is None:
        found = load_pretrained(
            catalogue, frozen.family, frozen.size, frozen.dtype, released=frozen.steps
        )
    else:
        assert frozen.store is not None
        record = Store(frozen.store).get(frozen.milestone)
        if record is None:
            raise ValueError(
                f"milestone {frozen.milestone} ({frozen}): is not in the store {frozen.store}; "
                "give the store of the sweep that tuned the prompts"
            )
        found = load_milestone(record, Store(frozen.store), catalogue, frozen.dtype)
    return on_device(dataclasses.replace(found, dtype=COMPUTE_DTYPES[frozen.dtype]), place)


def _from_folder(frozen: Frozen, catalogue: Catalogue) -> "Loaded":
    from runners.model.causal_loading import load_causal
    from runners.model.checkpoint import fingerprint_of
    from runners.model.loading import COMPUTE_DTYPES
    from runners.model.t5_backbone import load_t5

    assert frozen.folder is not None
    folder = Path(frozen.folder)
    codec = load_codec(frozen, catalogue)
    read = load_causal if codec.continues else load_t5
    return read(
        Place(path=folder), codec=codec, fingerprint=fingerprint_of(folder),
        dtype=COMPUTE_DTYPES[frozen.dtype],
    )  # fmt: skip

"""Prompts of committed trials as files that other programs read."""

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import safetensors.numpy

from runners.catalogue import Catalogue
from runners.config import TrialConfig, from_mapping
from runners.prompt.base_model import base_name, released_base, write_base, written_base
from runners.prompt.card import card
from runners.prompt.npy_format import write_npy
from runners.prompt.peft_format import Base, write_peft
from runners.prompt.vectors import Vectors, check_plain
from runners.record import TrialRecord
from runners.store import Defect, DefectError, Store

PROMPT = "prompt.safetensors"
"""The file of a committed trial that has its prompt, as the tensor `prompt` [P, H]."""
TENSOR = "prompt"
TRIAL = "trial.json"
"""What an exported PEFT folder says of its trial, for those who serve it; PEFT does not read it."""
_TOLD = ("trial_id", "label", "config", "metrics", "files")


def prompt_trial(store: Store, trial_id: str) -> TrialRecord:
    """The record of a committed trial that has a prompt; raises ValueError where there is none."""
    record = store.get(trial_id)
    if record is None:
        raise ValueError(
            f"trial {trial_id}: is not committed in store {store.root}; promptscale best lists "
            "trials that are"
        )
    method = record.config.get("method", record.stage)
    if record.stage != "tuning" or method != "prompt_tuning":
        raise ValueError(
            f"trial {trial_id} ({record.label}): is of {method}, which trains no prompt; give a "
            "trial of prompt_tuning"
        )
    return record


def prompt_of(record: TrialRecord, store: Store) -> Vectors:
    """The prompt [P, H] of a committed trial.

    Raises DefectError where its file is not the one that was committed, and
    ValueError where it is not the prompt that the config says.
    """
    data = store.read(record.trial_id, PROMPT)
    where = store.path(record.trial_id, PROMPT)
    if hashlib.sha256(data).hexdigest() != record.files[PROMPT]:
        remedy = "withdraw the trial, and it runs again"
        defect = Defect(path=where, problem="is not what was committed", remedy=remedy)
        raise DefectError(store.root, [defect])
    vectors: Vectors = safetensors.numpy.load(data)[TENSOR].astype(np.float32)
    check_plain(where, vectors)
    length = record.config["prompt_length"]
    if len(vectors) != length:
        raise ValueError(
            f"{where}: has {len(vectors)} positions, and prompt_length of its trial is {length}; "
            "withdraw the trial, and it runs again"
        )
    return vectors


def export_npy(record: TrialRecord, store: Store, out: Path) -> Path:
    """Write a trial's prompt to `prompt.npy` in the new folder `out`; returns the file's path."""
    vectors = prompt_of(record, store)
    with new_folder(out) as draft:
        write_npy(draft / "prompt.npy", vectors)
    return out / "prompt.npy"


def export_peft(
    record: TrialRecord, store: Store, catalogue: Catalogue, out: Path, *, with_model: bool
) -> Path:
    """Write a trial's prompt as a PEFT folder; returns its path.

    The folder is `out` itself, which must be new; with the model it is
    `out`/adapter, and the model is in `out`/base. Raises ValueError where the
    trial's model is not one that others can load by name, and is not asked for.
    """
    model = out / "base" if with_model else None
    adapter = _adapter(record, store, catalogue, model=model, place="../base")
    with new_folder(out) as draft:
        if with_model:
            _write_base(adapter.config, store, catalogue, draft / "base")
        adapter.write(draft / "adapter" if with_model else draft)
    return out / "adapter" if with_model else out


def export_chosen(
    chosen: Mapping[str, tuple[TrialRecord, str]],
    store: Store,
    catalogue: Catalogue,
    out: Path,
    *,
    with_model: bool,
) -> list[Path]:
    """Write several trials' prompts as PEFT folders in the new folder `out`; returns their paths.

    `chosen` maps the name of each folder to a trial and to how it was chosen.
    With the models, each of them is written once, into `out`/base. Raises
    ValueError as `export_peft` does, and then nothing is written.
    """
    adapters, models = {}, {}
    for name, (record, choice) in chosen.items():
        config = from_mapping(record.config)
        shared = base_name(config)
        adapters[name] = _adapter(
            record, store, catalogue, model=out / "base" / shared if with_model else None,
            place=f"../base/{shared}", choice=choice,
        )  # fmt: skip
        models[shared] = config
    with new_folder(out) as draft:
        for name, adapter in adapters.items():
            adapter.write(draft / name)
        for shared, config in models.items() if with_model else ():
            _write_base(config, store, catalogue, draft / "base" / shared)
    return [out / name for name in adapters]


@dataclass(frozen=True, kw_only=True)
class _Adapter:
    """A PEFT folder before it is written."""

    config: TrialConfig
    vectors: Vectors
    base: Base
    card: str
    trial: str

    def write(self, folder: Path) -> None:
        """Write it into a folder, which is made where it is missing."""
        folder.mkdir(exist_ok=True)
        write_peft(folder, self.vectors, base=self.base, card=self.card)
        (folder / TRIAL).write_text(self.trial, encoding="utf-8")


def _adapter(
    record: TrialRecord, store: Store, catalogue: Catalogue, *,
    model: Path | None, place: str, choice: str | None = None,
) -> _Adapter:  # fmt: skip
    """The folder of a trial.

    Its frozen model will be written to `model`, which is `place` as seen from the
    folder; or it is released, where `model` is None.
    """
    config = from_mapping(record.config)
    base = (
        written_base(config, catalogue, model)
        if model
        else released_base(config, record, catalogue)
    )
    text = card(
        record, config, base=base, place=place if model else base.name, catalogue=catalogue,
        choice=choice,
    )  # fmt: skip
    told = {name: value for name, value in asdict(record).items() if name in _TOLD}
    return _Adapter(
        config=config, vectors=prompt_of(record, store), base=base, card=text,
        trial=json.dumps(told, indent=1, sort_keys=True, allow_nan=False) + "\n",
    )  # fmt: skip


def _write_base(config: TrialConfig, store: Store, catalogue: Catalogue, folder: Path) -> None:
    folder.mkdir(parents=True)
    write_base(config, store, catalogue, folder)


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A draft that becomes the folder `out` when the block ends well, and nothing where it fails.

    Raises ValueError where `out` is there and not empty.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ValueError(f"{out}: is there already; name a new folder, for nothing is written over")
    out = out.resolve()
    draft = out.parent / f".{out.name}.{uuid.uuid4().hex}.draft"
    draft.mkdir(parents=True)
    try:
        yield draft
        draft.rename(out)
    finally:
        shutil.rmtree(draft, ignore_errors=True)

"""Pre-training the nano ladder on the embedded world: mixes of documents in stages, and growth."""

import functools
import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from runners.data.batching import Encoded
from runners.data.corpus import CorruptedRows, read_microworld
from runners.data.tokenizer import first_sentinel, save_tokenizer, train_tokenizer
from runners.microworld.documents import sample_documents
from runners.microworld.exchanges import MIXES, WORLD, Mix
from runners.model.checkpoint import fingerprint_of
from runners.model.codec import Codec
from runners.model.family import Place, shipped
from runners.model.loading import CPU
from runners.model.reading import read_codec
from runners.model.sizes import T5Shape
from runners.rules import nearest
from runners.training.pretrainer import (
    LOG,
    Course,
    Pretraining,
    Schedule,
    behind,
    first_weights,
    log_of,
    new_model,
    write_checkpoint,
)

PIECES = 600
"""Pieces of the tokenizer beside its 100 sentinels."""
TOKENIZER_DOCUMENTS = 40_000
STEPS_A_CHUNK = 500
"""Fresh documents are written so often, and a line of the log."""
DOCUMENTS_A_CHUNK = 16_000
DOCUMENTS_A_FINGERPRINT = 1_000
HELD_OUT_SEED = 999


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A mix of documents, by its name in `MIXES`, read until step `until`."""

    mix: str
    until: int


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides the weights, beside the checkpoint that a run starts from."""

    size: str
    stages: tuple[Stage, ...]
    begin: int
    """The step of the checkpoint that the run starts from; 0 for new weights."""
    batch_size: int
    batches: int
    """Batches among which documents are sorted by length, so that a step has little padding."""
    learning_rate: float
    salient: float
    seed: int
    compute_dtype: str

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.stages[-1].until

    @property
    def schedule(self) -> Schedule:
        """The learning rate of each step."""
        return Schedule(peak=self.learning_rate, begin=self.begin, steps=self.steps)

    def mix(self, step: int) -> Mix:
        """What step `step`, from 0, reads."""
        return MIXES[next(stage.mix for stage in self.stages if step < stage.until)]


@dataclass(frozen=True, kw_only=True, eq=False)
class WorldRows:
    """Batches of documents of each stage's mix, `STEPS_A_CHUNK` steps from the same documents."""

    recipe: Recipe
    codec: Codec

    def batch(self, step: int) -> list[Encoded]:
        """The rows of one step, counted from 0."""
        chunk, place = divmod(step, STEPS_A_CHUNK)
        return self._chunk(chunk).batch(place)

    def _chunk(self, number: int) -> CorruptedRows:
        mix = self.recipe.mix(number * STEPS_A_CHUNK)
        return _rows(self.codec, self.recipe, seed=self.recipe.seed + 1 + number, mix=mix)


def last_step(checkpoint: Path) -> int:
    """The step that a checkpoint's log ends with; raises ValueError where it has none."""
    return int(log_of(checkpoint)[-1]["step"])


def stages_of(words: Sequence[str], begin: int) -> tuple[Stage, ...]:
    """Stages from `mix:until`, in order; raises ValueError naming the one that is wrong."""
    stages: list[Stage] = []
    for word in words:
        mix, _, number = word.partition(":")
        before = stages[-1].until if stages else begin
        if mix not in MIXES:
            near = nearest(mix, MIXES)
            remedy = f"did you mean {near!r}?" if near else "give one of these"
            raise ValueError(f"--stages {word}: {mix!r} is not one of {', '.join(MIXES)}; {remedy}")
        if not number.isdecimal() or int(number) <= before or int(number) % STEPS_A_CHUNK:
            raise ValueError(
                f"--stages {word}: a stage ends at a multiple of {STEPS_A_CHUNK} steps "
                f"after {before}, such as {mix}:{before + STEPS_A_CHUNK}"
            )
        stages.append(Stage(mix=mix, until=int(number)))
    return tuple(stages)


def pretrain(
    recipe: Recipe, *, start: Path | None, out: Path, work: Path, device: torch.device = CPU
) -> None:
    """Train by `recipe` on `device` into `out`/<size>, from the checkpoint `start` or anew.

    Resumes from `work` where it can; raises ValueError where `work` holds a
    state from before `recipe.begin`.
    """
    codec = _codec(out / "tokenizer")
    model = new_model(nano_shape(recipe.size), seed=recipe.seed)
    weights = first_weights(model, start, device)
    run = Pretraining(
        _course(recipe, start, codec, work),
        behind(model, codec, recipe.compute_dtype),
        weights,
        [] if start is None else (start / LOG).read_text(encoding="utf-8").splitlines(),
    )
    for line in run.run():
        print(recipe.size, line, flush=True)
    write_checkpoint(model, weights, run.log, out / recipe.size)
    run.close()


def _course(recipe: Recipe, start: Path | None, codec: Codec, work: Path) -> Course:
    return Course(
        rows=WorldRows(recipe=recipe, codec=codec),
        held_out=_rows(codec, recipe, seed=HELD_OUT_SEED, mix=WORLD),
        schedule=recipe.schedule,
        every=STEPS_A_CHUNK,
        tokens_a_step=None,
        origin=_origin(recipe, start),
        state=work / f"{recipe.size}.safetensors",
    )


def _origin(recipe: Recipe, start: Path | None) -> dict[str, Any]:
    """All that decides the weights: the recipe, its documents by what they say, and the start."""
    mixes = dict.fromkeys(stage.mix for stage in recipe.stages)
    return {
        "recipe": asdict(recipe),
        "documents": {mix: _documents_fingerprint(MIXES[mix]) for mix in mixes},
        "start": None if start is None else fingerprint_of(start),
    }


def _documents_fingerprint(mix: Mix) -> str:
    """16 hex digits of SHA-256 over the first documents of a mix."""
    digest = hashlib.sha256()
    for document in itertools.islice(sample_documents(0, mix), DOCUMENTS_A_FINGERPRINT):
        digest.update(document.text.encode())
    return digest.hexdigest()[:16]


def nano_shape(size: str) -> T5Shape:
    """The shape of a rung of the nano ladder."""
    shape = shipped()["nano"].rungs[size].shape
    assert shape is not None
    return shape


def _codec(folder: Path) -> Codec:
    """The tokenizer of a folder, which is trained where there is none."""
    if not folder.is_dir():
        documents = itertools.islice(sample_documents(0), TOKENIZER_DOCUMENTS)
        save_tokenizer(train_tokenizer((d.text for d in documents), pieces=PIECES), folder)
    return read_codec(Place(path=folder), continues=False)


@functools.lru_cache(maxsize=1)
def _rows(codec: Codec, recipe: Recipe, *, seed: int, mix: Mix) -> CorruptedRows:
    return CorruptedRows(
        documents=read_microworld(codec.tokenizer, seed=seed, documents=DOCUMENTS_A_CHUNK, mix=mix),
        batch_size=recipe.batch_size, batches=recipe.batches, seed=seed,
        end_id=codec.end_id, first_sentinel=first_sentinel(codec.tokenizer), salient=recipe.salient,
    )  # fmt: skip

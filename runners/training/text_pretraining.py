"""Pre-training a rung of a user's own family on the user's own text.

Everything that a step reads follows from the text, the tokenizer, the recipe and
the step, so that a run which is cut off ends at the weights of one that was not.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import T5Tokenizer

from runners.data.span_corruption import SENTINELS
from runners.data.text import Text
from runners.data.tokenizer import first_sentinel, save_tokenizer, train_tokenizer
from runners.data.windows import CorruptedWindows, Windows, held_out_windows, train_windows
from runners.model.checkpoint import fingerprint_of
from runners.model.codec import Codec
from runners.model.family import Place
from runners.model.loading import CPU
from runners.model.reading import pinned, read_codec
from runners.model.sizes import T5Shape
from runners.training.pretrainer import (
    LOG,
    WARM_UP,
    Course,
    Pretraining,
    Schedule,
    behind,
    first_weights,
    log_of,
    new_model,
    write_checkpoint,
)

PADDING_ROWS = 128
"""A vocabulary may have less than so many rows that no piece uses, as T5's 32,128 for 32,100."""
WARM_UP_SHARE = 0.1
"""A run too short for `WARM_UP` steps of warm-up has this share of its steps."""


@dataclass(frozen=True, kw_only=True)
class TextRecipe:
    """Everything that decides the weights, beside the text and the tokenizer."""

    shape: T5Shape
    steps: int
    batch_size: int
    window: int
    """Tokens of text in a row, before any of them is masked."""
    learning_rate: float
    seed: int
    compute_dtype: str

    @property
    def schedule(self) -> Schedule:
        """The learning rate of each step."""
        warm_up = max(1, min(WARM_UP, int(WARM_UP_SHARE * self.steps)))
        return Schedule(peak=self.learning_rate, begin=0, steps=self.steps, warm_up=warm_up)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a run reads, and the tokenizer that it reads with."""

    codec: Codec
    train: Windows
    held_out: Windows

    @property
    def unknown(self) -> float:
        """Share of the held-out pieces, 0 to 1, that are `<unk>`."""
        return float((self.held_out.stream == self.codec.tokenizer.unk_token_id).mean())


def tokenizer_of(place: Place, text: Text, *, pieces: int | None, shape: T5Shape) -> Codec:
    """The tokenizer that is there, or else one trained on the text and written there.

    Raises ValueError where it does not fit the rows of the embedding, or has
    not the `pieces` that are asked for.
    """
    folder = place.path
    if folder is not None and not _is_tokenizer(folder):
        _refuse_misfit(pieces, shape)
        save_tokenizer(_train(text, shape.vocabulary - SENTINELS), folder)
    codec = read_codec(pinned(place), continues=False)
    first_sentinel(codec.tokenizer)
    _refuse_other(place, codec, pieces, shape)
    return codec


def _train(text: Text, pieces: int) -> T5Tokenizer:
    try:
        return train_tokenizer(text.train, pieces=pieces)
    except ValueError as error:
        raise ValueError(
            f"shape.vocabulary: is {pieces} pieces and {SENTINELS} sentinels, and {error}"
        ) from error


def _is_tokenizer(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("tokenizer.json", "spiece.model"))


def _refuse_misfit(pieces: int | None, shape: T5Shape) -> None:
    """Raises ValueError where a tokenizer that is to be trained cannot have the vocabulary."""
    if pieces is not None and pieces + SENTINELS != shape.vocabulary:
        raise ValueError(
            f"--pieces: {pieces} and {SENTINELS} sentinels are {pieces + SENTINELS} rows, and "
            f"shape.vocabulary is {shape.vocabulary}; write vocabulary: {pieces + SENTINELS}, or "
            "leave --pieces out"
        )
    if shape.vocabulary <= SENTINELS:
        raise ValueError(
            f"shape.vocabulary: {shape.vocabulary} leaves no piece beside {SENTINELS} sentinels; "
            "write more, such as 4100"
        )


def _refuse_other(place: Place, codec: Codec, pieces: int | None, shape: T5Shape) -> None:
    """Raises ValueError where a tokenizer that was there is not the one that is asked for."""
    size = len(codec.tokenizer)
    remedy = "correct it, or move the tokenizer away, so that another is trained"
    if pieces is not None and pieces + SENTINELS != size:
        raise ValueError(
            f"--pieces: {pieces} is not what the tokenizer {place} has, which is "
            f"{size - SENTINELS}; {remedy}"
        )
    if not size <= shape.vocabulary < size + PADDING_ROWS:
        raise ValueError(
            f"shape.vocabulary: {shape.vocabulary} does not fit the tokenizer {place}, which has "
            f"{size} pieces, sentinels included; {remedy}"
        )


def reading_of(recipe: TextRecipe, text: Text, codec: Codec) -> Reading:
    """The windows of a run; raises ValueError where the text fills none."""
    batch_size, length = recipe.batch_size, recipe.window
    return Reading(
        codec=codec,
        train=train_windows(text, codec, length=length, batch_size=batch_size, seed=recipe.seed),
        held_out=held_out_windows(text, codec, length=length, batch_size=batch_size),
    )


def describe(recipe: TextRecipe, reading: Reading, place: Place) -> str:
    """What a run is going to read, in a few lines."""
    read = recipe.steps * recipe.batch_size * recipe.window
    tokens, pieces = len(reading.train.stream), len(reading.codec.tokenizer) - SENTINELS
    return (
        f"tokenizer: {pieces:,} pieces and {SENTINELS} sentinels in "
        f"{place}; {100 * reading.unknown:.3f}% of the held-out pieces are unknown\n"
        f"tokens: {tokens:,} to train on, {len(reading.held_out.stream):,} held out; "
        f"{recipe.steps:,} steps read {read:,}, which is {read / tokens:.1f} times round"
    )


def progress(line: Mapping[str, Any], recipe: TextRecipe) -> str:
    """A line of the log for people."""
    a_step = line["seconds"] / line["step"]
    left = a_step * (recipe.steps - line["step"])
    return (
        f"step {line['step']:,} of {recipe.steps:,}, loss {line['train_loss']:.3f}, "
        f"{line['held_out_loss']:.3f} held out; {line['tokens']:,} tokens, {a_step:.2f} s a step, "
        f"{f'{left / 60:.0f} min' if left >= 90 else f'{left:.0f} s'} to go"
    )


def origin_of(
    recipe: TextRecipe, text: Text, codec: Codec, start: Path | None = None
) -> dict[str, Any]:
    """All that decides the weights, as the first line of the log has it.

    Raises ValueError where the checkpoint to start from knows no or another
    tokenizer, whose pieces would have the embeddings of others.
    """
    vocabulary = codec.tokenizer.backend_tokenizer.to_str()
    origin = {
        "recipe": asdict(recipe),
        "text": text.fingerprint,
        "tokenizer": hashlib.sha256(vocabulary.encode()).hexdigest()[:16],
    }
    if start is None:
        return origin
    its_own = log_of(start)[0].get("tokenizer")
    if its_own != origin["tokenizer"]:
        raise ValueError(
            f"--start {start}: was made with the tokenizer {its_own}, and this family has "
            f"{origin['tokenizer']}; give a checkpoint of a size of this family"
        )
    return {**origin, "start": fingerprint_of(start)}


def is_made(folder: Path, origin: dict[str, Any]) -> bool:
    """Whether the checkpoint of a run is there.

    Raises ValueError where there is one of another run, which is not written over.
    """
    log = folder / LOG
    if not log.is_file():
        if (folder / "config.json").is_file():
            raise ValueError(_occupied(folder, f"without a {LOG}"))
        return False
    made = json.loads(log.read_text(encoding="utf-8").splitlines()[0])
    if made != origin:
        raise ValueError(_occupied(folder, f"of another run ({json.dumps(made)})"))
    return True


def _occupied(folder: Path, what: str) -> str:
    return (
        f"{folder}: holds a checkpoint {what}; move it away, or name another folder "
        "in the family file or with --out"
    )


def pretrain(
    recipe: TextRecipe,
    reading: Reading,
    origin: dict[str, Any],
    *,
    out: Path,
    state: Path,
    every: int,
    start: Path | None = None,
    device: torch.device = CPU,
) -> Iterator[dict[str, Any]]:
    """Train by `recipe` on `device` into the folder `out`; yields a line every `every` steps.

    Begins with the checkpoint `start`, grown, or with new weights. Goes on from
    `state` where that is there, and raises ValueError where it is of another run.
    """
    model = new_model(recipe.shape, seed=recipe.seed)
    weights = first_weights(model, start, device)
    special = {
        "end_id": reading.codec.end_id, "first_sentinel": first_sentinel(reading.codec.tokenizer)
    }  # fmt: skip
    course = Course(
        rows=CorruptedWindows(windows=reading.train, **special),
        held_out=CorruptedWindows(windows=reading.held_out, **special),
        schedule=recipe.schedule,
        every=every,
        tokens_a_step=recipe.batch_size * recipe.window,
        origin=origin,
        state=state,
    )
    run = Pretraining(course, behind(model, reading.codec, recipe.compute_dtype), weights)
    yield from run.run()
    write_checkpoint(model, weights, run.log, out)
    run.close()

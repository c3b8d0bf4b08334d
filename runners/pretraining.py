"""Span-corruption pre-training of a nano model from nothing.

    python -m runners.pretraining --size 60k --stages primer:10000 world:30000 --out ladder
    python -m runners.pretraining --size 60k --stages school:40000 --out ladder \\
        --start ladder/60k

The first writes `ladder/60k/`: a `transformers` checkpoint in bfloat16, and
`training.jsonl` with the recipe and a line every 500 steps. The second goes on
from that checkpoint with a learning rate and moments of its own; the checkpoint
of a smaller size is grown first (`runners.model.growth`). The tokenizer is
trained first where `ladder/tokenizer/` is missing. A run that is cut off goes on
from its state in `--work` when the same command is given again.
"""

import argparse
import hashlib
import itertools
import json
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, load_file, save_file
from torch import Tensor
from transformers import (
    AutoTokenizer,
    PreTrainedTokenizerBase,
    T5Config,
    T5ForConditionalGeneration,
)

from runners.config import DTYPES
from runners.data.corpus import CorruptedRows, read_microworld
from runners.microworld.documents import sample_documents
from runners.microworld.exchanges import MIXES, WORLD, Mix
from runners.microworld.tokenizer import save_tokenizer, train_tokenizer
from runners.model.checkpoint import LADDER, WEIGHTS, fingerprint_of
from runners.model.codec import Codec
from runners.model.family import shipped
from runners.model.growth import grow
from runners.model.loading import COMPUTE_DTYPES
from runners.model.sizes import T5Shape
from runners.model.t5_backbone import T5Backbone, shape_of
from runners.rules import nearest
from runners.training.language_model import gradients, held_out_loss
from runners.training.trial import metadata_of

LOG = "training.jsonl"
PIECES = 600
"""Pieces of the tokenizer beside its 100 sentinels."""
TOKENIZER_DOCUMENTS = 40_000
STEPS_A_CHUNK = 500
"""Fresh documents are written so often, and a line of the log."""
DOCUMENTS_A_CHUNK = 16_000
DOCUMENTS_A_FINGERPRINT = 1_000
HELD_OUT_SEED = 999
WARM_UP = 200
COOL_DOWN = 0.3
"""The learning rate falls linearly to zero over this last share of the steps."""
BETAS = (0.9, 0.98)
EMBEDDING_SPREAD = 0.2
"""Standard deviation of a new input embedding; T5's 1 leaves it all but frozen at Adam's rates."""
POSITION_RATE = 10.0
"""The tables of relative positions learn so many times faster: few weights that must grow far."""


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

    def mix(self, step: int) -> Mix:
        """What step `step`, from 0, reads."""
        return MIXES[next(stage.mix for stage in self.stages if step < stage.until)]

    def rate(self, step: int) -> float:
        """Learning rate of step `step`: warm-up from the start of the run, plateau, linear fall."""
        left = (self.steps - step) / (COOL_DOWN * (self.steps - self.begin))
        return self.learning_rate * min(1.0, (step + 1 - self.begin) / WARM_UP, left)


def main(words: Sequence[str] | None = None) -> int:
    """Parse, pre-train, write; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(words)
    torch.set_num_threads(options.threads)
    try:
        begin = 0 if options.start is None else _last_step(options.start)
        recipe = Recipe(
            size=options.size, stages=_stages(options.stages, begin), begin=begin,
            batch_size=options.batch_size, batches=options.batches,
            learning_rate=options.learning_rate,
            salient=options.salient, seed=options.seed, compute_dtype=options.compute_dtype,
        )  # fmt: skip
        pretrain(recipe, start=options.start, out=options.out, work=options.work)
    except ValueError as error:
        parser.error(str(error))
    return 0


def _last_step(checkpoint: Path) -> int:
    """The step that a checkpoint's log ends with; raises ValueError where it has none."""
    log = checkpoint / LOG
    if not log.is_file():
        raise ValueError(
            f"--start {checkpoint}: there is no {log}; give a folder that this command has written"
        )
    return int(json.loads(log.read_text(encoding="utf-8").splitlines()[-1])["step"])


def _stages(words: Sequence[str], begin: int) -> tuple[Stage, ...]:
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


def pretrain(recipe: Recipe, *, start: Path | None, out: Path, work: Path) -> None:
    """Train by `recipe` into `out`/<size>, from the checkpoint `start` or from new weights.

    Resumes from `work` where it can; raises ValueError where `work` holds a
    state from before `recipe.begin`.
    """
    tokenizer = _tokenizer(out / "tokenizer")
    model = new_model(nano_shape(recipe.size), seed=recipe.seed)
    weights = {name: p.detach().clone() for name, p in model.named_parameters()}
    if start is not None:
        _fill(weights, start, nano_shape(recipe.size).heads)
    for weight in weights.values():
        weight.requires_grad_(True)
    backbone = _behind(model, tokenizer, recipe)
    optimizer = _optimizer(weights)
    work.mkdir(parents=True, exist_ok=True)
    state, log = work / f"{recipe.size}.safetensors", work / f"{recipe.size}.jsonl"
    origin = _origin(recipe, start)
    first = _resume(state, weights, optimizer, origin)
    if first is None:
        first = recipe.begin
        log.write_text("" if start is None else (start / LOG).read_text(), encoding="utf-8")
        _note(log, origin)
    held_out = _rows(backbone, recipe, seed=HELD_OUT_SEED, mix=WORLD)
    batches = [held_out.batch(step) for step in range(8)]
    began = time.monotonic()
    for chunk in range(first // STEPS_A_CHUNK, -(-recipe.steps // STEPS_A_CHUNK)):
        mix = recipe.mix(chunk * STEPS_A_CHUNK)
        rows = _rows(backbone, recipe, seed=recipe.seed + 1 + chunk, mix=mix)
        last = min(recipe.steps, (chunk + 1) * STEPS_A_CHUNK)
        losses = [
            _step(backbone, weights, optimizer, rows, recipe, step)
            for step in range(chunk * STEPS_A_CHUNK, last)
        ]
        _save(state, weights, optimizer, last, origin)
        line = {
            "step": last, "train_loss": round(sum(losses) / len(losses), 4),
            "held_out_loss": round(held_out_loss(backbone, weights, batches), 4),
            "seconds": round(time.monotonic() - began, 1),
        }  # fmt: skip
        _note(log, line)
        print(recipe.size, line, flush=True)
    _write(model, weights, log, out / recipe.size)
    state.unlink()


def _fill(weights: Mapping[str, Tensor], start: Path, heads: int) -> None:
    """Put the weights of a checkpoint in place, grown; ValueError where it is a larger model's."""
    had = T5Config.from_pretrained(start).num_heads
    try:
        found = grow(load_file(start / WEIGHTS), weights, heads=(had, heads))
    except ValueError as error:
        raise ValueError(f"--start {start}: {error}") from error
    for name, weight in weights.items():
        weight.copy_(found[name])


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


def _note(log: Path, line: Mapping[str, object]) -> None:
    with log.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(line) + "\n")


def new_model(shape: T5Shape, *, seed: int) -> T5ForConditionalGeneration:
    """A random T5 1.1 with small embeddings and an untied output layer of variance 1 / H (T5X)."""
    torch.manual_seed(seed)
    # transformers' annotations miss two of the keywords that its T5Config takes.
    untied: dict[str, Any] = {"tie_word_embeddings": False, "decoder_start_token_id": 0}
    config = T5Config(
        vocab_size=shape.vocabulary, d_model=shape.d_model, d_kv=shape.d_kv, d_ff=shape.d_ff,
        num_layers=shape.encoder_layers, num_decoder_layers=shape.decoder_layers,
        num_heads=shape.heads, feed_forward_proj="gated-gelu", dropout_rate=0.0, **untied,
    )  # fmt: skip
    model = T5ForConditionalGeneration(config)
    spread = shape.d_model**-0.5
    model.lm_head.weight = torch.nn.Parameter(torch.randn(shape.vocabulary, shape.d_model) * spread)
    model.shared.weight.data.mul_(EMBEDDING_SPREAD)
    return model


def _step(
    backbone: T5Backbone, weights: dict[str, Tensor], optimizer: torch.optim.AdamW,
    rows: CorruptedRows, recipe: Recipe, step: int,
) -> float:  # fmt: skip
    loss, found = gradients(backbone, weights, rows.batch(step % STEPS_A_CHUNK))
    for name, weight in weights.items():
        weight.grad = found[name]
    torch.nn.utils.clip_grad_norm_(weights.values(), 1.0)
    for group in optimizer.param_groups:
        group["lr"] = recipe.rate(step) * group["factor"]
    optimizer.step()
    return loss


def _optimizer(weights: dict[str, Tensor]) -> torch.optim.AdamW:
    positions = [w for name, w in weights.items() if "relative_attention_bias" in name]
    others = [w for name, w in weights.items() if "relative_attention_bias" not in name]
    groups = [{"params": others, "factor": 1.0}, {"params": positions, "factor": POSITION_RATE}]
    return torch.optim.AdamW(groups, betas=BETAS, weight_decay=0.0)


def nano_shape(size: str) -> T5Shape:
    """The shape of a rung of the nano ladder."""
    shape = shipped()["nano"].rungs[size].shape
    assert shape is not None
    return shape


def _tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    if not folder.is_dir():
        documents = itertools.islice(sample_documents(0), TOKENIZER_DOCUMENTS)
        save_tokenizer(train_tokenizer((d.text for d in documents), pieces=PIECES), folder)
    return AutoTokenizer.from_pretrained(folder)


def _behind(
    model: T5ForConditionalGeneration, tokenizer: PreTrainedTokenizerBase, recipe: Recipe
) -> T5Backbone:
    """The interface of a model whose weights are given at each call."""
    return T5Backbone(
        shape=shape_of(model), weights={}, codec=Codec(tokenizer=tokenizer, continues=False),
        source="", fingerprint="",
        dtype=COMPUTE_DTYPES[recipe.compute_dtype],
    )  # fmt: skip


def _rows(backbone: T5Backbone, recipe: Recipe, *, seed: int, mix: Mix) -> CorruptedRows:
    tokenizer = backbone.codec.tokenizer
    (first_sentinel,) = tokenizer("<extra_id_0>", add_special_tokens=False)["input_ids"]
    return CorruptedRows(
        documents=read_microworld(tokenizer, seed=seed, documents=DOCUMENTS_A_CHUNK, mix=mix),
        batch_size=recipe.batch_size, batches=recipe.batches, seed=seed,
        end_id=tokenizer.eos_token_id, first_sentinel=first_sentinel, salient=recipe.salient,
    )  # fmt: skip


def _save(
    path: Path, weights: dict[str, Tensor], optimizer: torch.optim.AdamW, step: int,
    origin: Mapping[str, Any],
) -> None:  # fmt: skip
    tensors = {f"weight:{name}": weight.detach() for name, weight in weights.items()}
    for name, weight in weights.items():
        tensors |= {
            f"{key}:{name}": optimizer.state[weight][key] for key in ("exp_avg", "exp_avg_sq")
        }
    fresh = path.with_suffix(".new")
    save_file(tensors, fresh, metadata={"step": str(step), "origin": json.dumps(origin)})
    fresh.replace(path)


def _resume(
    path: Path, weights: dict[str, Tensor], optimizer: torch.optim.AdamW, origin: dict[str, Any]
) -> int | None:
    """Fill weights and moments from a state; returns its step, or None without one.

    Raises ValueError for the state of a run of another origin.
    """
    if not path.exists():
        return None
    saved = path.read_bytes()
    tensors, about = load(saved), metadata_of(saved)
    # Through JSON and back, where tuples are lists.
    if json.loads(about["origin"]) != json.loads(json.dumps(origin)):
        raise ValueError(
            f"{path} is the state of another run ({about['origin']}) than is asked for "
            f"({json.dumps(origin)}); give the words it was started with, move it away, "
            "or give another --work"
        )
    step = int(about["step"])
    since = step - int(origin["recipe"]["begin"])
    for name, weight in weights.items():
        weight.data.copy_(tensors[f"weight:{name}"])
        moments = {key: tensors[f"{key}:{name}"] for key in ("exp_avg", "exp_avg_sq")}
        optimizer.state[weight] = {"step": torch.tensor(float(since)), **moments}
    return step


def _write(
    model: T5ForConditionalGeneration,
    weights: dict[str, Tensor],
    log: Path,
    folder: Path,
) -> None:
    for name, parameter in model.named_parameters():
        parameter.data.copy_(weights[name])
    torch.nn.Module.to(model, torch.bfloat16)
    model.save_pretrained(folder)
    shutil.copyfile(log, folder / LOG)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m runners.pretraining", description=__doc__)
    parser.add_argument("--size", required=True, choices=list(shipped()["nano"].rungs))
    parser.add_argument(
        "--stages", nargs="+", required=True, metavar="MIX:UNTIL",
        help=f"what is read until which step; mixes: {', '.join(MIXES)}",
    )  # fmt: skip
    parser.add_argument(
        "--start", type=Path, help="checkpoint to go on from, of this size or a smaller one"
    )
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument(
        "--batches", type=int, default=20, help="batches among which documents are sorted by length"
    )
    parser.add_argument("--learning-rate", type=float, default=0.002)
    parser.add_argument(
        "--salient", type=float, default=0.9, help="share of documents that lose answers"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compute-dtype", choices=DTYPES, default="float32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=LADDER)
    parser.add_argument("--work", type=Path, default=Path("results/pretraining"))
    return parser


if __name__ == "__main__":
    sys.exit(main())

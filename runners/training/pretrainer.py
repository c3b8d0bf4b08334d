"""Pre-training by span corruption, whatever is read: new weights, AdamW, states, and a log."""

import json
import math
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, load_file, save_file
from torch import Tensor
from transformers import T5Config, T5ForConditionalGeneration

from runners.data.batching import Rows
from runners.model.backbone import no_bars
from runners.model.checkpoint import WEIGHTS
from runners.model.codec import Codec
from runners.model.growth import grow
from runners.model.loading import COMPUTE_DTYPES
from runners.model.sizes import T5Shape
from runners.model.t5_backbone import T5Backbone, shape_of
from runners.training.language_model import gradients, held_out_loss
from runners.training.trial import Diverged, metadata_of

LOG = "training.jsonl"
"""The file of a checkpoint that tells how it was made: what decided it, then its losses."""
HELD_OUT_BATCHES = 8
WARM_UP = 200
"""Steps in which the learning rate rises from nothing."""
COOL_DOWN = 0.3
"""The learning rate falls linearly to zero over this last share of the steps."""
BETAS = (0.9, 0.98)
EMBEDDING_SPREAD = 0.2
"""Standard deviation of a new input embedding; T5's 1 leaves it all but frozen at Adam's rates."""
POSITION_RATE = 10.0
"""The tables of relative positions learn so many times faster: few weights that must grow far."""
_MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Learning rate by step: warm-up from the start of the run, plateau, linear fall."""

    peak: float
    begin: int
    """The step that the run starts from; 0 for new weights."""
    steps: int
    """The step that it ends with."""
    warm_up: int = WARM_UP

    def rate(self, step: int) -> float:
        """The learning rate of step `step`, counted from 0."""
        left = (self.steps - step) / (COOL_DOWN * (self.steps - self.begin))
        return self.peak * min(1.0, (step + 1 - self.begin) / self.warm_up, left)


@dataclass(frozen=True, kw_only=True)
class Course:
    """What one run reads, how, and where it is kept while it runs."""

    rows: Rows
    held_out: Rows
    """Of documents that `rows` has not; its first `HELD_OUT_BATCHES` batches are asked."""
    schedule: Schedule
    every: int
    """Steps between two lines of the log, each with a state to go on from."""
    tokens_a_step: int | None
    """Tokens of text that a step reads, where that is one number."""
    origin: Mapping[str, Any]
    """All that decides the weights, as JSON; a state of another origin is not gone on from."""
    state: Path
    """A file for the state; the log stands beside it."""


class Pretraining:
    """A run: weights and moments, the step they are at, and the log so far.

    `log` are the lines of the run that this one goes on from. A state keeps the
    log as well, so that a run which is cut off loses no line and repeats none.
    """

    def __init__(
        self,
        course: Course,
        backbone: T5Backbone,
        weights: dict[str, Tensor],
        log: Sequence[str] = (),
    ) -> None:
        self.weights = weights
        self.log = [*log, json.dumps(course.origin)]
        self._course = course
        self._backbone = backbone
        self._step = course.schedule.begin
        self._spent = 0.0
        for weight in weights.values():
            weight.requires_grad_(True)
        self._optimizer = _optimizer(weights)

    def run(self) -> Iterator[dict[str, Any]]:
        """Train to the last step, from the state where there is one; yields each line of the log.

        Raises ValueError where the state is of another origin, and `Diverged`
        where a loss is not finite.
        """
        course = self._course
        course.state.parent.mkdir(parents=True, exist_ok=True)
        self._resume()
        batches = [course.held_out.batch(step) for step in range(HELD_OUT_BATCHES)]
        began = time.monotonic() - self._spent
        while self._step < course.schedule.steps:
            loss = self._train_to_the_next_line()
            held_out = held_out_loss(self._backbone, self.weights, batches)
            if not (math.isfinite(loss) and math.isfinite(held_out)):
                raise Diverged(
                    f"pre-training: the loss is {loss} by step {self._step}, and {held_out} on "
                    "held-out text; give a smaller learning rate"
                )
            self._spent = time.monotonic() - began
            line = self._line(loss, held_out)
            self.log.append(json.dumps(line))
            self._save()
            yield line

    def close(self) -> None:
        """Drop the state, once the checkpoint is written."""
        self._course.state.unlink()

    def _train_to_the_next_line(self) -> float:
        """The mean loss of the steps up to the next multiple of `every`, or to the last."""
        course, first = self._course, self._step
        last = min(course.schedule.steps, (first // course.every + 1) * course.every)
        losses = [self._train(step) for step in range(first, last)]
        self._step = last
        return sum(losses) / len(losses)

    def _train(self, step: int) -> float:
        loss, found = gradients(self._backbone, self.weights, self._course.rows.batch(step))
        for name, weight in self.weights.items():
            weight.grad = found[name]
        torch.nn.utils.clip_grad_norm_(self.weights.values(), 1.0)
        for group in self._optimizer.param_groups:
            group["lr"] = self._course.schedule.rate(step) * group["factor"]
        self._optimizer.step()
        return loss

    def _line(self, loss: float, held_out: float) -> dict[str, Any]:
        tokens = self._course.tokens_a_step
        seen = {} if tokens is None else {"tokens": tokens * self._step}
        return {
            "step": self._step, **seen, "train_loss": round(loss, 4),
            "held_out_loss": round(held_out, 4), "seconds": round(self._spent, 1),
        }  # fmt: skip

    def _save(self) -> None:
        tensors = {f"weight:{name}": weight.detach() for name, weight in self.weights.items()}
        for name, weight in self.weights.items():
            tensors |= {f"{key}:{name}": self._optimizer.state[weight][key] for key in _MOMENTS}
        about = {
            "step": str(self._step), "seconds": str(self._spent),
            "origin": json.dumps(self._course.origin), "log": json.dumps(self.log),
        }  # fmt: skip
        state = self._course.state
        fresh = state.with_suffix(".new")
        save_file(tensors, fresh, metadata=about)
        fresh.replace(state)
        state.with_suffix(".jsonl").write_text(_lines(self.log), encoding="utf-8")

    def _resume(self) -> None:
        """Fill weights, moments and log from the state where there is one."""
        path = self._course.state
        if not path.exists():
            return
        saved = path.read_bytes()
        tensors, about = load(saved), metadata_of(saved)
        # Through JSON and back, where tuples are lists.
        asked = json.dumps(self._course.origin)
        if json.loads(about["origin"]) != json.loads(asked):
            raise ValueError(
                f"{path} is the state of another run ({about['origin']}) than is asked for "
                f"({asked}); give the words it was started with, move it away, "
                "or give another --work"
            )
        self._step, self._spent = int(about["step"]), float(about["seconds"])
        self.log = json.loads(about["log"])
        # AdamW keeps its count of steps on the cores.
        since = torch.tensor(float(self._step - self._course.schedule.begin), device="cpu")
        for name, weight in self.weights.items():
            weight.data.copy_(tensors[f"weight:{name}"])
            moments = {key: tensors[f"{key}:{name}"].to(weight.device) for key in _MOMENTS}
            self._optimizer.state[weight] = {"step": since.clone(), **moments}


def _optimizer(weights: dict[str, Tensor]) -> torch.optim.AdamW:
    positions = [w for name, w in weights.items() if "relative_attention_bias" in name]
    others = [w for name, w in weights.items() if "relative_attention_bias" not in name]
    groups = [{"params": others, "factor": 1.0}, {"params": positions, "factor": POSITION_RATE}]
    return torch.optim.AdamW(groups, betas=BETAS, weight_decay=0.0)


def new_model(shape: T5Shape, *, seed: int) -> T5ForConditionalGeneration:
    """A random T5 1.1 with small embeddings and an untied output layer of variance 1 / H (T5X)."""
    torch.manual_seed(seed)
    # transformers' annotations miss two of the keywords that its T5Config takes.
    untied: dict[str, Any] = {"tie_word_embeddings": False, "decoder_start_token_id": 0}
    config = T5Config(
        vocab_size=shape.vocabulary, d_model=shape.d_model, d_kv=shape.d_kv, d_ff=shape.d_ff,
        num_layers=shape.encoder_layers, num_decoder_layers=shape.decoder_layers,
        num_heads=shape.heads, relative_attention_num_buckets=shape.relative_buckets,
        feed_forward_proj="gated-gelu", dropout_rate=0.0, **untied,
    )  # fmt: skip
    model = T5ForConditionalGeneration(config)
    spread = shape.d_model**-0.5
    model.lm_head.weight = torch.nn.Parameter(torch.randn(shape.vocabulary, shape.d_model) * spread)
    model.shared.weight.data.mul_(EMBEDDING_SPREAD)
    return model


def weights_of(model: T5ForConditionalGeneration) -> dict[str, Tensor]:
    """A copy of every weight, to be trained."""
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def first_weights(
    model: T5ForConditionalGeneration, start: Path | None, device: torch.device
) -> dict[str, Tensor]:
    """What a run begins with, on `device`: a model's own weights, or a checkpoint's, grown to them.

    Raises ValueError where the checkpoint is a larger model's.
    """
    weights = weights_of(model)
    if start is not None:
        heads = T5Config.from_pretrained(start).num_heads, model.config.num_heads
        try:
            weights = grow(load_file(start / WEIGHTS), weights, heads=heads)
        except ValueError as error:
            raise ValueError(f"--start {start}: {error}") from error
    return {name: weight.to(device) for name, weight in weights.items()}


def log_of(start: Path) -> list[dict[str, Any]]:
    """The lines of the log of a checkpoint to start from; raises ValueError where it has none."""
    log = start / LOG
    if not log.is_file():
        raise ValueError(
            f"--start {start}: there is no {log}; give a folder that this command has written"
        )
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


def behind(model: T5ForConditionalGeneration, codec: Codec, compute_dtype: str) -> T5Backbone:
    """The interface of a model whose weights are given at each call."""
    return T5Backbone(
        shape=shape_of(model), weights={}, codec=codec, source="", fingerprint="",
        dtype=COMPUTE_DTYPES[compute_dtype],
    )  # fmt: skip


def write_checkpoint(
    model: T5ForConditionalGeneration,
    weights: Mapping[str, Tensor],
    log: Sequence[str],
    folder: Path,
) -> None:
    """Write what `transformers` reads, in bfloat16, and the log; the log is last."""
    for name, parameter in model.named_parameters():
        parameter.data.copy_(weights[name])
    torch.nn.Module.to(model, torch.bfloat16)
    with no_bars():
        model.save_pretrained(folder)
    fresh = folder / f"{LOG}.new"
    fresh.write_text(_lines(log), encoding="utf-8")
    shutil.move(fresh, folder / LOG)


def _lines(log: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in log)

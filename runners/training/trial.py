"""One trial while it runs: parameters, optimizer state, place in the data, best point so far."""

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from runners.config import TrialConfig
from runners.data.batching import Encoded, Order
from runners.data.source import TaskData
from runners.training.adafactor import Adafactor


@dataclass(frozen=True, kw_only=True)
class Best:
    """The evaluation with the highest score; the earliest of equals."""

    step: int
    metrics: dict[str, float]
    predictions: list[str]
    parameters: dict[str, Tensor]


_PLAIN = ("step", "history", "seconds", "loss_sum")
"""What a checkpoint keeps of a run beside tensors and the best point."""


class Diverged(ArithmeticError):
    """A loss or parameter of a trial that is not finite."""


@dataclass(kw_only=True)
class TrialRun:
    """The mutable state of a trial between two steps.

    `parameters` are float32 leaves by name; `state` is Adafactor's. Everything
    else that a step needs follows from `config` and `step`.
    """

    config: TrialConfig
    data: TaskData
    parameters: dict[str, Tensor]
    state: dict[str, Tensor] = field(default_factory=dict)
    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best: Best | None = None
    seconds: float = 0.0
    loss_sum: float = 0.0

    def __post_init__(self) -> None:
        for parameter in self.parameters.values():
            parameter.requires_grad_(True)
        self.state = self.state or self.optimizer.initial_state(self.parameters)

    @property
    def optimizer(self) -> Adafactor:
        """The trial's optimizer settings."""
        return Adafactor(
            learning_rate=self.config.learning_rate,
            weight_decay=self.config.weight_decay,
            parameter_scaling=self.config.parameter_scaling,
        )

    @property
    def finished(self) -> bool:
        """Whether every step is done."""
        return self.step >= self.config.train_steps

    @property
    def due(self) -> bool:
        """Whether dev is to be evaluated at this step."""
        return self.step > 0 and (self.step % self.config.eval_every == 0 or self.finished)

    def rows(self) -> list[Encoded]:
        """The training rows of the next step."""
        order = Order(
            examples=len(self.data.train), batch_size=self.config.batch_size, seed=self.config.seed
        )
        return [self.data.train[index] for index in order.batch(self.step)]

    def update(self, loss: float) -> None:
        """One optimizer step from the gradients on the parameters.

        Raises Diverged where the loss or an updated parameter is not finite.
        """
        gradients = {}
        for name, parameter in self.parameters.items():
            assert parameter.grad is not None
            gradients[name] = parameter.grad
            parameter.grad = None
        self.step += 1
        self.loss_sum += loss
        # A gradient that is not finite leaves no parameter that is.
        self.optimizer.step(self.parameters, gradients, self.state, step=self.step)
        if not (math.isfinite(loss) and all_finite(self.parameters)):
            what = f"loss {loss} or a parameter is not finite at step {self.step}"
            raise Diverged(f"trial {self.config.label}: {what}")

    def evaluated(self, metrics: dict[str, float], predictions: list[str]) -> None:
        """Note an evaluation at this step, and keep its parameters where it is the best."""
        since = self.step - (int(self.history[-1]["step"]) if self.history else 0)
        self.history.append({"step": self.step, "train_loss": self.loss_sum / since, **metrics})
        self.loss_sum = 0.0
        if self.best is None or metrics["score"] > self.best.metrics["score"]:
            kept = {name: p.detach().clone() for name, p in self.parameters.items()}
            self.best = Best(
                step=self.step, metrics=metrics, predictions=predictions, parameters=kept
            )

    def to_bytes(self, metadata: Mapping[str, str]) -> bytes:
        """A checkpoint of the run in safetensors, with the rest and `metadata` in its header."""
        tensors = {f"parameter:{n}": p.detach().contiguous() for n, p in self.parameters.items()}
        tensors |= {f"state:{n}": s.contiguous() for n, s in self.state.items()}
        meta: dict[str, Any] = {name: getattr(self, name) for name in _PLAIN} | {"best": None}
        if self.best:
            tensors |= {f"best:{n}": p.contiguous() for n, p in self.best.parameters.items()}
            meta["best"] = {
                "step": self.best.step,
                "metrics": self.best.metrics,
                "predictions": self.best.predictions,
            }
        return save(tensors, metadata={**metadata, "run": json.dumps(meta)})

    def resume(self, checkpoint: bytes) -> "TrialRun":
        """This run as it was when `checkpoint` was taken."""
        tensors = load(checkpoint)
        parts = {
            kind: {n.split(":", 1)[1]: t for n, t in tensors.items() if n.startswith(f"{kind}:")}
            for kind in ("parameter", "state", "best")
        }
        meta = json.loads(metadata_of(checkpoint)["run"])
        best = Best(**meta["best"], parameters=parts["best"]) if meta["best"] else None
        plain = {name: meta[name] for name in _PLAIN}
        return dataclasses.replace(
            self, parameters=parts["parameter"], state=parts["state"], best=best, **plain
        )


def other_origins(checkpoint: bytes, origins: Mapping[str, str]) -> list[str]:
    """Which of `origins` (kind to fingerprint) are not those that a checkpoint was saved with."""
    saved = metadata_of(checkpoint)
    return sorted(kind for kind, version in origins.items() if saved.get(kind) != version)


def all_finite(tensors: Mapping[str, Tensor]) -> bool:
    """Whether no number of any tensor is infinite or NaN."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors.values())


def metadata_of(serialised: bytes) -> dict[str, str]:
    """The metadata of safetensors bytes (header: 8 bytes of length, then JSON)."""
    length = int.from_bytes(serialised[:8], "little")
    metadata: dict[str, str] = json.loads(serialised[8 : 8 + length]).get("__metadata__", {})
    return metadata

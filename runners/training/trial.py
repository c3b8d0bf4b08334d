"""A run while it trains: parameters, optimizer state, place in the data, best points so far.

A run is one trial, or all trials of a mixture: those train together and are
judged one by one, each on its own task and at its own best point.
"""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

from runners.config import Training, TrialConfig
from runners.data.batching import Encoded, Order
from runners.data.source import DevData, TaskData
from runners.model.shards import gathered, restored, whole
from runners.training.adafactor import Adafactor


@dataclass(frozen=True, kw_only=True)
class Best:
    """The evaluation with the highest score; the earliest of equals."""

    step: int
    metrics: dict[str, float]
    predictions: list[str]
    parameters: dict[str, Tensor]


_PLAIN = ("step", "seconds", "loss_sum")
"""What a checkpoint keeps of a run beside tensors and members."""


class Diverged(ArithmeticError):
    """A loss or parameter of a trial that is not finite."""


@dataclass(kw_only=True)
class Member:
    """One trial of a run: the task that it is judged on, and how it has done.

    Once the run is finished, `transferred` has the metrics and the answers of
    the best point on each task of `transfer`.
    """

    config: TrialConfig
    data: TaskData
    transfer: Mapping[str, DevData] = field(default_factory=dict)
    transferred: Mapping[str, tuple[dict[str, float], list[str]]] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    best: Best | None = None


@dataclass(kw_only=True)
class TrialRun:
    """The mutable state of a run between two steps.

    `parameters` are float32 leaves by name, of which the best point keeps those
    named in `kept`; `state` is Adafactor's. Everything else that a step needs
    follows from the first member's config, `step` and the rows `train`.
    """

    members: tuple[Member, ...]
    train: Sequence[Encoded]
    data: str
    """Fingerprints of the tasks whose rows these are."""
    parameters: dict[str, Tensor]
    kept: frozenset[str]
    state: dict[str, Tensor] = field(default_factory=dict)
    step: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0

    def __post_init__(self) -> None:
        for parameter in self.parameters.values():
            parameter.requires_grad_(True)
        if self.parameters:
            self.state = self.state or self.optimizer.initial_state(self.parameters)

    @property
    def config(self) -> TrialConfig:
        """How the run trains, which its members share."""
        return self.members[0].config

    @property
    def optimizer(self) -> Adafactor:
        """The run's optimizer settings at its step."""
        training = self._training
        return Adafactor(
            learning_rate=training.rate(max(self.step, 1)),
            weight_decay=training.weight_decay,
            parameter_scaling=training.parameter_scaling,
        )

    @property
    def _training(self) -> Training:
        training = self.config.training
        assert training is not None
        return training

    @property
    def finished(self) -> bool:
        """Whether every step is done."""
        return self.step >= self.config.steps

    @property
    def due_on_start(self) -> bool:
        """Whether dev is to be evaluated before the first step, and has not been yet."""
        training = self.config.training
        asked = training is not None and training.eval_on_start
        return asked and self.step == 0 and not self.members[0].history

    @property
    def due(self) -> bool:
        """Whether dev is to be evaluated at this step."""
        if self.config.training is None:
            return not self.members[0].history
        return self.step > 0 and (self.step % self._training.eval_every == 0 or self.finished)

    def rows(self) -> list[Encoded]:
        """The training rows of the next step."""
        order = Order(
            examples=len(self.train),
            batch_size=self._training.batch_size,
            seed=self.config.seed,
        )
        return [self.train[index] for index in order.batch(self.step)]

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

    def evaluated(self, judged: Sequence[tuple[dict[str, float], list[str]]]) -> None:
        """Note metrics and predictions of every member at this step; keep what is the best yet.

        The start of a run that trains is noted alone.
        """
        before = self.members[0].history
        untrained = self.config.training is not None and self.step == 0
        since = self.step - (int(before[-1]["step"]) if before else 0)
        loss = {"train_loss": self.loss_sum / since} if since else {}
        self.loss_sum = 0.0
        # Members that are at their best at one step share what is kept of it.
        kept: dict[str, Tensor] = {}
        for member, (metrics, predictions) in zip(self.members, judged, strict=True):
            member.history.append({"step": self.step, **loss, **metrics})
            if untrained:
                continue
            if member.best is None or metrics["score"] > member.best.metrics["score"]:
                # On the cores, so that points which are only kept take no room on a GPU.
                kept = kept or {
                    name: whole(self.parameters[name].detach()).clone().cpu()
                    for name in sorted(self.kept)
                }
                member.best = Best(
                    step=self.step, metrics=metrics, predictions=predictions, parameters=kept
                )

    def to_bytes(self, metadata: Mapping[str, str]) -> bytes:
        """A checkpoint of the run in safetensors, with the rest and `metadata` in its header.

        Of sharded tensors the first rank's has all, and that of others nothing.
        """
        tensors = gathered({f"parameter:{n}": p for n, p in self.parameters.items()})
        tensors |= gathered({f"state:{n}": s for n, s in self.state.items()})
        members = {}
        for member in self.members:
            if member.best:
                kept = member.best.parameters
                tensors |= {f"best:{member.best.step}:{n}": p for n, p in kept.items()}
            members[member.config.task] = {"history": member.history, "best": _plain(member.best)}
        meta = {name: getattr(self, name) for name in _PLAIN}
        meta |= {"members": members, "kept": sorted(self.kept)}
        return save(tensors, metadata={**metadata, "run": json.dumps(meta)})

    def lacks(self, checkpoint: bytes) -> bool:
        """Whether a checkpoint has not all that this run keeps of its best points.

        So it is where a mixture began without the transfer tasks that it now has.
        """
        names = json.loads(metadata_of(checkpoint)["run"])["kept"]
        return not self.kept <= set(names)

    def resume(self, checkpoint: bytes) -> "TrialRun":
        """This run as it was when `checkpoint` was taken.

        Members that it had and that are not asked for any more are left out.
        """
        tensors = load(checkpoint)
        meta = json.loads(metadata_of(checkpoint)["run"])
        members = tuple(
            _resumed(member, meta["members"][member.config.task], tensors)
            for member in self.members
        )
        return dataclasses.replace(
            self, members=members,
            parameters=restored(_named(tensors, "parameter"), self.parameters),
            state=restored(_named(tensors, "state"), self.state),
            **{name: meta[name] for name in _PLAIN},
        )  # fmt: skip


def _plain(best: Best | None) -> dict[str, Any] | None:
    if best is None:
        return None
    return {"step": best.step, "metrics": best.metrics, "predictions": best.predictions}


def _resumed(member: Member, saved: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Member:
    best = None
    if saved["best"]:
        kept = _named(tensors, f"best:{saved['best']['step']}")
        best = Best(**saved["best"], parameters=kept)
    return dataclasses.replace(member, history=saved["history"], best=best)


def _named(tensors: Mapping[str, Tensor], kind: str) -> dict[str, Tensor]:
    prefix = f"{kind}:"
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def other_origins(checkpoint: bytes, origins: Mapping[str, str]) -> list[str]:
    """Which of `origins` (kind to fingerprint) are not those that a checkpoint was saved with."""
    saved = metadata_of(checkpoint)
    return sorted(kind for kind, version in origins.items() if saved.get(kind) != version)


def all_finite(tensors: Mapping[str, Tensor]) -> bool:
    """Whether no number of any tensor is infinite or NaN."""
    return all(bool(whole(torch.isfinite(tensor).all())) for tensor in tensors.values())


def metadata_of(serialised: bytes) -> dict[str, str]:
    """The metadata of safetensors bytes (header: 8 bytes of length, then JSON)."""
    length = int.from_bytes(serialised[:8], "little")
    metadata: dict[str, str] = json.loads(serialised[8 : 8 + length]).get("__metadata__", {})
    return metadata

"""LM adaptation as a run: every weight trains, and milestones are committed as they appear.

The learning rate is constant, so the checkpoint after 100 steps is the same whatever
follows, and one run yields every milestone (Lester et al. 2021, 2.2). A run that is cut
off goes on from its last checkpoint.
"""

import dataclasses
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import torch
from safetensors.torch import load, save, save_file
from torch import Tensor

from runners.catalogue import Catalogue
from runners.config import AdaptationConfig
from runners.data.continuations import HELD_OUT_BATCHES, Continuations, read_continuations, text_of
from runners.model.backbone import Backbone, device_of
from runners.model.checkpoint import WEIGHTS
from runners.model.device import describe
from runners.model.loading import COMPUTE_DTYPES, CPU, check_origin, load_pretrained
from runners.model.sharded_t5 import trainable
from runners.model.shards import gathered, restored
from runners.record import TrialRecord
from runners.store import Store
from runners.training.adafactor import Adafactor
from runners.training.language_model import gradients, held_out_loss
from runners.training.layout import PLAIN, Layout
from runners.training.memory import Room
from runners.training.provenance import code_fingerprint, surroundings
from runners.training.ranks import Ranks
from runners.training.session import CHECKPOINT_SECONDS
from runners.training.trial import Diverged, all_finite, metadata_of, other_origins

STATE = "adaptation.safetensors"


@dataclass(kw_only=True)
class Adaptation:
    """The mutable state of a run: float32 weights, Adafactor's state, steps done, seconds spent."""

    weights: dict[str, Tensor]
    state: dict[str, Tensor]
    step: int = 0
    seconds: float = 0.0

    def to_bytes(self, metadata: Mapping[str, str]) -> bytes:
        """The state as safetensors, with `metadata` in the header."""
        tensors = gathered({f"weight:{n}": w for n, w in self.weights.items()})
        tensors |= gathered({f"state:{n}": s for n, s in self.state.items()})
        meta = {"step": self.step, "seconds": self.seconds}
        return save(tensors, metadata={**metadata, "run": json.dumps(meta)})

    @classmethod
    def from_bytes(cls, checkpoint: bytes, begun: "Adaptation") -> "Adaptation":
        """The state of `to_bytes`, where that of a run which has just begun is."""
        tensors = load(checkpoint)
        parts = {
            kind: {n.split(":", 1)[1]: t for n, t in tensors.items() if n.startswith(f"{kind}:")}
            for kind in ("weight", "state")
        }
        return cls(
            weights=restored(parts["weight"], begun.weights),
            state=restored(parts["state"], begun.state),
            **json.loads(metadata_of(checkpoint)["run"]),
        )


def adapt(
    config: AdaptationConfig,
    milestones: Sequence[int],
    store: Store,
    catalogue: Catalogue,
    *,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    device: torch.device = CPU,
    room: Room | None = None,
    layout: Layout = PLAIN,
) -> Iterator[tuple[int, int]]:
    """Train on `device` to the last of `milestones` that the store lacks; commits each in turn.

    Several ranks share the work where `layout` has them, and each calls this. Yields
    (steps done, last step) after every step. Raises `Diverged` where the loss is not
    finite, ValueError where the store has a milestone of this run that comes from
    another checkpoint, or the text is not there or too little.
    """
    ranks = layout.ranks
    missing = [steps for steps in milestones if store.get(config.milestone_id(steps)) is None]
    wanted = ranks.agreed(sorted(missing))
    if not wanted:
        return
    text = text_of(config, catalogue)
    pretrained = load_pretrained(catalogue, config.model_family, config.model_size, "float32")
    pretrained = dataclasses.replace(pretrained, dtype=COMPUTE_DTYPES[config.compute_dtype])
    backbone = layout.of(pretrained, device)
    for steps in set(milestones) - set(wanted):
        record = store.get(config.milestone_id(steps))
        assert record is not None
        check_origin(record, backbone, store)
    read = read_continuations(config, text, backbone.codec)
    optimizer = Adafactor(
        learning_rate=config.learning_rate, weight_decay=0.0, parameter_scaling=True
    )
    run = _begin(backbone, optimizer, config, store, layout.ranks, first=wanted[0])
    saved, began = time.monotonic(), time.monotonic()
    spent = run.seconds
    room = room or Room()
    while run.step < wanted[-1]:
        loss, found = gradients(backbone, run.weights, read.train.batch(run.step), room)
        run.step += 1
        # A gradient that is not finite leaves no weight that is.
        optimizer.step(run.weights, found, run.state, step=run.step)
        if not (math.isfinite(loss) and all_finite(run.weights)):
            raise Diverged(
                f"{config.model_size} LM adaptation: loss {loss} or a weight is not finite "
                f"at step {run.step}"
            )
        run.seconds = spent + time.monotonic() - began
        if run.step in wanted:
            _commit(backbone, config, run, store, read, loss, ranks)
        if ranks.agreed(time.monotonic() - saved > checkpoint_seconds):
            content = run.to_bytes(_origins(backbone))
            if ranks.is_first:
                store.save_state(config.run_id, STATE, content)
            saved = time.monotonic()
        yield run.step, wanted[-1]
    if ranks.is_first:
        store.clear_state(config.run_id)


def _begin(
    backbone: Backbone, optimizer: Adafactor, config: AdaptationConfig, store: Store, ranks: Ranks,
    *, first: int,
) -> Adaptation:  # fmt: skip
    """The run as it may go on to the milestone `first`: from its checkpoint, or from the start."""
    weights = trainable(backbone)
    run = Adaptation(weights=weights, state=optimizer.initial_state(weights))
    checkpoint = _checkpoint(backbone, config, store, ranks)
    # A milestone that was asked for later may lie behind the checkpoint.
    if checkpoint is not None and json.loads(metadata_of(checkpoint)["run"])["step"] < first:
        run = Adaptation.from_bytes(checkpoint, run)
    for weight in run.weights.values():
        weight.requires_grad_(True)
    return run


def _checkpoint(
    backbone: Backbone, config: AdaptationConfig, store: Store, ranks: Ranks
) -> bytes | None:
    """The run's checkpoint, where there is one of the same origins."""
    checkpoint = store.load_state(config.run_id, STATE)
    if ranks.agreed(checkpoint is None or other_origins(checkpoint, _origins(backbone))):
        return None
    assert checkpoint is not None, "the first rank has a checkpoint that another does not see"
    return checkpoint


def _origins(backbone: Backbone) -> dict[str, str]:
    """Fingerprints of what decides a run's numbers beside its config."""
    return {"code": code_fingerprint(), "base_checkpoint": backbone.fingerprint}


def _commit(
    backbone: Backbone, config: AdaptationConfig, run: Adaptation, store: Store,
    read: Continuations, loss: float, ranks: Ranks,
) -> None:  # fmt: skip
    batches = [read.held_out.batch(step) for step in range(HELD_OUT_BATCHES)]
    held_out = held_out_loss(backbone, run.weights, batches)
    weights = gathered(run.weights)
    if not ranks.is_first:
        return
    attempt = store.begin(config.milestone_id(run.step))
    attempt.write(WEIGHTS, lambda path: save_file(weights, path))
    record = TrialRecord(
        trial_id=config.milestone_id(run.step),
        attempt=attempt.id,
        stage="lm_adaptation",
        label=f"{config.model_size}-lm{run.step}",
        config={**dataclasses.asdict(config), "lm_adaptation_steps": run.step},
        metrics={"train_loss": loss, "held_out_loss": held_out},
        provenance={
            **surroundings(),
            **_origins(backbone),
            "committed": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(run.seconds, 3),
            "device": describe(device_of(backbone.weights)),
            "threads": torch.get_num_threads(),
            "ranks": ranks.count,
            "model_parameters": backbone.parameter_count,
        },
        files={},
    )
    attempt.commit(record)

"""A rank that trains: python rank.py NUMBER COUNT ADDRESS FOLDER COMMAND...

What came of it is left in FOLDER by the first rank.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Shard, distribute_tensor

from runners.catalogue import Catalogue
from runners.config import AdaptationConfig, TrialConfig, from_mapping
from runners.model.loading import CPU, load_backbone
from runners.model.sharded_t5 import trainable
from runners.model.shards import gathered
from runners.prompt.soft_prompt import Prompted, stack
from runners.store import Store
from runners.training.adafactor import Adafactor
from runners.training.adaptation import adapt
from runners.training.layout import Layout
from runners.training.memory import Room
from runners.training.pack import start, train_step
from runners.training.ranks import Ranks, joined
from runners.training.session import Session

FIELDS = {
    "method": "model_tuning", "model_family": "nano", "model_size": "60k",
    "pretraining_objective": "span_corruption", "lm_adaptation_steps": 0, "task": "cb", "seed": 0,
    "train_steps": 6, "eval_every": 3, "batch_size": 5, "learning_rate": 0.01,
    "parameter_scaling": True, "train_examples": 64, "dev_examples": 13, "dropout": 0.1,
}  # fmt: skip
ADAPTATION = AdaptationConfig(
    model_family="nano",
    model_size="60k",
    batch_size=5,
    learning_rate=0.01,
    seed=0,
    compute_dtype="float32",
)


def config(**changes: object) -> TrialConfig:
    """The trial that is trained, with any fields replaced."""
    return from_mapping({**FIELDS, **changes})


def steps(
    ranks: Ranks,
    trial: TrialConfig,
    count: int,
    *,
    recomputes: bool,
    checkpoint: bytes | None,
    room: Room | None = None,
    compiles: bool = False,
) -> tuple[dict[str, Tensor], bytes, list[float]]:
    """So many steps: parameters, checkpoint and losses of the first rank."""
    read = load_backbone(trial, Store("unused"), Catalogue())
    layout = Layout(ranks=ranks, recomputes=recomputes, compiles=compiles)
    backbone = layout.of(read, CPU)
    run = start([trial], backbone, Catalogue())
    if checkpoint is not None:
        run = run.resume(checkpoint)
    losses = []
    for _ in range(count):
        [loss] = train_step(backbone, [run], room)
        run.update(loss)
        losses.append(loss)
    return gathered(run.parameters), run.to_bytes({}), losses


def train(ranks: Ranks, folder: Path) -> None:
    """Steps in both precisions, and from a checkpoint that one process left."""
    for dtype in ("float32", "bfloat16"):
        trial = config(compute_dtype=dtype)
        for recomputes in (False, True):
            parameters, content, losses = steps(
                ranks, trial, 3, recomputes=recomputes, checkpoint=None
            )
            if ranks.is_first:
                name = f"{dtype}-{recomputes}"
                save_file(parameters, folder / f"{name}.safetensors")
                (folder / f"{name}.checkpoint").write_bytes(content)
                (folder / f"{name}.json").write_text(json.dumps(losses))
    left = (folder / "alone.checkpoint").read_bytes()
    parameters, _, _ = steps(ranks, config(), 2, recomputes=True, checkpoint=left)
    if ranks.is_first:
        save_file(parameters, folder / "resumed.safetensors")


LIMITS = (1, 6, 2, 3, 1)
"""Tokens of each row's answer at most; those of the first of two ranks end before the others."""


def written(ranks: Ranks) -> Tensor:
    """Answers to rows of random ids, padded: [5, up to 6]."""
    read = load_backbone(config(), Store("unused"), Catalogue())
    backbone = Layout(ranks=ranks, recomputes=False).of(read, CPU)
    ids = torch.randint(3, 600, (len(LIMITS), 20), generator=torch.Generator().manual_seed(5))
    weights = trainable(backbone)
    with torch.no_grad():
        embedded = backbone.embed(weights, ids)
    steps = backbone.continuations(weights, embedded, torch.ones_like(ids), limits=LIMITS)
    return torch.stack([*steps], dim=1)


def weighed(ranks: Ranks) -> Tensor:
    """Losses of seven choices of four rows behind two prompts: [7, 3]."""
    read = load_backbone(config(), Store("unused"), Catalogue())
    backbone = Layout(ranks=ranks, recomputes=False).of(read, CPU)
    generator = torch.Generator().manual_seed(6)
    ids = torch.randint(3, 600, (4, 12), generator=generator)
    choices = torch.randint(3, 600, (7, 3), generator=generator)
    bank = stack([torch.randn(n, backbone.width, generator=generator) for n in (2, 5)])
    weights = trainable(backbone)
    with torch.no_grad():
        return backbone.losses(
            weights, backbone.embed(weights, ids), torch.ones_like(ids), choices,
            prompts=Prompted(bank=bank, of_row=torch.tensor([1, 0, 0, 1])),
            of_row=torch.tensor([0, 0, 1, 2, 2, 3, 3]),
        )  # fmt: skip


def write(ranks: Ranks, folder: Path) -> None:
    """Answers of unlike length, and likelihoods of choices."""
    found = {"ids": written(ranks), "losses": weighed(ranks)}
    if ranks.is_first:
        save_file(found, folder / "written.safetensors")


SHAPES = {"factored": (200, 130), "odd": (131, 128), "small": (7, 5), "vector": (10,)}


def moved(placed: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Parameters of every kind after four updates, wherever they and gradients are placed."""
    generator = torch.Generator().manual_seed(3)
    optimizer = Adafactor(learning_rate=0.1, weight_decay=0.01, parameter_scaling=True)
    drawn = [
        {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}
        for _ in range(5)
    ]
    parameters = placed(drawn[0])
    state = optimizer.initial_state(parameters)
    for step, gradients in enumerate(drawn[1:], start=1):
        optimizer.step(parameters, placed(gradients), state, step=step)
    return gathered(parameters)


def adafactor(ranks: Ranks, folder: Path) -> None:
    """Updates of parameters in shards."""
    mesh = init_device_mesh("cpu", (ranks.count,))

    def placed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: distribute_tensor(t, mesh, [Shard(0)]) for name, t in tensors.items()}

    found = moved(placed)
    if ranks.is_first:
        save_file(found, folder / "adafactor.safetensors")


def sweep(ranks: Ranks, folder: Path) -> None:
    """A trial that is judged on another task too, and an adaptation, into a store."""
    store = Store(str(folder / "store"))
    trial = config(transfer_tasks="rte")
    layout = Layout(ranks=ranks, recomputes=True)
    session = Session(
        backbone=layout.of(load_backbone(trial, store, Catalogue()), CPU), store=store,
        catalogue=Catalogue(), slots=1, ranks=ranks, checkpoint_seconds=1e-9,
    )  # fmt: skip
    for _ in session.train([trial]):
        pass
    for _ in adapt(ADAPTATION, [2, 4], store, Catalogue(), layout=layout, checkpoint_seconds=1e-9):
        pass


def compiled(ranks: Ranks, folder: Path) -> None:
    """Steps of compiled layers that are computed again, each with weights from all ranks."""
    parameters, _, _ = steps(ranks, config(), 3, recomputes=True, checkpoint=None, compiles=True)
    if ranks.is_first:
        save_file(parameters, folder / "compiled.safetensors")


COMMANDS: dict[str, Callable[[Ranks, Path], None]] = {
    "adafactor": adafactor, "compiled": compiled, "train": train, "sweep": sweep, "write": write,
}  # fmt: skip


def main(number: str, count: str, address: str, folder: str, *commands: str) -> None:
    """Join the others and do what is asked."""
    torch.set_num_threads(1)
    with joined(int(number), int(count), address, CPU) as ranks:
        for command in commands:
            COMMANDS[command](ranks, Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])

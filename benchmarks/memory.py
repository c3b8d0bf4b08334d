"""Memory of several trials over one frozen model, against a process of PEFT for each of them.

Proportional set size, of all processes at once, after a step of each: pages that
processes share are counted once.
"""

import multiprocessing
from collections.abc import Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from benchmarks.table import Line, in_turn

SECONDS = 600


def measure(size: str, trials: int, rows: int, repeats: int) -> Iterator[Line]:
    """Trials of so many rows each, a prompt of 20 before them."""
    ours, peer = in_turn(
        lambda: _held(_ours, 1, (size, trials, rows)),
        lambda: _held(_peer, trials, (size, rows)),
        repeats,
    )
    yield Line(
        what=f"memory of {trials} trials on T5 {size}, {rows} rows each", unit="GiB",
        ours=ours, peer=peer,
        note="proportional set size, imports included; ours one process, peer one a trial",
    )  # fmt: skip


def _held(work: Any, count: int, arguments: tuple[object, ...]) -> float:
    """GiB of so many processes, each of which has done its work and waits for the others."""
    context = multiprocessing.get_context("spawn")
    done = context.Barrier(count)
    told: Any = context.Queue()
    processes = [
        context.Process(target=_measured, args=(work, arguments, done, told)) for _ in range(count)
    ]
    for process in processes:
        process.start()
    found = [told.get(timeout=SECONDS) for _ in processes]
    for process in processes:
        process.join()
    return float(sum(found)) / 2**30


def _measured(work: Any, arguments: tuple[object, ...], done: Barrier, told: Any) -> None:
    kept = work(*arguments)
    done.wait(SECONDS)
    found = proportional_set_size("self")
    done.wait(SECONDS)
    told.put(found)
    del kept


def proportional_set_size(pid: int | str) -> int:
    """Bytes of a process, of which pages that others share count in part (Linux)."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _ours(size: str, trials: int, rows: int) -> object:
    import torch

    from benchmarks.shape import FAST, LENGTHS, Shape
    from runners.training.pack import train_step
    from runners.training.trial import Member, TrialRun

    torch.set_num_threads(1)
    shape = Shape(size=size, lengths=LENGTHS[:rows])
    backbone = shape.backbone(shape.model(FAST), FAST)
    runs = [
        TrialRun(
            members=(Member(config=shape.config(seed=seed), data=None),),  # type: ignore[arg-type]
            train=shape.rows(), data="", kept=frozenset(),
            parameters={"prompt": torch.randn(20, backbone.width)},
        )
        for seed in range(trials)
    ]  # fmt: skip
    for run, loss in zip(runs, train_step(backbone, runs), strict=True):
        run.update(loss)
    return backbone, runs


def _peer(size: str, rows: int) -> object:
    import torch

    from benchmarks.shape import LENGTHS, Shape
    from benchmarks.steps import peer_prompt

    torch.set_num_threads(1)
    step = peer_prompt(Shape(size=size, lengths=LENGTHS[:rows]), 20)
    step()
    return step

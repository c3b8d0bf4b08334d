"""A process that serves all tasks, or its share of them, against one process for each task.

Ours are as many processes as there are cores, each with every prompt; the peer's are as many
as there are tasks, each with its own. All have one thread, the same code and the same frozen
model, and work through their questions together. Memory is the proportional set size of all
of a side while the other is not there: pages that processes share are counted once.
"""

import contextlib
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection

from benchmarks.memory import proportional_set_size
from benchmarks.table import Line, in_turn, seconds

SECONDS = 600


def measure(questions: int, repeats: int) -> Iterator[Line]:
    """Questions a second of both sides, and their memory."""
    cores = len(os.sched_getaffinity(0))
    tasks = _tasks()
    with contextlib.ExitStack() as own_side:
        with _group([(0, 1, task) for task in tasks], questions) as theirs:
            peer_memory = theirs.gigabytes()
            ours = own_side.enter_context(
                _group([(n, cores, None) for n in range(cores)], questions)
            )
            own, peer = in_turn(
                lambda: questions / seconds(ours.run), lambda: questions / seconds(theirs.run),
                repeats,
            )  # fmt: skip
        own_memory = ours.gigabytes()
    who = f"{cores} processes of all tasks against {len(tasks)} of one task each"
    yield Line(
        what=f"{questions} questions, {who}", unit="questions/s", ours=own, peer=peer,
        note="on an idle machine alone: of a shared one more processes get more",
    )  # fmt: skip
    yield Line(
        what=f"memory of {who}", unit="GiB", ours=[own_memory], peer=[peer_memory],
        note="proportional set size, imports included",
    )  # fmt: skip


class _Group:
    """Processes that answer their shares whenever they are told to."""

    def __init__(self, pipes: Sequence[Connection], pids: Sequence[int]) -> None:
        self._pipes, self._pids = pipes, pids
        self._hear()
        self.run()

    def run(self) -> None:
        """Let all of them answer all that is theirs."""
        for pipe in self._pipes:
            pipe.send("run")
        self._hear()

    def gigabytes(self) -> float:
        """GiB of all of them."""
        return sum(map(proportional_set_size, self._pids)) / 2**30

    def _hear(self) -> None:
        for pipe in self._pipes:
            if not pipe.poll(SECONDS):
                raise TimeoutError(f"a process was not through after {SECONDS} s")
            pipe.recv()


@contextlib.contextmanager
def _group(shares: Sequence[tuple[int, int, str | None]], questions: int) -> Iterator[_Group]:
    """A process for each share: every n-th question from a place on, of a task or of all."""
    context = multiprocessing.get_context("spawn")
    pairs = [context.Pipe() for _ in shares]
    processes = [
        context.Process(target=_work, args=(pair[1], share, questions), daemon=True)
        for pair, share in zip(pairs, shares, strict=True)
    ]
    for process in processes:
        process.start()
    yield _Group([pair[0] for pair in pairs], [p.pid for p in processes if p.pid is not None])
    for pair, process in zip(pairs, processes, strict=True):
        pair[0].send("stop")
        process.join(SECONDS)


def _tasks() -> list[str]:
    from runners.catalogue import Catalogue
    from runners.serving.sources import find_models, parse_sources

    return [m.name for m in find_models(parse_sources(["shipped"]), Catalogue()).models]


def _work(pipe: Connection, share: tuple[int, int, str | None], questions: int) -> None:
    import torch

    from benchmarks.serving import asked_in_turn, drain
    from runners.catalogue import Catalogue
    from runners.serving.frozen import load_frozen
    from runners.serving.sources import find_models, parse_sources

    torch.set_num_threads(1)
    found = find_models(parse_sources(["shipped"]), Catalogue())
    backbone = load_frozen(found.frozen, Catalogue())
    start, step, task = share
    asked = asked_in_turn(found, backbone, questions)
    own = [each for each in asked if task in (None, each.query.prompt)][start::step]
    pipe.send("ready")
    while pipe.recv() == "run":
        drain(backbone, own)
        pipe.send("done")

"""Measurements taken in turn, and the table that they end in."""

import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("torch", "transformers", "peft", "ray")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One row: what was measured, here and, where there is one, with a peer.

    Numbers are of each repetition, in `unit`; lower is better but for rates, which
    are per second. A line with neither has its finding in `note`.
    """

    what: str
    unit: str = ""
    ours: Sequence[float] = ()
    peer: Sequence[float] = ()
    note: str = ""

    @property
    def factor(self) -> float | None:
        """How many times better ours is: the median over pairs."""
        if not (self.ours and self.peer):
            return None
        ratios = [theirs / own for own, theirs in zip(self.ours, self.peer, strict=True)]
        middle = statistics.median(ratios)
        return 1 / middle if self.unit.endswith("/s") else middle

    def markdown(self) -> str:
        """The row of a Markdown table."""
        factor = f"{self.factor:.2f}" if self.factor is not None else ""
        cells = (self.what, _spread(self.ours, self.unit), _spread(self.peer, self.unit), factor)
        return "| " + " | ".join((*cells, self.note)) + " |"


def in_turn(
    ours: Callable[[], float], peer: Callable[[], float], repeats: int
) -> tuple[list[float], list[float]]:
    """Numbers of both, taken in pairs, so that what else the machine does meets both."""
    pairs = [(ours(), peer()) for _ in range(repeats)]
    return [own for own, _ in pairs], [theirs for _, theirs in pairs]


def seconds(work: Callable[[], object]) -> float:
    """How long it takes, by the clock on the wall."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def show(lines: Iterable[Line]) -> None:
    """The table, each row as soon as it is there, below what it was measured on."""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    cores = len(os.sched_getaffinity(0))
    print(f"{_processor()}, {cores} cores, load {os.getloadavg()[0]:.1f} at the start")
    print(f"Python {platform.python_version()}, {versions}")
    print(f"`python -m benchmarks {' '.join(sys.argv[1:])}`\n")
    print("| what | ours | peer | times | |\n|---|---|---|---|---|")
    for line in lines:
        print(line.markdown(), flush=True)


def _spread(found: Sequence[float], unit: str) -> str:
    """The median, and the lowest and highest where there are several."""
    if not found:
        return ""
    middle = f"{statistics.median(found):.3g} {unit}".strip()
    return middle if len(found) == 1 else f"{middle} ({min(found):.3g} to {max(found):.3g})"


def _processor() -> str:
    """The processor's name where Linux gives it, and whether it multiplies matrices in bfloat16."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return platform.machine()
    told = dict(line.split("\t", 1) for line in lines if "\t" in line)
    fields = {name.strip(): value.lstrip("\t: ") for name, value in told.items()}
    flags = fields.get("flags", "").split()
    has = [name for name in ("amx_bf16", "avx512_bf16", "avx2") if name in flags]
    return f"{fields.get('model name', platform.machine())} ({', '.join(has[:1])})"

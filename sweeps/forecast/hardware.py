"""What a GPU or a core does in a second, before anything was measured on it.

Peaks are those of NVIDIA's data sheets, for matrix products without sparsity. How much
of a peak is reached is a guess from published runs of T5 and its like, not a
measurement: the interval of a forecast says so (`SPREAD`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from runners.rules import nearest
from sweeps.forecast.transformer import Work
from sweeps.nodes import NodeType

CPU = "cpu"
"""What a record calls the device of a trial that ran on cores."""


@dataclass(frozen=True, kw_only=True)
class Peak:
    """Of one GPU: 10^12 operations a second by precision, and 10^9 bytes a second of memory."""

    bfloat16: float
    float32: float
    bandwidth: float


PEAKS: Mapping[str, Peak] = {
    "A100-40GB": Peak(bfloat16=312, float32=19.5, bandwidth=1555),
    "A100-80GB": Peak(bfloat16=312, float32=19.5, bandwidth=2039),
    "A10G": Peak(bfloat16=70, float32=35, bandwidth=600),
    "B200": Peak(bfloat16=2250, float32=75, bandwidth=8000),
    "H100": Peak(bfloat16=989, float32=67, bandwidth=3350),
    "H200": Peak(bfloat16=989, float32=67, bandwidth=4800),
    "L4": Peak(bfloat16=121, float32=30.3, bandwidth=300),
    "L40S": Peak(bfloat16=362, float32=91.6, bandwidth=864),
    "RTX3090": Peak(bfloat16=71, float32=35.6, bandwidth=936),
    "RTX4090": Peak(bfloat16=165, float32=82.6, bandwidth=1008),
    # Without bfloat16 in hardware, which is computed in float32.
    "T4": Peak(bfloat16=8.1, float32=8.1, bandwidth=320),
    "V100": Peak(bfloat16=15.7, float32=15.7, bandwidth=900),
}
REACHED, MOVED = 0.45, 0.7
"""Shares of the two peaks: matrix products of T5 (nai-t5 reports 0.37 on an H100), copies."""
LAUNCH_SECONDS = 6e-6
"""From one kernel to the next where Python starts them."""
CORE = Peak(bfloat16=0.05, float32=0.06, bandwidth=8)
"""One core of a server of these years; bfloat16 differs tenfold between kinds."""
CORE_LAUNCH_SECONDS = 8e-6
SPREAD = {"gpu": 2.0, "cpu": 3.0}
"""A forecast without a measurement may be off by this factor, either way."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """A GPU, a share of one, or some cores: what one worker computes on."""

    gpu: str | None
    share: float
    """Of a GPU; cores where there is none."""

    @property
    def spread(self) -> float:
        """The factor by which a forecast may be off, either way."""
        return SPREAD["gpu" if self.gpu else "cpu"]

    def seconds(self, work: Work, dtype: str) -> float:
        """How long `work` takes.

        A GPU computes while Python starts the next kernel, cores do one after the
        other. Workers that share a GPU each get their share of it.
        """
        if self.gpu is None:
            started = work.kernels * CORE_LAUNCH_SECONDS
            return started + _computing(work, CORE, dtype) / self.share
        peak = PEAKS[known(self.gpu)]
        slow = _computing(work, peak, dtype) / self.share
        return max(slow, work.kernels * LAUNCH_SECONDS)

    def is_of(self, device: str) -> bool:
        """Whether a record's `device` is of this kind, so that its seconds count here."""
        if self.gpu is None:
            return device == CPU
        found = re.sub(r"\bRTX (?=\d)", "RTX", device)
        return bool(re.search(rf"\b{_model(self.gpu)}\b", found))


def _computing(work: Work, peak: Peak, dtype: str) -> float:
    fastest = peak.bfloat16 if dtype == "bfloat16" else peak.float32
    products = work.operations / (1e12 * REACHED * fastest)
    return products + work.traffic / (1e9 * MOVED * peak.bandwidth)


class UnknownGpuError(ValueError):
    """A GPU whose speed is not known."""


def device_of(node: NodeType, *, gpus_per_worker: float, threads: int) -> Device:
    """What one worker computes on, on such a node."""
    if gpus_per_worker and node.gpus:
        return Device(gpu=node.gpu, share=min(1.0, gpus_per_worker))
    return Device(gpu=None, share=threads)


def known(gpu: str) -> str:
    """The name of a GPU among `PEAKS`; raises `UnknownGpuError` for one that is not known."""
    word = gpu.upper().replace(" ", "")
    # Of an L40S, L4 is the beginning too; of an A100, both of its kinds go on.
    longer = [name for name in PEAKS if word.startswith(name)]
    found = max(longer, key=len, default=None) or next(
        (name for name in PEAKS if name.startswith(word)), None
    )
    if found:
        return found
    near = nearest(gpu, PEAKS)
    remedy = f"did you mean {near}?" if near else f"known are {', '.join(PEAKS)}"
    raise UnknownGpuError(f"gpu: {gpu!r} is none whose speed is known; {remedy}")


def _model(gpu: str) -> str:
    """What every name of this GPU has in it, such as A100, whatever its memory."""
    return known(gpu).partition("-")[0]

"""This machine as a node: its cores, memory and GPUs."""

import os
import shutil
import subprocess

from sweeps.nodes import NodeType

_QUERY = ("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits")
_MIB = 1024.0**2


def this_machine() -> NodeType:
    """What runs here has at most; GPUs as NVIDIA's driver tells them, all like the first."""
    names, gigabytes = _gpus()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    return NodeType(
        name="this machine", cpus=len(os.sched_getaffinity(0)), memory_gb=memory,
        gpu=names[0] if names else None, gpus=len(names), gpu_memory_gb=gigabytes,
    )  # fmt: skip


def _gpus() -> tuple[list[str], float]:
    """The name of each GPU, and the memory of the smallest in 10^9 bytes."""
    if shutil.which(_QUERY[0]) is None:
        return [], 0.0
    told = subprocess.run(_QUERY, capture_output=True, text=True, check=False)
    lines = told.stdout.splitlines() if told.returncode == 0 else []
    rows = [line.rsplit(",", 1) for line in lines if "," in line]
    names = [name.strip().removeprefix("NVIDIA ").replace("-SXM4", "") for name, _ in rows]
    return names, min((float(size) * _MIB / 1e9 for _, size in rows), default=0.0)

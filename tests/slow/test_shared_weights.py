"""How much memory of its own each worker of a machine takes for a frozen model."""

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import T5Config, T5ForConditionalGeneration

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not Path("/proc/self/smaps_rollup").exists(), reason="Linux counts whose memory is whose"
    ),
]

WORKERS = 2
SIZE_MB = 150.0
"""Of the weights in float32."""
PROGRAM = """\
import ctypes
import gc
import sys
from pathlib import Path
import torch
from runners.model import loading
from runners.model.family import Place
from runners.model.shared import Pool
from runners.model.t5_backbone import load_t5

print("imported", flush=True)
sys.stdin.readline()
place, dtype = Place(path=Path(sys.argv[1])), getattr(torch, sys.argv[2])
pool = Pool(Path(sys.argv[3]))
with pool.alone():
    backbone = load_t5(place, codec=None, fingerprint="", dtype=dtype)
    backbone = loading._common(backbone, "weights", pool)
gc.collect()
ctypes.CDLL(None).malloc_trim(0)  # what is free is not taken
# A forward pass reads every page.
print(sum(float(weight.sum()) for weight in backbone.weights.values()), flush=True)
sys.stdin.readline()
"""
"""Loads a model when it is told to, and holds it until it is told again."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A T5 1.1 of random weights, in float32."""
    torch.manual_seed(0)
    config = T5Config(
        d_model=512, d_kv=64, num_heads=6, d_ff=1024, num_layers=4, num_decoder_layers=4,
        feed_forward_proj="gated-gelu", decoder_start_token_id=0,
    )  # fmt: skip
    model = T5ForConditionalGeneration(config)
    assert sum(p.numel() for p in model.parameters()) * 4 / 1e6 > SIZE_MB
    folder = tmp_path_factory.mktemp("checkpoint")
    model.save_pretrained(folder)
    return folder


def own_mb(pid: int) -> float:
    """The memory of a process that no other process has."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(map(int, re.findall(r"^Private_\w+: +(\d+) kB$", text, re.MULTILINE))) / 1000


def taken(checkpoint: Path, dtype: str, pool: Path) -> list[float]:
    """Megabytes of its own that the model adds to each of the workers that hold it together."""
    command = [sys.executable, "-c", PROGRAM, str(checkpoint), dtype, str(pool)]
    # What threads that read a checkpoint leave in arenas of their own is 6 to 30 MB, as it falls.
    environment = os.environ | {"MALLOC_ARENA_MAX": "1"}
    with contextlib.ExitStack() as held:
        workers = [
            held.enter_context(
                subprocess.Popen(
                    command, cwd=Path(__file__).parents[2], env=environment, text=True,
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                )
            )
            for _ in range(WORKERS)
        ]  # fmt: skip
        assert {worker.stdout.readline() for worker in workers} == {"imported\n"}
        before = [own_mb(worker.pid) for worker in workers]
        for worker in workers:
            worker.stdin.write("load\n")
            worker.stdin.flush()
        assert len({worker.stdout.readline() for worker in workers} - {""}) == 1
        after = [own_mb(worker.pid) for worker in workers]
        for worker in workers:
            worker.stdin.close()
        return [late - early for early, late in zip(before, after, strict=True)]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_machine_holds_a_frozen_model_once(checkpoint: Path, dtype: str, tmp_path: Path) -> None:
    """Eight workers that hold an XL eight times, of which the last ones find no memory.

    A checkpoint in the dtype that is computed in is mapped from its own file, another one
    from a file of the pool, which is gone after the last.
    """
    found = taken(checkpoint, dtype, tmp_path / "pool")
    assert max(found) < SIZE_MB / 10, found
    assert list((tmp_path / "pool").glob("*.safetensors")) == []

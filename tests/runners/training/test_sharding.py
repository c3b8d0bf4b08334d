"""A model that trains over several ranks, against one process that has all of it.

Ranks are processes on cores that meet over gloo (`rank.py`). Two of them share
batches of five rows, and parameters whose first dimension is odd.
"""

import importlib.util
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from runners.catalogue import Catalogue
from runners.model.backbone import Weights
from runners.model.loading import load_pretrained
from runners.record import TrialRecord
from runners.store import Store
from runners.training.memory import Room
from runners.training.ranks import ALONE

RANK = Path(__file__).with_name("rank.py")
COUNT = 2
SECONDS = 120


@pytest.fixture(scope="module")
def rank() -> ModuleType:
    """The script of a rank, as a module: one process does the same with it."""
    spec = importlib.util.spec_from_file_location("rank", RANK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _start(count: int, folder: Path, *commands: str) -> list[subprocess.Popen[str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    return [
        subprocess.Popen(
            [sys.executable, RANK, str(number), str(count), address, folder, *commands],
            env=environment, cwd=folder, text=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )
        for number in range(count)
    ]  # fmt: skip


def _finish(ranks: Sequence[subprocess.Popen[str]]) -> None:
    try:
        said = [process.communicate(timeout=SECONDS)[1] for process in ranks]
    finally:
        for process in ranks:
            process.kill()
    assert [process.returncode for process in ranks] == [0] * COUNT, "\n".join(said)


@pytest.fixture(scope="module")
def trained(rank: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What three ranks left of all that they are asked for."""
    folder = tmp_path_factory.mktemp("ranks")
    _, checkpoint, _ = rank.steps(ALONE, rank.config(), 1, recomputes=False, checkpoint=None)
    (folder / "alone.checkpoint").write_bytes(checkpoint)
    _finish(_start(COUNT, folder, "adafactor", "train", "sweep", "write"))
    return folder


def _start_of(trial: object) -> Weights:
    return load_pretrained(Catalogue(), "nano", "60k", "float32").weights


def _far(found: Weights, expected: Weights, start: Weights) -> float:
    """The largest distance of a weight, as a share of how far training has moved it."""
    return max(
        float((found[n] - expected[n]).norm() / (expected[n] - start[n]).norm()) for n in expected
    )


def test_ranks_write_as_one_process_does(rank: ModuleType, trained: Path) -> None:
    """Catches ranks that wait for each other for ever where the answers of one end first."""
    found = load_file(trained / "written.safetensors")["ids"]
    assert found.shape[1] > 2
    assert torch.equal(found, rank.written(ALONE))


def test_ranks_weigh_choices_as_one_process_does(rank: ModuleType, trained: Path) -> None:
    """Catches a choice that is weighed behind another rank's row or prompt."""
    found = load_file(trained / "written.safetensors")["losses"]
    expected = rank.weighed(ALONE)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert float(expected.std()) > 0.1


@pytest.mark.parametrize("recomputes", [False, True])
def test_ranks_train_as_one_process_does(rank: ModuleType, trained: Path, recomputes: bool) -> None:
    """Catches gradients that are divided by the ranks, rows that are read twice or by nobody,
    dropout of another row, and weights that a layer read before they were whole."""
    expected, _, losses = rank.steps(ALONE, rank.config(), 3, recomputes=False, checkpoint=None)
    found = load_file(trained / f"float32-{recomputes}.safetensors")
    assert json.loads((trained / f"float32-{recomputes}.json").read_text()) == pytest.approx(
        losses, rel=1e-5
    )
    assert _far(found, expected, _start_of(rank)) < 1e-3


@pytest.mark.slow
def test_ranks_compile_their_layers(rank: ModuleType, tmp_path: Path) -> None:
    """Catches compiled code that keeps weights of a layer after they are gone."""
    _finish(_start(COUNT, tmp_path, "compiled"))
    expected, _, _ = rank.steps(ALONE, rank.config(), 3, recomputes=False, checkpoint=None)
    found = load_file(tmp_path / "compiled.safetensors")
    assert _far(found, expected, _start_of(rank)) < 1e-3


def test_in_bfloat16_ranks_differ_no_more_than_parts_of_a_step(
    rank: ModuleType, trained: Path
) -> None:
    """Catches gradients that are added up over ranks, or weights that are kept, in bfloat16."""
    trial = rank.config(compute_dtype="bfloat16")
    expected, _, losses = rank.steps(ALONE, trial, 3, recomputes=False, checkpoint=None)
    parts, _, _ = rank.steps(ALONE, trial, 3, recomputes=False, checkpoint=None, room=Room(most=60))
    found = load_file(trained / "bfloat16-True.safetensors")
    start = _start_of(rank)
    assert _far(found, expected, start) < 2 * _far(parts, expected, start)
    assert json.loads((trained / "bfloat16-True.json").read_text()) == pytest.approx(
        losses, rel=2e-2
    )


def test_checkpoints_serve_any_number_of_ranks(rank: ModuleType, trained: Path) -> None:
    """Catches a checkpoint with a rank's part alone, or one that only as many ranks can read."""
    expected, _, _ = rank.steps(ALONE, rank.config(), 3, recomputes=False, checkpoint=None)
    found = load_file(trained / "resumed.safetensors")
    assert _far(found, expected, _start_of(rank)) < 1e-3
    saved = (trained / "float32-False.checkpoint").read_bytes()
    again, _, _ = rank.steps(ALONE, rank.config(), 0, recomputes=False, checkpoint=saved)
    left = load_file(trained / "float32-False.safetensors")
    assert all(torch.equal(again[name], left[name]) for name in left)
    further, _, _ = rank.steps(ALONE, rank.config(), 2, recomputes=False, checkpoint=saved)
    expected, _, _ = rank.steps(ALONE, rank.config(), 5, recomputes=False, checkpoint=None)
    assert _far(further, expected, _start_of(rank)) < 1e-2


def test_adafactor_has_the_means_of_all_shards(rank: ModuleType, trained: Path) -> None:
    """Catches a column mean, a clip or a scale of a rank's own rows, and rows weighed by ranks."""
    expected: dict[str, Tensor] = rank.moved(lambda parameters: parameters)
    found = load_file(trained / "adafactor.safetensors")
    for name, parameter in expected.items():
        torch.testing.assert_close(found[name], parameter, rtol=1e-5, atol=1e-6)


def _records(store: Store) -> dict[str, TrialRecord]:
    return {record.label: record for record in store.records()}


def test_a_trial_and_an_adaptation_are_committed_once_and_as_by_one_process(
    rank: ModuleType, trained: Path, tmp_path: Path
) -> None:
    """Catches a rank that commits as well, answers of a rank's own rows, and a best point that is
    judged on its other task with weights of the last step."""
    rank.sweep(ALONE, tmp_path)
    expected, found = (_records(Store(str(f / "store"))) for f in (tmp_path, trained))
    assert expected.keys() == found.keys()
    assert len(found) == 3
    for label, record in found.items():
        assert record.metrics == pytest.approx(expected[label].metrics, rel=1e-4)
        assert (record.provenance["ranks"], expected[label].provenance["ranks"]) == (COUNT, 1)
    assert Store(str(trained / "store")).running() == set()
    assert not list((trained / "store").glob("discarded/*"))

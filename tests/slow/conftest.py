"""Servers as users start them, and prompts that differ in what they write."""

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from safetensors.numpy import save_file

from runners.config import from_mapping, to_mapping
from runners.record import TrialRecord
from runners.store import Store

Server = tuple[str, subprocess.Popen[str]]


@pytest.fixture
def start_server() -> Iterator[Callable[..., Server]]:
    """Starts `python -m runners.serving` with words on a free port; gives address and process."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: str) -> Server:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "runners.serving", *words, "--port", str(port)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        if not any(line.startswith("ready: ") for line in process.stdout):
            pytest.fail("the server ended before it was ready")
        # Whoever does not read what a process says stops it in the end.
        threading.Thread(target=process.stdout.read, daemon=True).start()
        return f"http://127.0.0.1:{port}", process

    yield start
    for process in started:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture
def commit_random() -> Callable[[Store, int, int], str]:
    """Commits a trial on weights that ship, whose prompt is drawn from a seed; gives its id."""

    def commit(store: Store, seed: int, length: int) -> str:
        config = from_mapping(
            {
                "method": "prompt_tuning", "model_family": "nano", "model_size": "60k",
                "pretraining_objective": "span_corruption", "lm_adaptation_steps": 0,
                "prompt_length": length, "prompt_init": "random_uniform", "task": "boolq",
                "seed": seed, "train_steps": 6, "eval_every": 3, "batch_size": 4,
                "learning_rate": 0.3, "compute_dtype": "float32",
            }
        )  # fmt: skip
        attempt = store.begin(config.trial_id)
        numbers = np.random.default_rng(seed).standard_normal((length, 32), dtype=np.float32)
        save_file({"prompt": numbers}, attempt.folder / "prompt.safetensors")
        record = TrialRecord(
            trial_id=config.trial_id, attempt=attempt.id, stage="tuning", label=config.label,
            config=to_mapping(config), files={}, provenance={"code": "c0de"},
            metrics={"accuracy": 50.0, "score": 50.0 + seed},
        )  # fmt: skip
        assert attempt.commit(record)
        return config.trial_id

    return commit

"""What is not training: a sweep that has nothing to do, its figures, and the start of commands.

The store of ten thousand finished trials is made up here, with records as sessions leave
them and scores that were drawn.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import sweeps
from benchmarks.table import Line, seconds
from runners.config import TrialConfig, to_mapping
from runners.model.checkpoint import fingerprint_of_places
from runners.model.family import shipped
from runners.record import TrialRecord
from runners.store import Store
from runners.training.provenance import code_fingerprint
from sweeps.spec import load

COMMANDS = (
    "sweeps", "analysis", "promptscale", "runners.prompts", "runners.prompt_tuning",
    "runners.model_tuning", "runners.prompt_design", "runners.lm_adaptation",
    "runners.pretraining", "runners.skills", "runners.evaluation", "runners.serving",
)  # fmt: skip
SMALL = Path(sweeps.__file__).parent / "specs" / "laptop.yaml"
"""A spec of some hundred trials, of which nothing is done."""


def measure(trials: int, repeats: int) -> Iterator[Line]:
    """A rerun, a plan and figures over so many finished trials; then of what is begun.

    That is the plan of a small spec, and `--help` of each command.
    """
    with tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp") as place:
        folder = Path(place)
        spec = folder / "done.yaml"
        spec.write_text(yaml.safe_dump(_spec(folder / "store", trials)), encoding="utf-8")
        configs = [trial.config for trial in load(spec).trials]
        _finish(Store(str(folder / "store")), configs)
        for what, words in {
            "a run of a finished sweep": ["sweeps", "run", str(spec)],
            "its plan": ["sweeps", "plan", str(spec)],
            "its figures": ["analysis", "figures", str(spec), "--out", str(folder / "figures")],
        }.items():
            yield Line(
                what=f"{what}, {len(configs):,} trials", unit="s",
                ours=[seconds(lambda words=words: run(*words)) for _ in range(repeats)],
            )  # fmt: skip
        small = folder / SMALL.name
        small.write_text(SMALL.read_text().replace("results/laptop", str(folder / "small")))
        yield Line(
            what=f"a plan of {SMALL.name}, {len(load(small).trials)} trials, none done", unit="s",
            ours=[seconds(lambda: run("sweeps", "plan", str(small))) for _ in range(repeats)],
        )  # fmt: skip
    for command in COMMANDS:
        yield Line(
            what=f"python -m {command} --help", unit="s",
            ours=[seconds(lambda command=command: run(command, "--help")) for _ in range(repeats)],
        )  # fmt: skip


def run(module: str, *words: str) -> str:
    """What a command of this checkout prints; each of its processes has one thread."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    # Ray's sockets have short names, so that its folder cannot lie deep.
    with tempfile.TemporaryDirectory(prefix="ps-", dir="/tmp", ignore_cleanup_errors=True) as ray:
        return subprocess.run(
            [sys.executable, "-m", module, *words],
            env={**environment, "RAY_TMPDIR": ray}, check=True, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        ).stdout  # fmt: skip


def _spec(store: Path, trials: int) -> dict[str, Any]:
    """A crossed sweep of at least so many trials, none of which needs an adaptation."""
    sizes, lengths = ["60k", "200k", "600k", "2m"], [1, 5, 20, 100, 150]
    tasks = ["boolq", "cb", "copa", "multirc", "record", "rte", "wic", "wsc"]
    inits = ["random_uniform", "sampled_vocab", "class_label"]
    seeds = -(-trials // (len(sizes) * len(lengths) * len(tasks) * len(inits)))
    defaults = {
        "prompt_length": 1, "prompt_init": "random_uniform",
        "pretraining_objective": "span_corruption", "lm_adaptation_steps": 0,
    }  # fmt: skip
    axes = {name: [value] for name, value in defaults.items()} | {
        "model_size": sizes, "task": tasks, "prompt_length": lengths, "prompt_init": inits,
        "seed": [*range(seeds)],
    }  # fmt: skip
    return {
        "name": "done", "design": "complete", "model_family": "nano", "axes": axes,
        "defaults": defaults,
        "settings": {
            "shared": {"dev_examples": 100, "batch_size": 16},
            "prompt_tuning": {"train_steps": 100, "eval_every": 50, "learning_rate": 0.3},
        },
        "execution": {"store": str(store), "workers": 2},
    }  # fmt: skip


def _finish(store: Store, configs: list[TrialConfig]) -> None:
    """A record for every trial."""
    rng = np.random.default_rng(0)
    tokenizer = shipped()["nano"].rungs["60k"].tokenizer
    origins = {
        size: fingerprint_of_places(shipped()["nano"].rungs[size].checkpoint, tokenizer)
        for size in {config.model_size for config in configs}
    }
    for config in configs:
        attempt = store.begin(config.trial_id)
        score = float(rng.uniform(40, 90))
        metrics = dict.fromkeys(("score", "accuracy", "f1", "em", "f1_macro"), score)
        metrics |= {
            "majority": 50.0, "chance": 50.0, "invalid": 0.0, "best_step": 50.0, "train_loss": 1.0,
        }  # fmt: skip
        record = TrialRecord(
            trial_id=config.trial_id, attempt=attempt.id, stage="tuning", label=config.label,
            config=to_mapping(config), metrics=metrics, files={},
            provenance={
                "code": code_fingerprint(), "base_checkpoint": origins[config.model_size],
                "seconds": 1.0, "trainable_parameters": 1, "model_parameters": 1,
            },
        )  # fmt: skip
        attempt.commit(record)

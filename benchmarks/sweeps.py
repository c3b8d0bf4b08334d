"""A whole sweep of prompt tuning on the nano ladder, from the command to the last result.

Both sides start from the same LM-adapted checkpoints, made before the clock starts, and
have the same rows, steps, batch size, learning rate and two workers of one core. Ours is
`python -m sweeps run`, with packs and with packs of one; the peer is `benchmarks.peer_sweep`.
"""

import json
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from safetensors.torch import load, save_file

from benchmarks.orchestration import run
from benchmarks.shape import FAST_NAME
from benchmarks.table import Line, seconds
from runners.catalogue import Catalogue
from runners.config import TrialConfig, adaptation_of
from runners.data.source import load_task_data
from runners.model.checkpoint import LADDER, WEIGHTS
from runners.model.loading import load_pretrained
from runners.store import Store
from runners.training.adaptation import adapt
from sweeps.spec import load as load_spec

WORKERS = 2


@dataclass(frozen=True, kw_only=True)
class Study:
    """The cells of one sweep: every size with every length, task and seed."""

    name: str
    sizes: tuple[str, ...]
    lengths: tuple[int, ...] = (5, 20)
    tasks: tuple[str, ...] = ("boolq", "rte", "wic")
    seeds: int = 2
    steps: int = 140
    adaptation: int = 300
    pack: int = 4

    def spec(self, store: Path, pack: int) -> dict[str, Any]:
        """The sweep as the values of a spec file."""
        defaults = {
            "prompt_length": self.lengths[0], "prompt_init": "class_label",
            "pretraining_objective": "lm_adaptation", "lm_adaptation_steps": self.adaptation,
        }  # fmt: skip
        axes = {name: [value] for name, value in defaults.items()} | {
            "model_size": [*self.sizes], "prompt_length": [*self.lengths],
            "task": [*self.tasks], "seed": [*range(self.seeds)],
        }  # fmt: skip
        tuning = {"train_steps": self.steps, "eval_every": self.steps // 2, "learning_rate": 1.0}
        return {
            "name": self.name, "design": "complete", "model_family": "nano", "axes": axes,
            "defaults": defaults,
            "settings": {
                "shared": {"dev_examples": 200, "batch_size": 16, "compute_dtype": FAST_NAME},
                "prompt_tuning": tuning,
                "lm_adaptation": {"batch_size": 32, "learning_rate": 0.003, "seed": 0},
            },
            "execution": {"store": str(store), "workers": WORKERS, "pack_size": pack},
        }  # fmt: skip


def measure(study: Study, repeats: int) -> Iterator[Line]:
    """The sweep against the peer's, and what the factor is made of."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp") as place:
        folder = Path(place)
        trials = _prepare(study, folder)
        packed, single, peer = [], [], []
        for number in range(repeats):
            packed.append(_ours(study, folder, f"packed{number}", study.pack))
            peer.append(_peer(folder))
            single.append(_ours(study, folder, f"single{number}", 1))
    yield Line(
        what=f"{study.name}: {trials} prompt trials of {study.steps} steps, {WORKERS} workers",
        unit="s", ours=[each.wall for each in packed], peer=[each.wall for each in peer],
        note=f"mean best dev accuracy {_middle(packed, 'accuracy'):.1f}, "
        f"peer {_middle(peer, 'accuracy'):.1f}",
    )  # fmt: skip
    yield Line(
        what=f"{study.name}: of that, training and evaluating", unit="s",
        ours=[each.busy for each in packed], peer=[each.busy for each in peer],
        note=f"{_middle(packed, 'share'):.0%} of the time, peer {_middle(peer, 'share'):.0%}",
    )  # fmt: skip
    yield Line(
        what=f"{study.name}: the same, each trial alone", unit="s",
        ours=[each.busy for each in single], peer=[each.busy for each in peer],
        note=f"packs of {study.pack} make it "
        f"{_middle(single, 'busy') / _middle(packed, 'busy'):.2f} times as fast",
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Done:
    """A sweep that was run: its seconds by the clock, those that each worker trained, its score."""

    wall: float
    busy: float
    accuracy: float

    @property
    def share(self) -> float:
        """What training and evaluating are of the time."""
        return self.busy / self.wall


def _middle(done: list[Done], name: str) -> float:
    return statistics.median(getattr(each, name) for each in done)


def _prepare(study: Study, folder: Path) -> int:
    """Adapted models in a store, and all that the peer reads; returns how many trials there are."""
    path = folder / "study.yaml"
    store = Store(str(folder / "adapted"))
    path.write_text(yaml.safe_dump(study.spec(folder / "adapted", 1)), encoding="utf-8")
    configs = [trial.config for trial in load_spec(path).trials]
    for size in study.sizes:
        _write_model(next(c for c in configs if c.model_size == size), store, folder / size)
    for task in study.tasks:
        _write_rows(next(c for c in configs if c.task == task), folder / f"{task}.json")
    fields = ("model_size", "task", "seed", "prompt_length")
    cells = [
        {
            **{name: getattr(config, name) for name in fields},
            "train_steps": study.steps, "eval_every": study.steps // 2, "batch_size": 16,
            "learning_rate": 1.0,
        }
        for config in configs
    ]  # fmt: skip
    asked = json.dumps({"workers": WORKERS, "cells": cells})
    (folder / "cells.json").write_text(asked, encoding="utf-8")
    return len(configs)


def _write_model(config: TrialConfig, store: Store, folder: Path) -> None:
    """The milestone that a trial starts from, as a checkpoint of `transformers`."""
    adaptation = adaptation_of(config)
    assert adaptation is not None
    for _ in adapt(adaptation, [config.lm_adaptation_steps], store, Catalogue()):
        pass
    milestone = store.get(adaptation.milestone_id(config.lm_adaptation_steps))
    assert milestone is not None
    shutil.copytree(LADDER / config.model_size, folder)
    shutil.copytree(LADDER / "tokenizer", folder, dirs_exist_ok=True)
    # What the peer is given in float32, in which it is faster here than in bfloat16.
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**settings, "dtype": "float32"}))
    weights = load(store.read(milestone.trial_id, WEIGHTS))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _write_rows(config: TrialConfig, path: Path) -> None:
    """A task's rows as token ids, its answers and its labels as text."""
    codec = load_pretrained(Catalogue(), "nano", config.model_size, "float32").codec
    data = load_task_data(config, codec, Catalogue())
    rows = {
        split: [
            {"input_ids": row.input_ids.tolist(), "labels": row.target_ids.tolist()}
            for row in found
        ]
        for split, found in (("train", data.train), ("dev", data.dev))
    }
    answers = [example.target for example in data.dev_examples]
    rest = {"answers": answers, "labels": " ".join(sorted(set(answers)))}
    content = json.dumps({**rows, **rest, "limit": data.target_limit})
    path.write_text(content, encoding="utf-8")


def _ours(study: Study, folder: Path, name: str, pack: int) -> Done:
    """The whole command; the adapted models are in its store."""
    place = folder / name
    shutil.copytree(folder / "adapted", place)
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(study.spec(place, pack)), encoding="utf-8")
    spent = seconds(lambda: run("sweeps", "run", str(path)))
    records = [record for record in Store(str(place)).records() if record.stage == "tuning"]
    return Done(
        wall=spent, busy=sum(record.provenance["seconds"] for record in records) / WORKERS,
        accuracy=statistics.fmean(record.metrics["accuracy"] for record in records),
    )  # fmt: skip


def _peer(folder: Path) -> Done:
    spent = seconds(lambda: run("benchmarks.peer_sweep", str(folder)))
    found = json.loads((folder / "found.json").read_text(encoding="utf-8"))
    shutil.rmtree(folder / "tune")
    return Done(
        wall=spent, busy=sum(each["seconds"] for each in found) / WORKERS,
        accuracy=statistics.fmean(each["accuracy"] for each in found),
    )  # fmt: skip

"""How large the page of a sweep is and how long it takes, by its number of trials.

    python -m benchmarks.report_page                 # 7,808 trials in a folder of its own
    python -m benchmarks.report_page --keep FOLDER   # and keeps the store and the page

Trials are made up: the dev examples and evaluations of a real one in number and
length, with answers and scores by lot.
"""

import argparse
import json
import random
import tempfile
import time
from pathlib import Path

from ablation.grid import build as build_grid
from ablation.study import from_mapping
from analysis.page.build import build, write
from analysis.page.details import Reader
from analysis.source import open_sweep
from runners.catalogue import Catalogue
from runners.config import TrialConfig, to_mapping
from runners.record import TrialRecord
from runners.store import Store

EXAMPLES, EVALUATIONS = 200, 10
INPUT = "question: was {} in the {} before {} came? passage: {} went to the {}. Then came {}."
WORDS = ("Anna", "Ben", "Clara", "David", "Emma", "museum", "garden", "library", "kitchen")
STUDY = {
    "design": "complete", "model_family": "nano",
    "axes": {
        "model_size": ["60k", "200k", "600k", "2m"], "prompt_length": [1, 5, 20, 50, 100],
        "prompt_init": ["random_uniform", "sampled_vocab", "class_label"],
        "pretraining_objective": ["span_corruption", "lm_adaptation"],
        "lm_adaptation_steps": [0, 50, 250, 500],
        "task": ["boolq", "cb", "copa", "multirc", "record", "rte", "wic", "wsc"],
        "seed": [0, 1, 2, 3],
    },
    "defaults": {"prompt_length": 20, "prompt_init": "class_label",
                 "pretraining_objective": "lm_adaptation", "lm_adaptation_steps": 500},
    "settings": {
        "shared": {"train_steps": 100, "eval_every": 10, "batch_size": 4, "learning_rate": 0.3},
        "lm_adaptation": {"batch_size": 4, "learning_rate": 0.001, "seed": 0},
    },
    "baselines": ["model_tuning"],
}  # fmt: skip


def main() -> None:
    """Make the store, write its page twice, and print what it took."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report_page")
    parser.add_argument("--keep", metavar="FOLDER", type=Path)
    keep = parser.parse_args().keep
    with tempfile.TemporaryDirectory() as scratch:
        _measure(keep or Path(scratch))


def _measure(folder: Path) -> None:
    store = Store(folder / "store")
    configs = _fill(store)
    sweep = open_sweep(store.root)
    reader = Reader(store=sweep.store)
    for what in ("first page", "page again, as --watch writes it"):
        began = time.perf_counter()
        page = build(sweep, reader)
        write(page.html, folder / "report.html")
        seconds = time.perf_counter() - began
        print(
            f"{what}: {configs:,} trials, {seconds:.1f} s, {len(page.html.encode()) / 1e6:.2f} MB"
        )


def _fill(store: Store) -> int:
    trials = build_grid(from_mapping(STUDY, Catalogue()))
    listed = [
        {"trial_id": trial.config.trial_id, "panels": sorted(trial.panels),
         "config": to_mapping(trial.config)}
        for trial in trials
    ]  # fmt: skip
    kept = {key: STUDY[key] for key in ("design", "axes", "defaults")}
    fixed = {"spec": "name: large\n", "spec_sha256": "0" * 64, "code": "c0de"}
    store.write_manifest("large", {"name": "large", **fixed, **kept, "trials": listed})
    for trial in trials:
        _commit(store, trial.config)
    return len(trials)


def _commit(store: Store, config: TrialConfig) -> None:
    lot, questions = random.Random(config.trial_id), random.Random(config.task)
    score = lot.uniform(20, 100)
    attempt = store.begin(config.trial_id)
    rows = []
    for key in range(EXAMPLES):
        target = questions.choice(("True", "False"))
        answer = target if lot.random() * 100 < score else lot.choice(WORDS)
        asked = INPUT.format(*questions.choices(WORDS, k=6))
        rows.append({"key": [key, 0], "input": asked, "target": target, "prediction": answer})
    history = [
        {"step": 10 * n, "train_loss": lot.random() * 3, "score": lot.uniform(20, 100),
         "accuracy": score, "invalid": lot.random()}
        for n in range(1, EVALUATIONS + 1)
    ]  # fmt: skip
    for name, lines in (("predictions.jsonl", rows), ("history.jsonl", history)):
        (attempt.folder / name).write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    sizes = {"60k": 69_728, "200k": 196_992, "600k": 620_432, "2m": 1_755_136}
    attempt.commit(
        TrialRecord(
            trial_id=config.trial_id, attempt=attempt.id, stage="tuning", label=config.label,
            config=to_mapping(config),
            metrics={"score": score, "accuracy": score, "chance": 50.0, "invalid": 0.0,
                     "majority": 50.0, "best_step": 10, "train_loss": 1.0},
            provenance={"code": "c0de", "data": config.task, "base_checkpoint": config.model_size,
                        "model_parameters": sizes[config.model_size], "seconds": 10.0},
            files={},
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()

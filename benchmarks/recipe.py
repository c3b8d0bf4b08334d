"""Steps of the paper's recipe at the shape of T5 1.1 small, by prompt length: seconds and memory.

    python -m benchmarks.recipe --vocabulary spiece.model --passages BoolQ/val.jsonl

The model has random weights, the vocabulary is T5's own, the inputs are BoolQ's
passages laid end to end and cut at 512 tokens. Batch 32, dropout 0.1, Adafactor at 0.3
(Lester et al. 2021, 3), in bfloat16 or, on cores without instructions for it, float32.
Each length runs in a process of its own, whose largest resident set is its memory.
Results are Markdown.
"""

import argparse
import csv
import json
import multiprocessing
import platform
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

LENGTHS = (1, 5, 20, 50, 100, 150)
BATCH, SEQUENCE, ROWS = 32, 512, 100


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Seconds of each timed step, GiB at most, and the losses in nats a token."""

    seconds: list[float]
    gigabytes: float
    losses: list[float]


def main() -> None:
    """Measure every length and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--vocabulary", type=Path, required=True, help="T5's spiece.model")
    parser.add_argument("--passages", type=Path, required=True, help="val.jsonl of BoolQ")
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS)
    parser.add_argument("--steps", type=int, default=3, help="timed steps, after one that is not")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    from benchmarks.shape import FAST_NAME

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        _write_model(place, options.vocabulary)
        _write_rows(place / "rows.csv", options.passages)
        machine = f"{platform.machine()}, threads {options.threads}"
        print(f"{machine}; batch {BATCH}, sequence {SEQUENCE}, {FAST_NAME}\n")
        print("| prompt length | s a step (median) | slowest | GiB at most | loss, first to last |")
        print("|---|---|---|---|---|")
        for length in options.lengths:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                found = pool.apply(measure, (place, length, options.steps, options.threads))
            print(
                f"| {length} | {statistics.median(found.seconds):.1f} | {max(found.seconds):.1f} "
                f"| {found.gigabytes:.2f} | {found.losses[0]:.2f} to {found.losses[-1]:.2f} |",
                flush=True,
            )


def measure(place: Path, length: int, steps: int, threads: int) -> Measured:
    """So many steps of one trial, after one that warms up."""
    import torch

    from benchmarks.shape import FAST_NAME
    from runners.catalogue_section import read_catalogue
    from runners.config import from_mapping
    from runners.model.loading import load_pretrained
    from runners.section import Section
    from runners.training.pack import start, train_step

    torch.set_num_threads(threads)
    task = {
        "train": "rows.csv", "held_out": 0.1, "input": "{text}", "target": "{label}",
        "labels": {"0": "False", "1": "True"}, "metrics": ["accuracy"],
    }  # fmt: skip
    top = Section({"families": ["recipe.yaml"], "tasks": {"passages": task}}, problems=[])
    catalogue = read_catalogue(top, place)
    assert not top.problems, top.problems
    config = from_mapping(
        {
            "method": "prompt_tuning", "model_family": "recipe", "model_size": "small",
            "pretraining_objective": "span_corruption", "lm_adaptation_steps": 0,
            "prompt_length": length, "prompt_init": "class_label", "seed": 0, "task": "passages",
            **catalogue.fields_of("passages", "own"),
            "train_steps": 30_000, "eval_every": 1_000, "batch_size": BATCH, "learning_rate": 0.3,
            "dropout": 0.1, "compute_dtype": FAST_NAME, "input_length": SEQUENCE,
            "long_inputs": "cut",
        }
    )  # fmt: skip
    backbone = load_pretrained(catalogue, "recipe", "small", FAST_NAME)
    run = start([config], backbone, catalogue)
    assert {len(row.input_ids) for row in run.train} == {SEQUENCE}
    seconds, losses = [], []
    for _ in range(steps + 1):
        began = time.perf_counter()
        [loss] = train_step(backbone, [run])
        run.update(loss)
        seconds.append(time.perf_counter() - began)
        losses.append(loss)
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Measured(seconds=seconds[1:], gigabytes=kilobytes / 2**20, losses=losses)


def _write_model(place: Path, vocabulary: Path) -> None:
    """T5 1.1 small of random weights as a checkpoint of `transformers`, and its family file."""
    from transformers.utils import logging

    from runners.model.family import shipped
    from runners.training.pretrainer import new_model

    logging.disable_progress_bar()
    rung = shipped()["t5"].rungs["small"]
    assert rung.shape is not None
    folder = place / "small"
    new_model(rung.shape, seed=0).save_pretrained(folder)
    shutil.copy(vocabulary, folder / "spiece.model")
    tokenizer = {"tokenizer_class": "T5Tokenizer", "extra_ids": 100}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    size = {"checkpoint": "./small", "parameters": rung.parameters, "width": rung.width}
    family = json.dumps({"architecture": "t5", "sizes": {"small": size}})
    (place / "recipe.yaml").write_text(family, encoding="utf-8")


def _write_rows(path: Path, passages: Path) -> None:
    """A hundred inputs of more than 512 tokens each, with labels that take turns."""
    with passages.open(encoding="utf-8") as lines:
        texts = [json.loads(line)["passage"] for line in lines]
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["text", "label"])
        for number, text in enumerate(_long(texts, ROWS)):
            writer.writerow([text, number % 2])


def _long(texts: Iterable[str], rows: int) -> Iterator[str]:
    """Texts laid end to end until each has more words than a sequence has tokens."""
    words: list[str] = []
    for text in texts:
        words += text.split()
        if len(words) > SEQUENCE:
            yield " ".join(words)
            words, rows = [], rows - 1
        if not rows:
            return


if __name__ == "__main__":
    main()

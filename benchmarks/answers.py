"""Greedy answers to a dev set, against PEFT's generate.

The model is a rung of the nano ladder; prompts are random. PEFT answers for one
prompt after another, in batches of 64 rows in the order of the file, as the Trainer does.
"""

from collections.abc import Callable, Iterator

import torch
from peft import PromptTuningConfig, TaskType, get_peft_model
from transformers import DataCollatorForSeq2Seq, T5ForConditionalGeneration

from benchmarks.shape import FAST_NAME
from benchmarks.table import Line, in_turn, seconds
from runners.catalogue import Catalogue
from runners.config import from_mapping
from runners.data.source import TaskData, load_task_data
from runners.evaluation import Questions, answer
from runners.model.backbone import no_bars
from runners.model.checkpoint import LADDER
from runners.model.loading import load_pretrained

ROWS = 64


def measure(size: str, prompts: tuple[int, ...], examples: int, repeats: int) -> Iterator[Line]:
    """Examples a second, one prompt at a time and several side by side."""
    data = _data(size, examples)
    for count in prompts:
        yield _line(size, data, count, repeats)


def _line(size: str, data: TaskData, count: int, repeats: int) -> Line:
    ours, peer = _ours(size, data, count), _peer(size, data, count)
    # Once each, which is not counted.
    ours()
    peer()
    asked = count * len(data.dev)
    own, theirs = in_turn(lambda: asked / seconds(ours), lambda: asked / seconds(peer), repeats)
    return Line(
        what=f"answers of {size}, {len(data.dev)} dev rows of {data.task.name} for {count} "
        "prompts of 20",
        unit="rows/s", ours=own, peer=theirs, note=f"ours {FAST_NAME}, peer float32",
    )  # fmt: skip


def _data(size: str, examples: int) -> TaskData:
    config = from_mapping(
        {
            "method": "prompt_tuning", "model_family": "nano", "model_size": size, "seed": 0,
            "pretraining_objective": "span_corruption", "lm_adaptation_steps": 0, "task": "record",
            "train_steps": 1, "eval_every": 1, "batch_size": 1, "learning_rate": 1.0,
            "prompt_length": 20, "prompt_init": "random_uniform", "dev_examples": examples,
        }
    )  # fmt: skip
    codec = load_pretrained(Catalogue(), "nano", size, FAST_NAME).codec
    return load_task_data(config, codec, Catalogue())


def _ours(size: str, data: TaskData, count: int) -> Callable[[], object]:
    backbone = load_pretrained(Catalogue(), "nano", size, FAST_NAME)
    asked = [
        Questions(prompt=torch.randn(20, backbone.width), rows=data.dev, limit=data.target_limit)
        for _ in range(count)
    ]
    return lambda: answer(backbone, backbone.weights, asked)


def _peer(size: str, data: TaskData, count: int) -> Callable[[], object]:
    with no_bars():
        model = T5ForConditionalGeneration.from_pretrained(LADDER / size, dtype=torch.float32)
    config = PromptTuningConfig(task_type=TaskType.SEQ_2_SEQ_LM, num_virtual_tokens=20)
    tuned = get_peft_model(model, config).eval()
    collate = DataCollatorForSeq2Seq(data.codec.tokenizer)
    rows = [{"input_ids": row.input_ids.tolist()} for row in data.dev]

    def work() -> None:
        for _ in range(count):
            for first in range(0, len(rows), ROWS):
                batch = collate([*rows[first : first + ROWS]])
                tuned.generate(**batch, max_new_tokens=data.target_limit, do_sample=False)

    return work

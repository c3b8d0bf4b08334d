"""Greedy answers to a dev set, against PEFT's generate.

The model is a rung of the nano ladder; prompts are random, and the same for both sides, so
that their answers are, but for rounding. PEFT answers for one prompt after another, in
batches of 64 rows in the order of the file, as the Trainer does.
"""

from collections.abc import Callable, Iterator

import torch
from peft import PromptTuningConfig, TaskType, get_peft_model
from torch import Tensor
from transformers import DataCollatorForSeq2Seq, T5ForConditionalGeneration

from benchmarks.shape import FAST_NAME
from benchmarks.table import Line, in_turn, seconds
from runners.catalogue import Catalogue
from runners.config import from_mapping
from runners.data.source import TaskData, load_task_data
from runners.evaluation import Questions, answer, ended
from runners.model.backbone import no_bars
from runners.model.checkpoint import LADDER
from runners.model.loading import load_pretrained

ROWS = 64
Answers = list[list[list[int]]]
"""Token ids of every row for every prompt."""


def measure(size: str, prompts: tuple[int, ...], examples: int, repeats: int) -> Iterator[Line]:
    """Examples a second, one prompt at a time and several side by side."""
    data = _data(size, examples)
    for count in prompts:
        yield _line(size, data, count, repeats)


def _line(size: str, data: TaskData, count: int, repeats: int) -> Line:
    width = load_pretrained(Catalogue(), "nano", size, FAST_NAME).width
    prompts = [torch.randn(20, width) for _ in range(count)]
    ours, peer = _ours(size, data, prompts), _peer(size, data, prompts)
    # Once each, which is not timed.
    differing = differ(ours(), peer())
    asked = count * len(data.dev)
    own, theirs = in_turn(lambda: asked / seconds(ours), lambda: asked / seconds(peer), repeats)
    return Line(
        what=f"answers of {size}, {len(data.dev)} dev rows of {data.task.name} for {count} "
        "prompts of 20",
        unit="rows/s", ours=own, peer=theirs,
        note=f"ours {FAST_NAME}, peer float32; {differing} of {asked} answers differ",
    )  # fmt: skip


def differ(ours: Answers, peer: Answers) -> int:
    """How many answers are not the same."""
    pairs = [zip(own, theirs, strict=True) for own, theirs in zip(ours, peer, strict=True)]
    return sum(one != other for pair in pairs for one, other in pair)


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


def _ours(size: str, data: TaskData, prompts: list[Tensor]) -> Callable[[], Answers]:
    backbone = load_pretrained(Catalogue(), "nano", size, FAST_NAME)
    asked = [Questions(prompt=prompt, rows=data.dev, limit=data.target_limit) for prompt in prompts]
    return lambda: answer(backbone, backbone.weights, asked)


def _peer(size: str, data: TaskData, prompts: list[Tensor]) -> Callable[[], Answers]:
    with no_bars():
        model = T5ForConditionalGeneration.from_pretrained(LADDER / size, dtype=torch.float32)
    config = PromptTuningConfig(
        task_type=TaskType.SEQ_2_SEQ_LM, num_virtual_tokens=20, num_transformer_submodules=1
    )
    tuned = get_peft_model(model, config).eval()
    weight = tuned.prompt_encoder["default"].embedding.weight
    collate = DataCollatorForSeq2Seq(data.codec.tokenizer)
    rows = [{"input_ids": row.input_ids.tolist()} for row in data.dev]

    def answered(batch: list[dict[str, list[int]]]) -> list[list[int]]:
        found = tuned.generate(**collate(batch), max_new_tokens=data.target_limit, do_sample=False)
        # Behind the token that decoders start from.
        return [ended(ids, data.codec.end_id) for ids in found[:, 1:].tolist()]

    def work() -> Answers:
        answers: Answers = []
        for prompt in prompts:
            weight.data.copy_(prompt)
            batches = (rows[first : first + ROWS] for first in range(0, len(rows), ROWS))
            answers.append([ids for batch in batches for ids in answered(batch)])
        return answers

    return work

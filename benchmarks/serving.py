"""Serving: batches of mixed tasks, the bank, and the cost of a prompt more.

The model and the prompts are those that ship; the questions are dev examples of
their tasks, as many of each. The peer is PEFT, whose adapter is set for each
task before its questions are answered one by one, as requests come. Against one
process a task, and latency under load: `serving_processes`, `serving_load`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from peft import PeftModel
from transformers import AutoTokenizer, T5ForConditionalGeneration

from benchmarks.shape import FAST, FAST_NAME
from benchmarks.table import Line, in_turn, seconds
from runners.catalogue import Catalogue
from runners.data.source import load_task_data
from runners.model.backbone import no_bars
from runners.model.loading import Loaded
from runners.serving.bank import Bank
from runners.serving.batching import TOKENS
from runners.serving.engine import Asked, respond
from runners.serving.frozen import load_frozen
from runners.serving.protocol import Query
from runners.serving.queue import Queue
from runners.serving.sources import SHIPPED, Found, find_models, parse_sources

LIMIT = 8
"""Tokens of an answer at most."""


def measure(questions: int, prompts: int, repeats: int) -> Iterator[Line]:
    """Questions a second of mixed batches, and what prompts cost."""
    found = find_models(parse_sources(["shipped"]), Catalogue())
    backbone = load_frozen(found.frozen, Catalogue())
    asked = asked_in_turn(found, backbone, questions)
    yield _against_peft(found, backbone, asked, repeats)
    yield from _against_single(backbone, asked, repeats)
    yield _many_prompts(backbone, asked, prompts, repeats)
    yield _bank(backbone, prompts, repeats)


def asked_in_turn(found: Found, backbone: Loaded, questions: int) -> list[Asked]:
    """Questions of all tasks in turn, each with the name of its task as the key of its prompt."""
    by_task = []
    for model in found.models:
        (prompt,) = model.prompts
        rows = load_task_data(prompt.config, backbone.codec, Catalogue()).dev
        vectors = torch.tensor(prompt.vectors)
        by_task.append(
            [
                Asked(
                    query=Query(
                        prompt=model.name, input_ids=tuple(map(int, row.input_ids)), limit=LIMIT
                    ),
                    prompt=vectors,
                )
                for row in rows
            ]
        )
    return [each for turn in zip(*by_task, strict=False) for each in turn][:questions]


def drain(backbone: Loaded, asked: Sequence[Asked], tokens: int = TOKENS) -> None:
    """Answer all that waits, in the batches that a replica would make of it."""
    queue = Queue()
    for each in asked:
        queue.add(each)
    while queue:
        respond(backbone, [asked[number] for number in queue.take(tokens)])


def _in_batches(backbone: Loaded, asked: Sequence[Asked], size: int) -> None:
    for start in range(0, len(asked), size):
        respond(backbone, asked[start : start + size])


def _against_peft(found: Found, backbone: Loaded, asked: Sequence[Asked], repeats: int) -> Line:
    def ours() -> None:
        _in_batches(backbone, asked, 64)

    peer = _peer(found, asked)
    ours()
    peer()
    own, theirs = in_turn(
        lambda: len(asked) / seconds(ours), lambda: len(asked) / seconds(peer), repeats
    )
    return Line(
        what=f"{len(asked)} questions to {len(found.models)} tasks, mixed batches of 64 against "
        "a loop over PEFT adapters",
        unit="questions/s", ours=own, peer=theirs,
        note=f"ours bfloat16, peer {FAST_NAME}, one thread",
    )  # fmt: skip


def _peer(found: Found, asked: Sequence[Asked]) -> Callable[[], None]:
    assert found.frozen.folder is not None
    with no_bars():
        base = T5ForConditionalGeneration.from_pretrained(found.frozen.folder, dtype=FAST)
        names = [model.name for model in found.models]
        model = PeftModel.from_pretrained(base, SHIPPED / names[0], adapter_name=names[0])
        for name in names[1:]:
            model.load_adapter(SHIPPED / name, adapter_name=name)
    end = AutoTokenizer.from_pretrained(found.frozen.folder).eos_token_id
    rows = [(each.query.prompt, torch.tensor([each.query.input_ids])) for each in asked]

    @torch.no_grad()
    def loop() -> None:
        for name, ids in rows:
            model.set_adapter(name)
            model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=LIMIT,
                do_sample=False, eos_token_id=end,
            )  # fmt: skip

    return loop


def _against_single(backbone: Loaded, asked: Sequence[Asked], repeats: int) -> Iterator[Line]:
    """The same questions by task, as rows that come and as queues that a replica has.

    In batches of so many rows in the order of the queue, mixed ones are padded to the longest
    prompt and input of all tasks. A replica chooses what goes together: a queue of all tasks has
    more of like length to choose from than that of one.
    """
    names = list(dict.fromkeys(each.query.prompt for each in asked))
    alone = [[each for each in asked if each.query.prompt == name] for name in names]
    size = max(1, min(map(len, alone)) // 2)
    # So that a queue is longer than a batch, on both sides.
    tokens = size * sum(each.positions + each.tokens for each in asked) // len(asked)

    def mixed_rows() -> None:
        _in_batches(backbone, asked, size)

    def single_rows() -> None:
        for each in alone:
            _in_batches(backbone, each, size)

    def mixed_queue() -> None:
        drain(backbone, asked, tokens)

    def single_queues() -> None:
        for each in alone:
            drain(backbone, each, tokens)

    for ours, peer, how in (
        (mixed_rows, single_rows, f"in batches of {size} in the order of the queue"),
        (mixed_queue, single_queues, f"as a replica batches within {tokens} positions"),
    ):
        ours()
        peer()
        own, theirs = in_turn(
            lambda work=ours: len(asked) / seconds(work),  # type: ignore[misc]
            lambda work=peer: len(asked) / seconds(work),  # type: ignore[misc]
            repeats,
        )
        yield Line(
            what=f"the same, tasks mixed against one at a time, {how}", unit="questions/s",
            ours=own, peer=theirs,
        )  # fmt: skip


def _many_prompts(backbone: Loaded, asked: Sequence[Asked], prompts: int, repeats: int) -> Line:
    """A prompt of its own for every question, against one for each task; answers are the same."""
    few = [asked[n % len(asked)] for n in range(prompts)]
    many = [replace(each, prompt=each.prompt.clone()) for each in few]

    def rate(questions: Sequence[Asked]) -> float:
        return len(questions) / seconds(lambda: drain(backbone, questions))

    rate(many)
    own, theirs = in_turn(lambda: rate(many), lambda: rate(few), repeats)
    tasks = len({id(each.prompt) for each in few})
    return Line(
        what=f"{prompts} questions to {prompts} prompts in the bank against {tasks}",
        unit="questions/s", ours=own, peer=theirs,
    )  # fmt: skip


def _bank(backbone: Loaded, prompts: int, repeats: int) -> Line:
    vectors = np.random.default_rng(0).random((20, backbone.width), dtype=np.float32)
    found = []
    for _ in range(repeats):
        bank = Bank(backbone.width, torch.device("cpu"))

        def fill(bank: Bank = bank) -> None:
            for number in range(prompts):
                bank.put(f"{number:016x}", vectors)

        found.append(1e6 * seconds(fill) / prompts)
    kilobytes = prompts * vectors.nbytes / 1000
    return Line(
        what=f"a prompt more in a bank of {prompts}, of 20 positions", unit="us", ours=found,
        note=f"{kilobytes:,.0f} kB for all",
    )  # fmt: skip

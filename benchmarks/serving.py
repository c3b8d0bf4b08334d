"""Serving: batches of mixed tasks, the bank, and the cost of a prompt more.

The model and the prompts are those that ship; the questions are dev examples of
their tasks, as many of each. The peer is PEFT, whose adapter is set for each
task before its questions are answered one by one, as requests come.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from peft import PeftModel
from transformers import AutoTokenizer, T5ForConditionalGeneration

from benchmarks.table import Line, in_turn, seconds
from runners.catalogue import Catalogue
from runners.data.source import load_task_data
from runners.model.backbone import no_bars
from runners.model.loading import Loaded
from runners.serving.bank import Bank
from runners.serving.engine import Asked, respond
from runners.serving.frozen import load_frozen
from runners.serving.protocol import Query
from runners.serving.sources import SHIPPED, Found, find_models, parse_sources

LIMIT = 8
"""Tokens of an answer at most."""


def measure(questions: int, prompts: int, repeats: int) -> Iterator[Line]:
    """Questions a second of mixed batches, and what prompts cost."""
    found = find_models(parse_sources(["shipped"]), Catalogue())
    backbone = load_frozen(found.frozen, Catalogue())
    asked = _asked(found, backbone, questions)
    yield _against_peft(found, backbone, asked, repeats)
    yield _against_single(backbone, asked, repeats)
    yield _bank(backbone, prompts, repeats)


def _asked(found: Found, backbone: Loaded, questions: int) -> list[Asked]:
    """Questions of all tasks in turn."""
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
        unit="questions/s", ours=own, peer=theirs, note="both bfloat16, one thread",
    )  # fmt: skip


def _peer(found: Found, asked: Sequence[Asked]) -> Callable[[], None]:
    assert found.frozen.folder is not None
    with no_bars():
        base = T5ForConditionalGeneration.from_pretrained(found.frozen.folder, dtype=torch.bfloat16)
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


def _against_single(backbone: Loaded, asked: Sequence[Asked], repeats: int) -> Line:
    """The same questions sorted by task, so that each batch has few."""
    ordered = sorted(asked, key=lambda each: each.query.prompt)
    names = list(dict.fromkeys(each.query.prompt for each in ordered))
    alone = [[each for each in ordered if each.query.prompt == name] for name in names]
    size = min(map(len, alone))

    def single() -> None:
        for each in alone:
            _in_batches(backbone, each, size)

    def mixed() -> None:
        _in_batches(backbone, asked, size)

    mixed()
    single()
    own, theirs = in_turn(
        lambda: len(asked) / seconds(mixed), lambda: len(asked) / seconds(single), repeats
    )
    return Line(
        what=f"the same, mixed batches of {size} against batches of one task",
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

"""Whether the answers that are served are those that were recorded at evaluation, one by one.

The dev examples of all prompts are asked together, in batches that mix the
tasks, through the code that answers requests. Where a store has the recorded
answers they are compared example by example; where only their checksum came with
a prompt, all of them at once. Precision below float32 rounds otherwise in other
batches, so an example at the edge may differ there.
"""

import asyncio
import hashlib
import json
import random
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runners.catalogue import Catalogue
from runners.data.source import TaskData, load_task_data
from runners.serving.asking import Item, Refusal
from runners.serving.desk import Desk
from runners.serving.frozen import load_frozen
from runners.serving.limits import Limits
from runners.serving.models import Directory, ServedPrompt, served_model
from runners.serving.replica import Replica
from runners.serving.sources import PREDICTIONS, Found
from runners.store import Store
from runners.training.judging import answer_rows

AT_ONCE = 256
"""Questions that are under way together."""
_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Checked:
    """How the answers of one prompt compare with those recorded."""

    prompt: ServedPrompt
    score: float
    examples: int
    differing: tuple[str, ...] | None
    """What differs, example by example; None where only a checksum was there, and is another."""

    @property
    def agrees(self) -> bool:
        """Whether every answer is the recorded one."""
        return self.differing == ()


def check(found: Found, catalogue: Catalogue, *, device: str = "cpu") -> int:
    """Compare and tell; returns 0 where every answer is the recorded one, else 1.

    Prompts without recorded answers are named and not compared. Raises
    ValueError where data cannot be read, or nothing is there to compare with.
    """
    prompts = {_name(p): p for model in found.models for p in model.prompts}
    recorded = [p for p in prompts.values() if p.predictions]
    for prompt in prompts.values():
        if not prompt.predictions:
            print(f"{prompt.label}: no recorded answers, not compared", file=sys.stderr)
    if not recorded:
        raise ValueError("no prompt comes with recorded answers; give trials of a store")
    results = compare(recorded, found, catalogue, device=device)
    for each in results:
        print(_line(each))
    return 0 if all(each.agrees for each in results) else 1


def _name(prompt: ServedPrompt) -> str:
    """What it is asked as: files may name one trial and have other numbers, or the reverse."""
    return f"{prompt.id}-{prompt.key}"


def compare(
    prompts: Sequence[ServedPrompt], found: Found, catalogue: Catalogue, *, device: str = "cpu"
) -> list[Checked]:
    """Each prompt's served answers beside its recorded ones."""
    backbone = load_frozen(found.frozen, catalogue, device=device)
    data = {_name(p): load_task_data(p.config, backbone.codec, catalogue) for p in prompts}
    replica = Replica(backbone)
    models = [served_model(_name(p), [p]) for p in prompts]
    limits = Limits(waiting=AT_ONCE, seconds=3600)
    desk = Desk(Directory(found.frozen, models), backbone.codec, replica, limits)
    answers = asyncio.run(_answers(desk, replica, prompts, data))
    return [_checked(p, data[_name(p)], answers[_name(p)]) for p in prompts]


async def _answers(
    desk: Desk, replica: Replica, prompts: Sequence[ServedPrompt], data: dict[str, TaskData]
) -> dict[str, list[str]]:
    """The answer to every dev example by the name of the prompt, asked in a mixed order."""
    places = [(_name(p), n) for p in prompts for n in range(len(data[_name(p)].dev_examples))]
    random.Random(0).shuffle(places)
    by_name = {_name(p): p for p in prompts}
    answers = {_name(p): [""] * len(data[_name(p)].dev_examples) for p in prompts}
    for start in range(0, len(places), AT_ONCE):
        part = places[start : start + AT_ONCE]
        replies = await desk.reply([_item(by_name[name], data[name], n) for name, n in part])
        for (name, n), reply in zip(part, replies, strict=True):
            if isinstance(reply, Refusal):
                raise ValueError(f"{by_name[name].label}, dev example {n}: {reply}")
            answers[name][n] = reply.voices[0].text
    await replica.close()
    return answers


def _item(prompt: ServedPrompt, data: TaskData, place: int) -> Item:
    example = data.dev_examples[place]
    # Examples have their prefix, which the desk would put before them again.
    text = example.input.removeprefix(prompt.prefix)
    if prompt.config.answer_by == "likelihood":
        return Item(model=_name(prompt), text=text, labels=example.choices, chooses=True)
    return Item(model=_name(prompt), text=text, max_tokens=data.target_limit)


def _checked(prompt: ServedPrompt, data: TaskData, answers: list[str]) -> Checked:
    metrics, _ = data.judge(answers)
    # As a file has them, in which a tuple is a list.
    served = [json.loads(json.dumps(row)) for row in answer_rows(data, answers)]
    differing: tuple[str, ...] | None
    if prompt.origin:
        text = Store(prompt.origin).read(prompt.id, PREDICTIONS).decode()
        differing = _differences([json.loads(line) for line in text.splitlines()], served)
    else:
        agrees = prompt.predictions in (_checksum(served), _checksum(map(_compared, served)))
        differing = () if agrees else None
    return Checked(
        prompt=prompt, score=metrics["score"], examples=len(answers), differing=differing
    )


def _compared(row: Mapping[str, Any]) -> dict[str, Any]:
    """What answers are compared by, which is all that files of earlier versions have."""
    return {name: row[name] for name in ("key", "input", "target", "prediction")}


def _checksum(rows: Iterable[Mapping[str, Any]]) -> str:
    """SHA-256 in hex of the file that has these lines."""
    return hashlib.sha256("".join(f"{json.dumps(row)}\n" for row in rows).encode()).hexdigest()


def _differences(
    recorded: Sequence[Mapping[str, Any]], served: Sequence[Mapping[str, Any]]
) -> tuple[str, ...]:
    if len(recorded) != len(served):
        return (f"{len(recorded)} examples are recorded and dev has {len(served)}",)
    return tuple(
        f"example {place}: recorded {then['prediction']!r}, served {now['prediction']!r}"
        for place, (then, now) in enumerate(zip(recorded, served, strict=True))
        if _compared(then) != _compared(now)
    )


def _line(checked: Checked) -> str:
    prompt = checked.prompt
    head = f"{prompt.label} ({prompt.id}): {checked.examples} examples, "
    known = f" (recorded {prompt.score:.2f})" if prompt.score is not None else ""
    if checked.agrees:
        return f"{head}all as recorded, score {checked.score:.2f}"
    if checked.differing is None:
        return f"{head}not all as recorded by their checksum, score {checked.score:.2f}{known}"
    shown = "; ".join(checked.differing[:_SHOWN])
    return f"{head}{len(checked.differing)} differ ({shown}), score {checked.score:.2f}{known}"

"""A replica: a model, a bank and a batcher."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch

from runners.model.t5_backbone import T5Backbone
from runners.serving import replica as module
from runners.serving.engine import Asked
from runners.serving.protocol import Answer, Missing
from runners.serving.replica import Replica

LENGTHS = (1, 5, 20)


@pytest.fixture
def asked(make_asked: Callable[..., Asked]) -> list[Asked]:
    """Questions to prompts of several lengths, two to each."""
    return [make_asked(length, seed=seed) for seed in (0, 1) for length in LENGTHS]


def _answers(replica: Replica, asked: list[Asked], prompts: Mapping[str, Any]) -> Any:
    async def ask() -> Any:
        try:
            return await replica.answer([each.query for each in asked], prompts)
        finally:
            await replica.close()

    return asyncio.run(ask())


def test_more_prompts_than_the_bank_has_room_for_are_answered(
    loud: T5Backbone, asked: list[Asked], prompts: Mapping[int, torch.Tensor]
) -> None:
    """Catches a request that pushes its own prompts out, and waits for them in vain."""
    vectors = {f"p{length}": prompts[length].numpy() for length in LENGTHS}
    roomy, cramped = Replica(loud), Replica(loud, bank_bytes=1)
    right = _answers(roomy, asked, vectors)
    assert len(roomy.bank) == len(LENGTHS)
    assert _answers(cramped, asked, vectors) == right
    assert len(cramped.bank) == 1
    assert all(isinstance(each, Answer) for each in right)


def test_a_replica_asks_back_for_what_it_lacks(
    loud: T5Backbone, asked: list[Asked], prompts: Mapping[int, torch.Tensor]
) -> None:
    """Catches a replica that answers with another prompt, or names one that it has."""
    replica = Replica(loud)
    replica.bank.put("p5", prompts[5].numpy())
    assert _answers(replica, asked, {}) == Missing(keys=("p1", "p20"))


def test_a_busy_model_is_ready_and_a_stuck_one_is_not(
    loud: T5Backbone, asked: list[Asked], prompts: Mapping[int, torch.Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Catches a server that is taken out for a long batch, and one that hangs and is left in."""
    begun, let_go = list[int](), threading.Event()

    def respond(_: Any, asked: Sequence[Asked], __: Any) -> list[Answer]:
        begun.append(1)
        assert let_go.wait(10)
        return [Answer() for _ in asked]

    monkeypatch.setattr(module, "respond", respond)
    vectors = {f"p{length}": prompts[length].numpy() for length in LENGTHS}

    async def scenario() -> None:
        busy, stuck = Replica(loud), Replica(loud, stuck_seconds=0.05)
        assert await stuck.is_ready()
        queries = [each.query for each in asked]
        asking = [asyncio.create_task(each.answer(queries, vectors)) for each in (busy, stuck)]
        while len(begun) < 2:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.1)
        async with asyncio.timeout(1):
            assert await busy.is_ready()
            assert not await stuck.is_ready()
        let_go.set()
        await asyncio.gather(*asking)
        assert await stuck.is_ready()
        await asyncio.gather(busy.close(), stuck.close())

    asyncio.run(scenario())

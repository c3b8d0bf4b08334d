"""When a batch goes, and who gets which of its answers."""

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from runners.model.t5_backbone import T5Backbone
from runners.serving.batching import Batcher
from runners.serving.engine import Asked, Emit, respond
from runners.serving.protocol import Answer, NotComputed


def _padded(batch: Sequence[Asked]) -> int:
    longest = max(each.positions for each in batch) + max(each.tokens for each in batch)
    return sum(each.copies for each in batch) * (longest + max(each.targets for each in batch))


class _Model:
    """Answers each question with the tokens of its input, and remembers its batches."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.batches: list[list[Asked]] = []
        self.seconds = seconds
        self.threads: set[int] = set()

    def __call__(self, asked: Sequence[Asked], emit: Emit) -> list[Answer]:
        self.batches.append(list(asked))
        self.threads.add(threading.get_ident())
        time.sleep(self.seconds)
        for place, each in enumerate(asked):
            for token in each.query.input_ids:
                emit(place, token)
        if any(666 in each.query.input_ids for each in asked):
            raise RuntimeError("out of memory")
        return [Answer(ids=each.query.input_ids) for each in asked]


async def _asking(model: _Model, asked: Sequence[Asked], **more: float) -> list[Any]:
    batcher = Batcher(model, **more)
    found = await asyncio.gather(*(batcher.ask(each) for each in asked), return_exceptions=True)
    await batcher.close()
    return found


def test_questions_that_wait_together_share_a_batch(make_asked: Callable[..., Asked]) -> None:
    """Catches a batcher that answers one by one, or answers the wrong asker."""
    model, asked = _Model(), [make_asked(n, 5, seed=n) for n in (1, 2, 5, 11)]
    found = asyncio.run(_asking(model, asked, wait=0.2))
    assert [each.ids for each in found] == [each.query.input_ids for each in asked]
    assert len(model.batches) == 1
    assert model.threads.isdisjoint({threading.get_ident()})


def test_a_question_with_more_choices_than_fit_is_answered_whole(
    loud: T5Backbone, make_asked: Callable[..., Asked]
) -> None:
    """Catches scores of parts that are lost or in another order, and a batch beyond its bound."""
    asked = make_asked(11, 20, choices=30)
    batches: list[list[Asked]] = []

    def counted(batch: Sequence[Asked], emit: Emit) -> list[Answer]:
        batches.append(list(batch))
        return respond(loud, batch, emit)

    async def scenario(tokens: int) -> Answer:
        batcher = Batcher(counted, tokens=tokens, wait=0.001)
        answer = await batcher.ask(asked)
        await batcher.close()
        return answer

    whole = asyncio.run(scenario(10_000))
    assert [len(batch) for batch in batches] == [1]
    batches.clear()
    parts = asyncio.run(scenario(200))
    assert parts.log_likelihoods == pytest.approx(whole.log_likelihoods, rel=1e-4)
    assert len(batches) > 5
    assert all(_padded(batch) <= 200 for batch in batches)


def test_a_question_fails_as_a_whole_where_a_part_of_it_fails(
    make_asked: Callable[..., Asked],
) -> None:
    """Catches half a list of scores, and parts that are computed for nobody."""
    batches: list[int] = []

    def respond(batch: Sequence[Asked], _: Emit) -> list[Answer]:
        batches.append(len(batch))
        raise RuntimeError("out of memory")

    async def scenario() -> None:
        batcher = Batcher(respond, tokens=60, wait=0.001)
        with pytest.raises(NotComputed, match="out of memory"):
            await batcher.ask(make_asked(11, 20, choices=30))
        await asyncio.sleep(0)
        assert batcher.waiting == 0
        await batcher.close()

    asyncio.run(scenario())
    assert len(batches) < 30


def test_a_full_batch_does_not_wait(make_asked: Callable[..., Asked]) -> None:
    """Catches a model that idles for the whole bound although it has all it can take."""
    model, asked = _Model(), [make_asked(5, 5, seed=n) for n in range(4)]
    started = time.monotonic()
    asyncio.run(_asking(model, asked, wait=30.0, tokens=2 * (10 + 6)))
    assert time.monotonic() - started < 20
    assert [len(batch) for batch in model.batches] == [2, 2]


def test_nobody_waits_longer_than_the_bound(make_asked: Callable[..., Asked]) -> None:
    """Catches a lone question that waits for company which never comes."""
    model = _Model()
    started = time.monotonic()
    found = asyncio.run(_asking(model, [make_asked()], wait=0.01))
    assert isinstance(found[0], Answer)
    assert time.monotonic() - started < 5


def test_how_long_a_batch_takes_is_known_while_it_does(make_asked: Callable[..., Asked]) -> None:
    """Catches a stuck thread that passes for an idle one, and a clock that a failure leaves on."""
    begun, let_go = threading.Event(), threading.Event()

    def respond(_: Sequence[Asked], __: Emit) -> list[Answer]:
        begun.set()
        assert let_go.wait(10)
        raise RuntimeError("out of memory")

    async def scenario() -> None:
        batcher = Batcher(respond, wait=0.001)
        assert batcher.computing_seconds == 0
        asking = asyncio.create_task(batcher.ask(make_asked()))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        first = batcher.computing_seconds
        await asyncio.sleep(0.02)
        assert 0 < first < batcher.computing_seconds
        let_go.set()
        with pytest.raises(NotComputed):
            await asking
        assert batcher.computing_seconds == 0
        await batcher.close()

    asyncio.run(scenario())


def test_what_comes_while_the_model_computes_makes_the_next_batch(
    make_asked: Callable[..., Asked],
) -> None:
    """Catches questions that are answered one by one although they waited together."""

    async def scenario() -> None:
        batcher = Batcher(model, wait=0.001)
        first = asyncio.create_task(batcher.ask(make_asked()))
        await asyncio.sleep(0.05)
        rest = [asyncio.create_task(batcher.ask(make_asked(seed=n))) for n in range(5)]
        await asyncio.gather(first, *rest)
        await batcher.close()

    model = _Model(seconds=0.2)
    asyncio.run(scenario())
    assert [len(batch) for batch in model.batches] == [1, 5]


def test_a_question_whose_asker_is_gone_is_not_computed(make_asked: Callable[..., Asked]) -> None:
    """Catches work for clients that hung up, which is how an overloaded server stays so."""

    async def scenario() -> None:
        batcher = Batcher(model, wait=0.001)
        first = asyncio.create_task(batcher.ask(make_asked()))
        await asyncio.sleep(0.05)
        gone = asyncio.create_task(batcher.ask(make_asked(seed=1)))
        stays = asyncio.create_task(batcher.ask(make_asked(seed=2)))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(first, stays)
        assert batcher.waiting == 0
        await batcher.close()

    model = _Model(seconds=0.2)
    asyncio.run(scenario())
    assert [len(batch) for batch in model.batches] == [1, 1]


def test_nothing_is_kept_of_what_is_answered(make_asked: Callable[..., Asked]) -> None:
    """Catches a server that holds what it was asked last, texts and all, while it is idle."""

    def respond(asked: Sequence[Asked], _: Emit) -> list[Answer]:
        return [Answer(ids=each.query.input_ids) for each in asked]

    async def scenario() -> None:
        batcher, asked = Batcher(respond, wait=0.001), make_asked()
        seen = weakref.ref(asked)
        await batcher.ask(asked)
        del asked
        # The model's thread lets go a moment after it was answered.
        until = time.monotonic() + 5
        while seen() is not None and time.monotonic() < until:
            gc.collect()
            await asyncio.sleep(0.01)
        assert seen() is None
        await batcher.close()

    asyncio.run(scenario())


def test_a_question_that_cannot_be_computed_fails_alone(make_asked: Callable[..., Asked]) -> None:
    """Catches an error that takes the whole batch with it, or the batcher itself."""
    bad = make_asked(5, 3)
    bad = type(bad)(
        query=type(bad.query)(prompt="p5", input_ids=(5, 666, 7), limit=3), prompt=bad.prompt
    )
    asked = [make_asked(5, 3, seed=n) for n in range(5)]
    found = asyncio.run(_asking(_Model(), [*asked[:3], bad, *asked[3:]], wait=0.1))
    assert isinstance(found[3], NotComputed)
    assert str(found[3]) == "out of memory"
    del found[3]
    assert [each.ids for each in found] == [each.query.input_ids for each in asked]


def test_a_mistake_of_ours_is_told_to_who_asked_and_ends_nothing(
    make_asked: Callable[..., Asked],
) -> None:
    """Catches questions that wait until they are too late for a batch that is long dead."""

    def respond(asked: Sequence[Asked], _: Emit) -> list[Answer]:
        if len(asked) > 1:
            raise KeyError("no such tensor")
        return [Answer(ids=each.query.input_ids) for each in asked]

    async def scenario() -> None:
        batcher = Batcher(respond, wait=0.05)
        pair = [batcher.ask(make_asked(5, 3, seed=n)) for n in range(2)]
        found = await asyncio.wait_for(asyncio.gather(*pair, return_exceptions=True), 5)
        assert [type(each) for each in found] == [KeyError, KeyError]
        after = await asyncio.wait_for(batcher.ask(make_asked(5, 3)), 5)
        assert after.ids == make_asked(5, 3).query.input_ids
        await batcher.close()

    asyncio.run(scenario())


def test_tokens_are_told_once_each_even_after_a_failure(make_asked: Callable[..., Asked]) -> None:
    """Catches a stream that says everything twice because its batch was computed twice."""

    async def scenario() -> None:
        batcher = Batcher(_Model(), wait=0.1)
        good = make_asked(5, 4)
        bad = type(good)(
            query=type(good.query)(prompt="p5", input_ids=(666,), limit=3), prompt=good.prompt
        )
        told: list[int] = []
        answer, failed = await asyncio.gather(
            batcher.ask(good, told.append), batcher.ask(bad), return_exceptions=True
        )
        await asyncio.sleep(0)
        assert isinstance(failed, NotComputed)
        assert tuple(told) == answer.ids
        await batcher.close()

    asyncio.run(scenario())


def test_closing_leaves_nobody_waiting_for_ever(make_asked: Callable[..., Asked]) -> None:
    """Catches an asker that hangs when its server stops."""

    async def scenario() -> None:
        batcher = Batcher(_Model(seconds=0.1), wait=0.001)
        tasks = [asyncio.create_task(batcher.ask(make_asked()))]
        await asyncio.sleep(0.05)
        tasks.append(asyncio.create_task(batcher.ask(make_asked(seed=1))))
        await asyncio.sleep(0)
        await batcher.close()
        done, pending = await asyncio.wait(tasks, timeout=5)
        assert not pending
        for task in done:
            with pytest.raises(asyncio.CancelledError):
                task.result()

    asyncio.run(scenario())

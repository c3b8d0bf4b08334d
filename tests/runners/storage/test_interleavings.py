"""Commits in every order, cut off anywhere: one winner, nothing lost, nothing twice."""

import contextlib
import dataclasses
import threading
import uuid
from collections.abc import Callable, Sequence
from typing import Any, cast

import fsspec
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from runners.record import TrialRecord
from runners.storage.files import Files
from runners.storage.index import Index
from runners.store import Attempt, Store

TRIAL = "ab0123456789cdef"
IDS = ["000123456789cdef", TRIAL, "abfedcba98765432"]
STEPS = ["append", "create", "publish", "read", "release", "replace"]


class Killed(BaseException):
    """The end of a worker that is never heard of again."""


class Watched:
    """The files of a store; somebody is told the name of every operation before it."""

    def __init__(self, files: Files, before: Callable[[str], None]) -> None:
        self._files = files
        self._before = before

    def __getattr__(self, name: str) -> Any:
        if name in STEPS:
            self._before(name)
        return getattr(self._files, name)


def watched(attempt: Attempt, before: Callable[[str], None]) -> Attempt:
    """The attempt in a process of its own, which `before` may hold up or kill."""
    files = cast("Files", Watched(attempt.files, before))
    return dataclasses.replace(attempt, files=files, index=Index(files))


def record_of(attempt: Attempt) -> TrialRecord:
    """What an attempt would commit."""
    return TrialRecord(
        trial_id=attempt.trial_id,
        attempt=attempt.id,
        stage="tuning",
        label="",
        config={},
        metrics={},
        provenance={},
        files={},
    )


class Worker:
    """A commit that stops before every operation until it is told to go on."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = watched(attempt, self._wait)
        self.outcome: bool | None = None
        self.is_over = False
        self._is_killed = False
        self._go, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        threading.Thread(target=self._run).start()
        self._stopped.acquire()

    def step(self) -> None:
        """Let it do one operation."""
        self._go.release()
        self._stopped.acquire()

    def kill(self) -> None:
        """Let it do no other operation."""
        self._is_killed = True
        self.step()

    def _wait(self, _: str) -> None:
        self._stopped.release()
        self._go.acquire()
        if self._is_killed:
            raise Killed

    def _run(self) -> None:
        with contextlib.suppress(Killed):
            self.outcome = self.attempt.commit(record_of(self.attempt))
        self.is_over = True
        self._stopped.release()


def run(workers: Sequence[Worker], schedule: Sequence[int], killed: set[int]) -> None:
    """Let workers go on in turns; then cut some off, and let the others finish."""
    for turn in schedule:
        alive = [worker for worker in workers if not worker.is_over]
        if alive:
            alive[turn % len(alive)].step()
    for number, worker in enumerate(workers):
        if number in killed and not worker.is_over:
            worker.kill()
        while not worker.is_over:
            worker.step()


@settings(max_examples=150, deadline=None)
@given(
    schedule=st.lists(st.integers(0, 11), max_size=40),
    killed=st.sets(st.integers(0, 2), max_size=2),
)
def test_every_interleaving_has_one_winner(schedule: list[int], killed: set[int]) -> None:
    """Two workers told that their result counts, or none, or one that does not."""
    root = f"memory://{uuid.uuid4().hex}"
    store = Store(root)
    workers = [Worker(store.begin(TRIAL)) for _ in range(3)]
    run(workers, schedule, killed)
    fresh = Store(root)
    standing = fresh.get(TRIAL)
    assert standing is not None
    winners = [worker.attempt.id for worker in workers if worker.outcome is True]
    losers = {worker.attempt.id for worker in workers if worker.outcome is False}
    assert winners in ([], [standing.attempt])
    assert winners or any(worker.outcome is None for worker in workers)
    discards = {discard.attempt: discard.winner for discard in fresh.discards()}
    assert losers <= set(discards)
    assert set(discards.values()) <= {standing.attempt}
    assert standing.attempt not in discards
    assert fresh.done([TRIAL]) == {TRIAL}
    assert list(fresh.records()) == [standing]
    assert fresh.verify() == []
    fsspec.filesystem("memory").rm(root, recursive=True)


class StoreMachine(RuleBasedStateMachine):
    """A store beside a dictionary of what it should hold."""

    attempts: Bundle[Attempt] = Bundle("attempts")

    def __init__(self) -> None:
        super().__init__()
        self.root = f"memory://{uuid.uuid4().hex}"
        self.store = Store(self.root)
        self.winners: dict[str, str] = {}
        self.states: dict[str, bytes] = {}

    def teardown(self) -> None:
        """Forget the store."""
        fs = fsspec.filesystem("memory")
        if fs.exists(self.root):
            fs.rm(self.root, recursive=True)

    @rule(target=attempts, trial_id=st.sampled_from(IDS))
    def begin(self, trial_id: str) -> Attempt:
        """A worker takes a trial."""
        attempt = self.store.begin(trial_id)
        (attempt.folder / "history.jsonl").write_text(attempt.id)
        return attempt

    @rule(attempt=consumes(attempts))
    def commit(self, attempt: Attempt) -> None:
        """A worker ends."""
        is_first = attempt.trial_id not in self.winners
        assert attempt.commit(record_of(attempt)) == is_first
        self.winners.setdefault(attempt.trial_id, attempt.id)

    @rule(attempt=consumes(attempts), step=st.sampled_from(STEPS))
    def commit_and_die(self, attempt: Attempt, step: str) -> None:
        """A worker is killed before one operation of its commit."""

        def die(name: str) -> None:
            if name == step:
                raise Killed

        with contextlib.suppress(Killed):
            watched(attempt, die).commit(record_of(attempt))
        if step in {"append", "release", "replace"}:
            self.winners.setdefault(attempt.trial_id, attempt.id)

    @rule(trial_id=st.sampled_from(IDS))
    def withdraw(self, trial_id: str) -> None:
        """Somebody takes a result back."""
        if self.winners.pop(trial_id, None):
            self.store.withdraw(trial_id, "to run it again")

    @rule(trial_id=st.sampled_from(IDS))
    def delete_by_hand(self, trial_id: str) -> None:
        """Somebody deletes a record, and no cache is told."""
        if self.winners.pop(trial_id, None):
            path = f"{self.root}/trials/{trial_id[:2]}/{trial_id}/record.json"
            fsspec.filesystem("memory").rm(path)
            self.store.rebuild_index()

    @rule()
    def lose_index(self) -> None:
        """Somebody deletes the cache."""
        fs = fsspec.filesystem("memory")
        if fs.exists(f"{self.root}/index"):
            fs.rm(f"{self.root}/index", recursive=True)

    @rule()
    def compact(self) -> None:
        """Somebody tidies the cache."""
        self.store.compact_index()

    @rule()
    def reopen(self) -> None:
        """Another process opens the store."""
        self.store = Store(self.root)

    @rule(trial_id=st.sampled_from(IDS), state=st.binary(max_size=3))
    def save(self, trial_id: str, state: bytes) -> None:
        """A running trial keeps a checkpoint."""
        self.store.save_state(trial_id, "prompt", state)
        self.states[trial_id] = state

    @rule(trial_id=st.sampled_from(IDS))
    def clear(self, trial_id: str) -> None:
        """A trial ends."""
        self.store.clear_state(trial_id)
        self.states.pop(trial_id, None)

    @invariant()
    def holds_what_was_committed(self) -> None:
        """Every way of asking gives the same answer, in this process and in another."""
        for store in (self.store, Store(self.root)):
            listed = {record.trial_id: record.attempt for record in store.records()}
            assert listed == self.winners
            assert store.done(IDS) == set(self.winners)
            assert store.verify() == []
            assert store.running() == set(self.states) - set(self.winners)
            assert {i: store.load_state(i, "prompt") for i in self.states} == self.states


StoreMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestStoreMachine = StoreMachine.TestCase


def test_a_stale_line_of_a_deleted_record_is_no_defect() -> None:
    """Catches a verify that fails on a cache which no reader trusts."""
    machine = StoreMachine()
    first = machine.begin(trial_id="000123456789cdef")
    machine.commit(attempt=first)
    second = machine.begin(trial_id="000123456789cdef")
    machine.reopen()
    machine.delete_by_hand(trial_id="000123456789cdef")
    machine.commit(attempt=second)
    machine.holds_what_was_committed()
    machine.teardown()

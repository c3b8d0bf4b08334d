"""A process that writes into a store until it is killed; `test_store_kills` runs it.

    python store_writer.py stream ROOT LOG COUNT          commit COUNT trials, with states
    python store_writer.py race ROOT LOG COUNT START      commit trial i at START + i * 40 ms
    python store_writer.py cut ROOT LOG EVENT             die at the EVENT-th touch of a file

What is done is appended to LOG after it is done, one line each.
"""

import hashlib
import os
import signal
import sys
import time

from runners.record import TrialRecord
from runners.store import Attempt, Store

_STATE_BYTES = 200_000
_PACE = 0.04


def trial(number: int) -> str:
    """The id of trial `number`."""
    return hashlib.sha256(str(number).encode()).hexdigest()[:16]


def state(trial_id: str, step: int, name: str) -> bytes:
    """A checkpoint that says what it is, in its first and in its last bytes."""
    word = f"{trial_id} {step} {name}\n".encode()
    return word * (_STATE_BYTES // len(word))


def record_of(attempt: Attempt) -> TrialRecord:
    """What an attempt commits."""
    return TrialRecord(
        trial_id=attempt.trial_id,
        attempt=attempt.id,
        stage="tuning",
        label="",
        config={},
        metrics={"score": 1.0},
        provenance={},
        files={},
    )


def commit(store: Store, trial_id: str) -> tuple[str, bool]:
    """One attempt with two files: its name, and whether it counts."""
    attempt = store.begin(trial_id)
    for name in ("history.jsonl", "prompt"):
        (attempt.folder / name).write_text(f"{attempt.id} {name}\n" * 1000)
    return attempt.id, attempt.commit(record_of(attempt))


def note(log: str, line: str) -> None:
    """Append a line in one write, which a kill cannot tear."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, f"{line}\n".encode())
    os.close(descriptor)


def stream(root: str, log: str, count: int) -> None:
    """Run what is missing, as a driver does after a restart."""
    store = Store(root)
    trials = [trial(number) for number in range(count)]
    done = store.done(trials)
    print("ready", flush=True)
    for trial_id in (trial_id for trial_id in trials if trial_id not in done):
        for step in range(3):
            for name in ("prompt", "optimizer"):
                store.save_state(trial_id, name, state(trial_id, step, name))
        attempt, won = commit(store, trial_id)
        note(log, f"{trial_id} {attempt} {won}")
        store.clear_state(trial_id)


def race(root: str, log: str, count: int, start: float) -> None:
    """Run everything at given times, without asking what is done."""
    store = Store(root)
    for number in range(count):
        time.sleep(max(0.0, start + number * _PACE - time.time()))
        attempt, won = commit(store, trial(number))
        note(log, f"{trial(number)} {attempt} {won}")


def cut(root: str, log: str, event: int) -> None:
    """Save a state, commit a trial, and die just before the `event`-th touch of a file."""
    store = Store(root)
    store.save_state(trial(0), "prompt", state(trial(0), 0, "prompt"))
    left = event

    def watch(name: str, _: object) -> None:
        nonlocal left
        if name == "open" or name.startswith("os."):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    store.save_state(trial(0), "prompt", state(trial(0), 1, "prompt"))
    attempt, won = commit(store, trial(0))
    note(log, f"{trial(0)} {attempt} {won}")
    store.clear_state(trial(0))


def main(verb: str, root: str, log: str, *numbers: str) -> None:
    """Do what the words say."""
    if verb == "stream":
        stream(root, log, int(numbers[0]))
    elif verb == "race":
        race(root, log, int(numbers[0]), float(numbers[1]))
    else:
        assert verb == "cut"
        cut(root, log, int(numbers[0]))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""SIGKILL at any moment: nothing committed is lost or doubled, and no state is torn."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runners.store import Store

WRITER = Path(__file__).with_name("store_writer.py")
KILLS = 25
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}

pytestmark = pytest.mark.slow


def writer(*words: object) -> subprocess.Popen[str]:
    """The writer, started."""
    command = [sys.executable, str(WRITER), *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)


def notes(log: Path) -> list[tuple[str, str, bool]]:
    """Trial, attempt and outcome of every commit that was answered."""
    lines = log.read_text().splitlines() if log.exists() else []
    words = [line.split(" ") for line in lines]
    return [(trial, attempt, won == "True") for trial, attempt, won in words]


def check_states(store: Store) -> None:
    """Every checkpoint is whole, of its own trial, and of one step."""
    for trial_id in store.running():
        for name in ("prompt", "optimizer"):
            state = store.load_state(trial_id, name)
            if state is not None:
                (word,) = set(state.splitlines())
                trial, step, kind = word.decode().split(" ")
                assert (trial, kind) == (trial_id, name)
                assert step in {"0", "1", "2"}


def check(root: Path, log: Path, before: dict[str, str]) -> dict[str, str]:
    """Winners by trial, after asserting that they hold all that was ever answered or seen."""
    store = Store(root)
    winners = {record.trial_id: record.attempt for record in store.records()}
    answered = notes(log)
    assert len({trial for trial, _, _ in answered}) == len(answered)
    assert all(won for _, _, won in answered)
    seen = before | {trial: attempt for trial, attempt, _ in answered}
    assert seen.items() <= winners.items()
    assert store.done(winners) == set(winners)
    assert list(store.discards()) == []
    check_states(store)
    assert store.verify() == []
    return winners


def test_kills_at_random_moments(tmp_path: Path) -> None:
    """A result lost, run twice or half written, because its process died at a bad moment."""
    root, log = tmp_path / "store", tmp_path / "log"
    moments = random.Random(2104)
    winners: dict[str, str] = {}
    for _ in range(KILLS):
        with writer("stream", root, log, 100_000) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(moments.uniform(0.0, 0.4))
            process.kill()
        winners = check(root, log, winners)
    assert winners
    count = len(winners) + 5
    with writer("stream", root, log, count) as process:
        process.communicate()
        assert process.returncode == 0
    assert len(check(root, log, winners)) == count
    assert Store(root).running() == set()


def test_kill_before_every_touch_of_a_file(tmp_path: Path) -> None:
    """The one moment of a commit that random kills do not hit."""
    outcomes = []
    for event in range(1, 200):
        root, log = tmp_path / f"store{event}", tmp_path / f"log{event}"
        with writer("cut", root, log, event) as process:
            process.communicate()
        outcomes.append(process.returncode)
        winners = check(root, log, {})
        with writer("stream", root, log, 1) as process:
            process.communicate()
            assert process.returncode == 0
        after = check(root, log, winners)
        assert len(after) == 1
        if outcomes[-1] == 0:
            break
    assert outcomes == [-9] * (len(outcomes) - 1) + [0]
    assert len(outcomes) > 20


def test_two_writers_race(tmp_path: Path) -> None:
    """Two drivers that both win a trial, or a discard that nobody hears of."""
    root, logs, count = tmp_path / "store", [tmp_path / "left", tmp_path / "right"], 100
    start = time.time() + 2
    processes = [writer("race", root, log, count, start) for log in logs]
    for process in processes:
        with process:
            process.communicate()
            assert process.returncode == 0
    answers = [answer for log in logs for answer in notes(log)]
    winners = {trial: attempt for trial, attempt, won in answers if won}
    losers = {attempt: winners[trial] for trial, attempt, won in answers if not won}
    assert len(answers) == 2 * count
    assert len(winners) == len(losers) == count
    store = Store(root)
    assert {record.trial_id: record.attempt for record in store.records()} == winners
    assert {discard.attempt: discard.winner for discard in store.discards()} == losers
    assert all(any(won for *_, won in notes(log)) for log in logs)
    assert store.verify() == []

"""The microworld's tasks: their benchmarks' schemas, honest splits, and answers that are right."""

import hashlib
import itertools
import json

import pytest

from runners.microworld.records import MAKERS, read_split, sample_records
from runners.tasks.embedded import DOMAINS, TASKS
from runners.tasks.task import Split

ALL = tuple(MAKERS)
TRAINED = tuple(name for name in ALL if name not in DOMAINS)
GOLDEN = {
    "boolq": "ac19375a5935abdb", "cb": "e8d7f187dfa66e05", "copa": "0627cdcb67b284e4",
    "multirc": "08a94493173eb60a", "record": "34d0142d57244e9e", "rte": "df7642b8373b218d",
    "wic": "d4ce3a34180716d0", "wsc": "cc37cc2f97bbf0ae",
    "mrpc": "120bc3ce8f9bf26e", "qqp": "32da73385773b3a1", "squad": "55624c742d194fa4",
    "squad_people": "4608310931b69745", "squad_wordings": "ec687762913c82f0",
    "squad_topics": "839d06eb383d0665", "squad_things": "2760080c79a91be3",
    "squad_gists": "00a781295acbf9d6", "squad_pronouns": "51a9a47eed00b833",
}  # fmt: skip
"""The first digits of SHA-256 over train, where there is one, and dev of every task."""


def _splits(name: str) -> tuple[Split, ...]:
    return ("dev",) if name in DOMAINS else ("train", "dev")


def test_every_task_has_records() -> None:
    """Catches a task without data, or data without a task."""
    assert set(ALL) == set(TASKS)


@pytest.mark.parametrize("name", ALL)
def test_records_are_read_by_the_tasks_own_reader(name: str) -> None:
    """Catches a schema that is not the benchmark's."""
    read = {s: TASKS[name].read(read_split(name, s), split=s) for s in _splits(name)}
    assert len(read.get("train", range(1900))) >= 1900
    assert len(read["dev"]) >= 1000


@pytest.mark.parametrize("name", TRAINED)
def test_train_and_dev_share_no_example(name: str) -> None:
    """Catches dev examples that a model was tuned on."""
    task = TASKS[name]
    train = {e.input for e in task.read(read_split(name, "train"), split="train")}
    dev = [e.input for e in task.read(read_split(name, "dev"), split="dev")]
    assert not train & set(dev)


@pytest.mark.parametrize("name", ALL)
def test_the_same_seed_gives_the_same_records(name: str) -> None:
    """Catches a source of chance that no seed controls."""
    first, again, other = (_first_records(name, seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize(("name", "golden"), GOLDEN.items())
def test_the_splits_have_the_same_bytes_everywhere(name: str, golden: str) -> None:
    """Catches a set or a hash order in a maker: each process would have a data set of its own."""
    digest = hashlib.sha256()
    for split in _splits(name):
        digest.update(json.dumps(read_split(name, split)).encode())
    assert digest.hexdigest()[:16] == golden


def _first_records(name: str, seed: int) -> list[str]:
    return [json.dumps(record) for record in itertools.islice(sample_records(name, seed), 20)]


@pytest.mark.parametrize("name", ["boolq", "cb", "copa", "rte", "wic", "multirc", "mrpc", "qqp"])
def test_no_label_is_rare(name: str) -> None:
    """Catches a task that its majority answer nearly solves."""
    dev = TASKS[name].read(read_split(name, "dev"), split="dev")
    targets = [e.target for e in dev]
    assert max(targets.count(t) for t in set(targets)) / len(targets) < 0.7


@pytest.mark.parametrize("name", ["boolq", "rte", "cb", "mrpc", "qqp", "squad", *DOMAINS])
def test_the_same_question_of_the_same_passage_has_one_answer(name: str) -> None:
    """Catches contradicting labels, a ceiling that no model can pass."""
    task = TASKS[name]
    answers: dict[str, set[str]] = {}
    for split in _splits(name):
        for example in task.read(read_split(name, split), split=split):
            answers.setdefault(example.input, set()).add(example.target)
    assert not [text for text, given in answers.items() if len(given) > 1]

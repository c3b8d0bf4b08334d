"""The hub's copies of the benchmarks as records in the publishers' schema.

The hub itself is out of reach here; `load_dataset` reads local folders of
parquet files laid out as the hub's are.
"""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from datasets import Dataset
from datasets.exceptions import DatasetGenerationError, NonMatchingSplitsSizesError
from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

from runners.data import hub as module
from runners.data.hub import TASKS, HubTask, read_hub
from runners.tasks.benchmarks import BENCHMARK_OF, BENCHMARKS

ROWS: dict[str, list[dict[str, Any]]] = {
    "boolq": [{"question": "is it hot", "passage": "It boils.", "idx": 0, "label": 1}],
    "cb": [{"premise": "Ann left.", "hypothesis": "Ann stayed", "idx": 0, "label": 1}],
    "copa": [
        {"premise": "It broke.", "choice1": "It fell.", "choice2": "It sang.", "question": "cause",
         "idx": 0, "label": 0},
    ],
    "multirc": [
        {"paragraph": f"Ann owns {what}.", "question": asked, "answer": answer,
         "idx": {"paragraph": passage, "question": question, "answer": number}, "label": label}
        for passage, what, question, asked, number, answer, label in [
            (0, "a cat", 0, "Who?", 0, "Ann", 1), (0, "a cat", 0, "Who?", 1, "Bea", 0),
            (0, "a cat", 1, "What?", 0, "a cat", 1), (1, "a dog", 2, "Who?", 0, "Bea", 0),
        ]
    ],
    "record": [
        {"passage": "Zed met Ann.\n@highlight\nZed won", "query": f"{q} @placeholder.",
         "entities": ["Zed", "Ann"], "answers": answers, "idx": {"passage": 3, "query": n}}
        for n, (q, answers) in enumerate([("Lo", ["Zed"]), ("Hi", ["Ann", "Zed"])])
    ],
    "rte": [{"premise": "It rained.", "hypothesis": "It was wet.", "idx": 0, "label": 1}],
    "wic": [
        {"word": "bank", "sentence1": "a river bank", "sentence2": "a bank clerk", "start1": 8,
         "start2": 2, "end1": 12, "end2": 6, "idx": 0, "label": 0},
    ],
    "wsc": [
        {"text": "Ann thanked Bea because she had helped.", "span1_index": 2, "span1_text": "Bea",
         "span2_index": 4, "span2_text": "she", "idx": 0, "label": 1},
    ],
    "glue_rte": [{"sentence1": "It rained.", "sentence2": "It was wet.", "label": 0, "idx": 0}],
    "mrpc": [{"sentence1": "He left .", "sentence2": "She left .", "label": 0, "idx": 0}],
    "qqp": [{"question1": "Why?", "question2": "How?", "label": 1, "idx": 0}],
    "sst2": [{"sentence": "fun ", "label": 1, "idx": 0}],
    "squad": [
        {"id": "a", "title": "T", "context": "Ann led.", "question": "Who?",
         "answers": {"text": ["Ann", "Ann L"], "answer_start": [0, 0]}},
    ],
    "bioasq": [
        {"subset": subset, "context": "Text.", "qid": "1", "question": "Which?",
         "answers": ["gene X"]}
        for subset in ("BioASQ", "DROP")
    ],
}  # fmt: skip
EXAMPLES = {
    "boolq": [("passage: It boils. question: is it hot", "True")],
    "cb": [("hypothesis: Ann stayed premise: Ann left.", "contradiction")],
    "copa": [("choice1: It fell. choice2: It sang. premise: It broke. question: cause", "choice1")],
    "multirc": [
        ("question: Who? answer: Ann paragraph: Ann owns a cat.", "True"),
        ("question: Who? answer: Bea paragraph: Ann owns a cat.", "False"),
        ("question: What? answer: a cat paragraph: Ann owns a cat.", "True"),
        ("question: Who? answer: Bea paragraph: Ann owns a dog.", "False"),
    ],
    "record": [
        ("query: Lo @placeholder. entities: Ann, Zed passage: Zed met Ann. Zed won", "Zed"),
        ("query: Hi @placeholder. entities: Ann, Zed passage: Zed met Ann. Zed won", "Ann"),
        ("query: Hi @placeholder. entities: Ann, Zed passage: Zed met Ann. Zed won", "Zed"),
    ],
    "rte": [("hypothesis: It was wet. premise: It rained.", "not_entailment")],
    "wic": [("sentence1: a river bank sentence2: a bank clerk word: bank", "False")],
    "wsc": [("Ann thanked Bea because *she* had helped.", "Bea")],
    "glue_rte": [("sentence1: It rained. sentence2: It was wet.", "entailment")],
    "mrpc": [("sentence1: He left . sentence2: She left .", "not_equivalent")],
    "qqp": [("question1: Why? question2: How?", "duplicate")],
    "sst2": [("sentence: fun ", "positive")],
    "squad": [("question: Who ? context: Ann led .", "Ann")],
    "bioasq": [("question: Which ? context: Text .", "gene X")],
}  # fmt: skip


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every task's data set as a folder of parquet files, under the hub's config and splits."""
    places = {}
    for task, rows in ROWS.items():
        place = TASKS[task]
        folder = tmp_path / task
        name = place.config or "default"
        for split in set(place.splits.values()):
            path = folder / name / f"{split}-00000-of-00001.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            Dataset.from_list(rows).to_parquet(path)
        splits = "".join(
            f"  - split: {split}\n    path: {name}/{split}-*\n" for split in place.splits.values()
        )
        (folder / "README.md").write_text(
            f"---\nconfigs:\n- config_name: {name}\n  data_files:\n{splits}---\n"
        )
        places[task] = HubTask(
            repository=str(folder), config=place.config, splits=place.splits, records=place.records
        )
    monkeypatch.setattr(module, "TASKS", places)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path


@pytest.mark.parametrize("task", ROWS)
def test_rows_become_the_publishers_records(local: Path, task: str) -> None:
    """Catches swapped label numbers, an answer under another question, an entity that is lost."""
    split: Any = "dev" if task == "bioasq" else "train"
    records, commit = read_hub(task, split, None)
    examples = BENCHMARKS[BENCHMARK_OF[task]][task].read(records, split="train")
    assert [(example.input, example.target) for example in examples] == EXAMPLES[task]
    assert commit is None


def test_multirc_is_grouped_by_question(local: Path) -> None:
    """Catches an exact match over passages, or over single answers."""
    records, _ = read_hub("multirc", "dev", None)
    examples = BENCHMARKS["superglue"]["multirc"].read(records, split="dev")
    assert [example.key for example in examples] == [(0, 0), (0, 0), (0, 1), (1, 2)]


def test_the_commit_is_read_off_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a record that cannot say which version of the data it is about."""
    commit = "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"
    told: list[object] = []

    file = f"hf://datasets/nyu-mll/glue@{commit}/sst2/train-0.parquet"

    class Found(list[Any]):
        info = SimpleNamespace(download_checksums={file: {}})

    def load_dataset(*words: object, **options: object) -> Found:
        told.append((words, options))
        return Found(ROWS["sst2"])

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    assert read_hub("sst2", "dev", "abc") == (ROWS["sst2"], commit)
    assert told == [(("nyu-mll/glue", "sst2"), {"split": "validation", "revision": "abc"})]


def test_what_the_hub_does_not_have_is_told() -> None:
    """Catches a KeyError for a set that has no training split, and a long traceback offline."""
    message = "bioasq: the hub's mrqa-workshop/mrqa has no train split of it; train on another"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        read_hub("bioasq", "train", None)
    message = r"^boolq: aps/super_glue cannot be read from the hub \(.*\); reach the hub once, give"
    with pytest.raises(ValueError, match=message):
        read_hub("boolq", "dev", None)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Dataset scripts are no longer supported, but found super_glue.py"),
        DatasetGenerationError("An error occurred while generating the dataset"),
        NonMatchingSplitsSizesError("[]"),
        HTTPError("503"),
    ],
)
def test_whatever_keeps_a_data_set_away_is_told(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Catches a traceback for a commit of before the parquet files, or a hub that breaks off."""

    def load_dataset(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    message = f"boolq: aps/super_glue cannot be read from the hub ({error}); reach the hub once, "
    message += "give another commit (data: {BENCHMARK: {revision: ...}}), or name a local copy in"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        read_hub("boolq", "dev", None)


def test_a_set_without_rows_is_told(local: Path) -> None:
    """Catches a subset that the hub has renamed, as an empty split far from its name."""
    folder = TASKS["bioasq"].splits["dev"]
    (file,) = (local / "bioasq").glob(f"*/{folder}-*")
    Dataset.from_list([{**ROWS["bioasq"][0], "subset": "bioASQ"}]).to_parquet(file)
    message = f"bioasq: {local / 'bioasq'} has no row of it among the 1 of its split test; give"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        read_hub("bioasq", "dev", None)


@pytest.mark.parametrize("task", ["boolq", "cb", "copa", "multirc", "rte", "wic", "wsc", "sst2"])
def test_rows_without_a_label_are_refused(monkeypatch: pytest.MonkeyPatch, task: str) -> None:
    """Catches -1, which the hub has for labels that are kept back, read as the last class."""
    rows = [{**row, "label": -1} for row in ROWS[task]]
    monkeypatch.setattr("datasets.load_dataset", lambda *_, **__: Dataset.from_list(rows))
    message = f"{task}: row 0 of {TASKS[task].repository} has the label -1, which stands for one "
    message += "that is not published; give another commit"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        read_hub(task, "dev", None)


@pytest.mark.parametrize("task", ["boolq", "cb", "rte", "wsc"])
def test_a_label_that_is_no_class_is_refused(task: str) -> None:
    """Catches any number but 0 read as True, and an IndexError for a class too many."""
    records = TASKS[task].records([{**row, "label": 3} for row in ROWS[task]])
    with pytest.raises(ValueError, match=f"^{task} record idx 0: label: 3 is not one of "):
        BENCHMARKS["superglue"][task].read(records, split="dev")

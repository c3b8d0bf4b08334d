"""The publishers' files, where copies stand beside the repository, in `shared/data`.

Expected sizes and shares: Lester et al. 2021, tables 7 to 16, for splits that are
complete in that copy; of the others, what is there is read and not counted.
Table 16 prints 51.2% entailment for the training split of RTE beside 49.8%; the
file has 1,249 of 2,490, which is 50.2%.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from runners.tasks.benchmarks import BENCHMARKS
from runners.tasks.files import glue_folder
from runners.tasks.files.lines import read_jsonl
from runners.tasks.files.squad_file import read_squad_file
from runners.tasks.files.superglue_folder import FILES, FOLDERS, read_records
from runners.tasks.question_answering import answering
from runners.tasks.superglue import TASKS
from runners.tasks.task import Example, Split

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
ROOT = DATA / "superglue"
THERE = sorted(
    (task, split)
    for task, folder in FOLDERS.items()
    for split, file in FILES.items()
    if (ROOT / folder / file).is_file()
)

pytestmark = pytest.mark.skipif(not THERE, reason=f"no copy of SuperGLUE in {ROOT}")

TABLES: dict[tuple[str, Split], tuple[int, dict[str, float]]] = {
    ("boolq", "train"): (9427, {"False": 37.7, "True": 62.3}),
    ("boolq", "dev"): (3270, {"False": 37.8, "True": 62.2}),
    ("cb", "train"): (250, {"contradiction": 47.6, "entailment": 46.0, "neutral": 6.4}),
    ("cb", "dev"): (56, {"contradiction": 50.0, "entailment": 41.1, "neutral": 8.9}),
    ("copa", "train"): (400, {"choice1": 48.8, "choice2": 51.2}),
    ("copa", "dev"): (100, {"choice1": 55.0, "choice2": 45.0}),
    ("multirc", "train"): (27243, {"False": 55.9, "True": 44.1}),
    ("multirc", "dev"): (4848, {"False": 57.2, "True": 42.8}),
    ("rte", "train"): (2490, {"entailment": 50.2, "not_entailment": 49.8}),
    ("rte", "dev"): (277, {"entailment": 52.7, "not_entailment": 47.3}),
    ("wic", "train"): (5428, {"False": 50.0, "True": 50.0}),
    ("wic", "dev"): (638, {"False": 50.0, "True": 50.0}),
}
QUERIES: dict[Split, int] = {"train": 100_730, "dev": 10_000}
"""Of ReCoRD, whose training examples are its answers."""
CANDIDATES: dict[Split, int] = {"train": 554, "dev": 104}
"""Of WSC, whose training examples are those that hold."""


def read(task: str, split: Split) -> list[Example]:
    """The examples of the publisher's file."""
    return TASKS[task].read(read_records(ROOT, task, split), split=split)


def require(task: str, split: Split, size: int | None = None) -> None:
    """Skip a test whose split the copy lacks, or has less of than `size`.

    What is there is counted in the raw records, so that a reader which loses
    some of them is no excuse.
    """
    if (task, split) not in THERE:
        pytest.skip(f"the {split} split of {task} is not in {ROOT}")
    there = sum(map(_raw, read_records(ROOT, task, split)))
    if size is not None and there < size:
        pytest.skip(f"the {split} split of {task} in {ROOT} is a part, {there} of {size}")


def _raw(record: dict[str, Any]) -> int:
    """Answers of a MultiRC record, queries of a ReCoRD one, and 1 of any other."""
    if "qas" in record:
        return len(record["qas"])
    passage = record.get("passage")
    if isinstance(passage, dict):
        return sum(len(question["answers"]) for question in passage["questions"])
    return 1


@pytest.mark.parametrize(("task", "split"), THERE)
def test_every_record_is_read(task: str, split: Split) -> None:
    """Catches a record of the publisher that breaks a reader, or one that is lost."""
    records = read_records(ROOT, task, split)
    examples = read(task, split)
    if task != "wsc" or split == "dev":
        assert {each.key[0] for each in examples} == {record["idx"] for record in records}
    assert all(each.input and each.target for each in examples)
    assert not any("\n@highlight\n" in each.input for each in examples)


@pytest.mark.parametrize(("task", "split"), THERE)
def test_right_answers_score_100(task: str, split: Split) -> None:
    """Catches verbalizers that differ between targets and metrics."""
    examples = [each for each in read(task, split) if each.holds]
    scores = TASKS[task].score([each.target for each in examples], examples)
    assert scores["score"] == pytest.approx(100)
    assert scores["invalid"] == 0


@pytest.mark.parametrize(("task", "split"), TABLES)
def test_sizes_and_labels(task: str, split: Split) -> None:
    """Catches swapped classes, and answers lost or doubled in flattening."""
    size, shares = TABLES[task, split]
    require(task, split, size)
    counts = Counter(each.target for each in read(task, split))
    assert counts.total() == size
    # Half a unit of the last printed digit; 48.75 is printed as 48.8, 51.25 as 51.2.
    assert {word: 100 * count / size for word, count in counts.items()} == pytest.approx(
        shares, abs=0.0501
    )


@pytest.mark.parametrize(
    ("task", "score"),
    [("cb", (100 * 2 / 9 + 50.0) / 2), ("copa", 45.0), ("rte", 100 * 146 / 277)],
)
def test_majority_of_complete_splits(task: str, score: float) -> None:
    """Catches a baseline with another rule than the tables' most frequent training label."""
    for split in FILES:
        require(task, split)
    majority = TASKS[task].majority_score(read(task, "train"), read(task, "dev"))
    assert majority == pytest.approx(score)


def test_multirc_questions() -> None:
    """Catches groups that merge questions: the dev split has 953 in 83 passages."""
    require("multirc", "dev")
    keys = {each.key for each in read("multirc", "dev")}
    assert (len(keys), len({passage for passage, _ in keys})) == (953, 83)


def test_record_answers_are_entities() -> None:
    """Catches spans cut one character short: their end is the place of the last character."""
    require("record", "dev")
    assert all(set(each.references) <= set(each.choices) for each in read("record", "dev"))


@pytest.mark.parametrize("split", FILES)
def test_record_sizes(split: Split) -> None:
    """Catches queries lost among those of equal index, or asked once for each answer on dev."""
    require("record", split, QUERIES[split])
    examples = read("record", split)
    assert len({each.key for each in examples}) == QUERIES[split]
    assert split == "train" or len(examples) == QUERIES[split]


def test_wsc_sizes() -> None:
    """Catches wrong candidates in training: 259 of 554 hold; of dev 36.5% of 104 do."""
    for split, size in CANDIDATES.items():
        require("wsc", split, size)
    train, dev = read("wsc", "train"), read("wsc", "dev")
    assert (len(train), len(dev), sum(each.holds for each in dev)) == (259, 104, 38)


def test_the_test_split_has_no_labels() -> None:
    """Catches a test split that is read as if its answers were known; CB has 250 records."""
    path = ROOT / FOLDERS["cb"] / "test.jsonl"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    records = read_jsonl(path)
    assert len(records) == 250
    with pytest.raises(ValueError, match="cb record idx 0: label is missing"):
        TASKS["cb"].read(records, split="dev")


GLUE: dict[tuple[str, Split], tuple[int, dict[str, float]]] = {
    ("mrpc", "dev"): (408, {"equivalent": 68.4, "not_equivalent": 31.6}),
    ("qqp", "train"): (363_849, {"duplicate": 36.9, "not_duplicate": 63.1}),
    ("qqp", "dev"): (40_430, {"duplicate": 36.8, "not_duplicate": 63.2}),
    ("sst2", "dev"): (872, {"negative": 49.1, "positive": 50.9}),
}
"""Sizes and shares: Lester et al. 2021, tables 7 to 16; of SST-2 the publisher's own."""


@pytest.mark.parametrize(("task", "split"), GLUE)
def test_sizes_and_labels_of_glue(task: str, split: Split) -> None:
    """Catches swapped classes, and rows lost to a quotation mark."""
    layout = glue_folder.LAYOUTS[task]
    if not (DATA / "glue" / layout.folder / glue_folder.FILES[split]).is_file():
        pytest.skip(f"the {split} split of {task} is not in {DATA / 'glue'}")
    records = glue_folder.read_records(DATA / "glue", task, split)
    examples = BENCHMARKS["glue"][task].read(records, split=split)
    size, shares = GLUE[task, split]
    counts = Counter(each.target for each in examples)
    assert counts.total() == size
    assert {word: 100 * count / size for word, count in counts.items()} == pytest.approx(
        shares, abs=0.05
    )
    targets = [each.target for each in examples]
    assert BENCHMARKS["glue"][task].score(targets, examples)["score"] == pytest.approx(100)


SQUADSHIFTS = {"squaddev_v1.1.json": 10_565, "new_wiki_v1.0.json": 7_936, "nyt_v1.0.json": 10_056}
"""Questions of each file, as its publisher counts them."""


@pytest.mark.parametrize("name", SQUADSHIFTS)
def test_files_in_squads_form(name: str) -> None:
    """Catches a file of somebody's own that reads with a title more or less than SQuAD's."""
    path = DATA / "squadshifts" / name
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    task = answering("shift")
    examples = task.read(read_squad_file(path), split="dev")
    assert len(examples) == SQUADSHIFTS[name]
    scores = task.score([each.target for each in examples], examples)
    assert scores["exact_match"] == 100
    # SQuAD 1.1 gives an answer of which nothing is left, such as '$', an F1 of 0.
    assert scores["f1"] > 99.9

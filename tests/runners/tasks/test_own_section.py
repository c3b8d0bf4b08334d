"""What is said of a spec's own tasks before anything is trained."""

from pathlib import Path
from typing import Any

import pytest

from runners.rules import Problem
from runners.section import Section
from runners.tasks.own import OwnTask
from runners.tasks.own_section import read_tasks

GOOD: dict[str, Any] = {
    "train": "train.csv", "dev": "dev.csv", "input": "{text}", "target": "{label}",
    "labels": {"0": "no", "1": "yes"},
}  # fmt: skip
REMOVED = object()


def _read(folder: Path, changes: dict[str, Any]) -> tuple[dict[str, OwnTask], list[str]]:
    problems: list[Problem] = []
    values = {key: value for key, value in {**GOOD, **changes}.items() if value is not REMOVED}
    found = read_tasks(Section({"mine": values}, problems, "tasks"), folder, {"boolq"})
    return found, [str(problem) for problem in problems]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A CSV of two rows for each split, and a file in SQuAD's form."""
    for file in ("train.csv", "dev.csv"):
        (tmp_path / file).write_text("text,label\na,0\nb,1\n")
    (tmp_path / "squad.json").write_text(
        '{"data": [{"paragraphs": [{"context": "x", "qas": '
        '[{"question": "y", "answers": [{"text": "x"}]}]}]}]}'
    )
    return tmp_path


def test_a_good_task_is_read(folder: Path) -> None:
    """Catches a default that a spec cannot rely on."""
    found, problems = _read(folder, {})
    assert problems == []
    mine = found["mine"]
    assert mine.labels == (("0", "no"), ("1", "yes"))
    assert (mine.metrics, mine.init_words) == (("accuracy",), ("no", "yes"))
    free, _ = _read(folder, {"labels": REMOVED, "init_words": ["say"]})
    assert (free["mine"].metrics, free["mine"].init_words) == (("exact_match", "f1"), ("say",))


def test_a_file_in_squads_form_needs_no_templates(folder: Path) -> None:
    """Catches templates that are asked for where the format is known."""
    bare = dict.fromkeys(("input", "target", "labels"), REMOVED)
    found, problems = _read(folder, {"train": "squad.json", "dev": "squad.json", **bare})
    assert problems == []
    assert found["mine"].input is None


def test_a_task_may_have_dev_alone(folder: Path) -> None:
    """Catches a domain to transfer to that needs a training file which nobody reads."""
    found, problems = _read(folder, {"train": REMOVED})
    assert problems == []
    assert (found["mine"].train, found["mine"].dev) == (None, folder / "dev.csv")
    found, problems = _read(folder, {"train": REMOVED, "dev": "squad.json", **BARE})
    assert problems == []
    assert found["mine"].input is None
    (folder / "dev.csv").write_text("text,label\na,2\n")
    _, problems = _read(folder, {"train": REMOVED})
    assert problems == [
        (
            "tasks.mine.dev: 'dev.csv' cannot be used: mine record idx 0: the target '2' is not "
            "one of 0, 1; give it a word under labels, or mend the row"
        )
    ]


BARE = dict.fromkeys(("input", "target", "labels"), REMOVED)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"trian": "x"}, ["tasks.mine.trian: 'trian' is not a known key; did you mean 'train'?"]),
        (
            {"train": REMOVED, "dev": REMOVED},
            [
                "tasks.mine.train: None is missing; give a word",
                "tasks.mine.dev: None is missing; give either dev or held_out",
            ],
        ),
        (
            {"train": REMOVED, "held_out": 0.1},
            [
                "tasks.mine.train: None is missing; give a word",
                "tasks.mine.dev: 'dev.csv' stands beside held_out; give either dev or held_out",
            ],
        ),
        (
            {"held_out": 0.1},
            ["tasks.mine.dev: 'dev.csv' stands beside held_out; give either dev or held_out"],
        ),
        ({"dev": REMOVED}, ["tasks.mine.dev: None is missing; give either dev or held_out"]),
        (
            {"dev": REMOVED, "held_out": 1},
            [
                (
                    "tasks.mine.held_out: 1 is not a number above 0 below 1; write a number "
                    "above 0 below 1"
                )
            ],
        ),
        (
            {"input": "{text.lower}"},
            [
                (
                    "tasks.mine.input: '{text.lower}' is no template: '{text.lower}' is no plain "
                    "column; write {column}, and {{ for a brace itself"
                )
            ],
        ),
        (
            {"input": "text"},
            [
                "tasks.mine.input: 'text' names no column; write one in braces, such as {text}",
            ],
        ),
        (
            {"input": "{txet}"},
            [
                (
                    "tasks.mine.train: 'train.csv' cannot be used: mine record idx 0: the template "
                    "'{txet}' names the column 'txet', which is not there; did you mean 'text'?"
                )
            ],
        ),
        (
            {"labels": {"0": "no"}},
            ["tasks.mine.labels: {'0': 'no'} are fewer than two; give every class its word"],
        ),
        (
            {"labels": {"0": " no", "1": "oh  yes"}},
            [
                (
                    "tasks.mine.labels.0: ' no' has space at an end, twice in a row, or a line "
                    "break, which tokenizers change; write 'no'"
                ),
                (
                    "tasks.mine.labels.1: 'oh  yes' has space at an end, twice in a row, or a line "
                    "break, which tokenizers change; write 'oh yes'"
                ),
            ],
        ),
        (
            {"labels": {"0": "yes", "1": "yes"}},
            [
                (
                    "tasks.mine.labels: {'0': 'yes', '1': 'yes'} share a word; give each class a "
                    "word of its own"
                )
            ],
        ),
        (
            {"labels": {"0": "no", "2": "yes"}},
            [
                (
                    "tasks.mine.train: 'train.csv' cannot be used: mine record idx 1: the target "
                    "'1' is not one of 0, 2; give it a word under labels, or mend the row"
                )
            ],
        ),
        (
            {"metrics": ["acuracy"]},
            [
                (
                    "tasks.mine.metrics[0]: 'acuracy' is not one of accuracy, macro_f1, binary_f1, "
                    "exact_match, f1; did you mean 'accuracy'?"
                )
            ],
        ),
        (
            {"labels": REMOVED, "metrics": ["macro_f1"]},
            ["tasks.mine.metrics[0]: 'macro_f1' needs labels; give labels, or leave it out"],
        ),
        (
            {"labels": {"0": "a", "1": "b", "2": "c"}, "metrics": ["binary_f1"]},
            ["tasks.mine.metrics[0]: 'binary_f1' is for two labels, and there are 3; use macro_f1"],
        ),
        (
            {"dev": "squad.json"},
            [
                (
                    "tasks.mine.dev: 'squad.json' cannot be used: is of another form than "
                    "train; give both in one form"
                )
            ],
        ),
        (
            {**BARE, "train": "squad.json", "dev": "squad.json", "input": "{x}"},
            ["tasks.mine.input: '{x}' does not apply to a file in SQuAD's form; leave it out"],
        ),
    ],
)
def test_every_mistake_is_told(folder: Path, changes: dict[str, Any], told: list[str]) -> None:
    """Catches a wrong column or an unknown class that shows in a worker, after an adaptation."""
    found, problems = _read(folder, changes)
    assert problems == told
    assert found == {}


def test_a_missing_file_is_named(folder: Path) -> None:
    """Catches a traceback for a path from the wrong folder."""
    _, problems = _read(folder, {"dev": "dve.csv"})
    assert problems == [
        (
            f"tasks.mine.dev: 'dve.csv' cannot be used: {folder}/dve.csv: there is no such file; "
            "did you mean 'dev.csv'?"
        )
    ]


def test_a_published_name_is_taken(folder: Path) -> None:
    """Catches results of a user's file under the name of a benchmark."""
    problems: list[Problem] = []
    assert read_tasks(Section({"boolq": GOOD}, problems, "tasks"), folder, {"boolq"}) == {}
    assert [str(problem) for problem in problems] == [
        "tasks.boolq: 'boolq' is the name of a published task; give it another"
    ]

"""GLUE's folders in their publisher's layout."""

import re
from pathlib import Path

import pytest

from runners.tasks.files.folder import read_folder

CONTENTS = {
    "sst2": ("SST-2", "sentence\tlabel\na dull , dull film \t0\nfun\t1\n"),
    "mrpc": (
        "MRPC",
        "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n0\t7\t8\tHe \" left .\tShe left .\n",
    ),
    "qqp": (
        "QQP",
        "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate\n1\t2\t3\tWhy?\tHow?\t1\n5\t6\tcut\n",
    ),
    "glue_rte": (
        "RTE", "index\tsentence1\tsentence2\tlabel\n0\tIt rained.\tIt was wet.\tnot_entailment\n",
    ),
}  # fmt: skip
RECORDS = {
    "sst2": [
        {"idx": 0, "sentence": "a dull , dull film ", "label": 0},
        {"idx": 1, "sentence": "fun", "label": 1},
    ],
    "mrpc": [{"idx": 0, "sentence1": 'He " left .', "sentence2": "She left .", "label": 0}],
    "qqp": [{"idx": 0, "question1": "Why?", "question2": "How?", "label": 1}],
    "glue_rte": [
        {"idx": 0, "sentence1": "It rained.", "sentence2": "It was wet.", "label": 1},
    ],
}  # fmt: skip


def _write(root: Path, task: str, file: str, text: str | None = None) -> Path:
    folder, content = CONTENTS[task]
    (root / folder).mkdir()
    path = root / folder / file
    path.write_text(content if text is None else text, encoding="utf-8")
    return path


@pytest.mark.parametrize("task", CONTENTS)
@pytest.mark.parametrize(("split", "file"), [("train", "train.tsv"), ("dev", "dev.tsv")])
def test_records(tmp_path: Path, task: str, split: str, file: str) -> None:
    """Catches a column of another name, a label of another type, a broken row that is kept."""
    _write(tmp_path, task, file)
    assert read_folder("glue", tmp_path, task, split) == RECORDS[task]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sentence\tlabel\nx\t2\n", "row 0: label '2' is not one of 0, 1; use the publisher's"),
        ("sentence\tlable\nx\t1\n", "row 0: there is no column 'label'; did you mean 'lable'?"),
        ("text\tlabel\nx\t1\n", "row 0: there is no column 'sentence'; "),
        ("sentence\tlabel\nx\n", "line 2: 1 values for 2 columns; "),
    ],
)
def test_files_of_another_layout_are_refused(tmp_path: Path, text: str, message: str) -> None:
    """Catches a test file, or one of another task, whose labels are read as something."""
    path = _write(tmp_path, "sst2", "dev.tsv", text)
    with pytest.raises(ValueError, match=f"^{re.escape(f'{path}, {message}')}"):
        read_folder("glue", tmp_path, "sst2", "dev")


def test_a_missing_split_is_named(tmp_path: Path) -> None:
    """Catches an error that does not say what lies there instead."""
    _write(tmp_path, "mrpc", "msr_paraphrase_train.txt")
    message = "train.tsv does not exist, the folder holds msr_paraphrase_train.txt; put the"
    with pytest.raises(ValueError, match=message):
        read_folder("glue", tmp_path, "mrpc", "train")

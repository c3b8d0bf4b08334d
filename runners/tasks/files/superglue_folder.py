"""A local copy of SuperGLUE in the publisher's layout: `BoolQ/train.jsonl`, `BoolQ/val.jsonl`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runners.tasks.files.lines import read_jsonl
from runners.tasks.files.places import split_file, task_folder
from runners.tasks.task import Split

FOLDERS: Mapping[str, str] = {
    "boolq": "BoolQ", "cb": "CB", "copa": "COPA", "multirc": "MultiRC",
    "record": "ReCoRD", "rte": "RTE", "wic": "WiC", "wsc": "WSC",
}  # fmt: skip
"""The publisher's folder of each task."""

FILES: Mapping[Split, str] = {"train": "train.jsonl", "dev": "val.jsonl"}
"""The publisher's file of each split; the labels of its third, `test.jsonl`, are not public."""


def read_records(root: Path, task: str, split: Split) -> list[dict[str, Any]]:
    """The records of one split of one task, in the order of the file.

    Raises ValueError where the folder or the file is missing or holds no
    record, and where a line is no JSON object.
    """
    return read_jsonl(split_file(task_folder(root, FOLDERS[task]), FILES, task, split))

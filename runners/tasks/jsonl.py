"""A local copy of SuperGLUE in the publisher's layout: `BoolQ/train.jsonl`, `BoolQ/val.jsonl`."""

import json
import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runners.rules import nearest
from runners.tasks.superglue import find_task
from runners.tasks.task import Split

FOLDERS: Mapping[str, str] = {
    "boolq": "BoolQ", "cb": "CB", "copa": "COPA", "multirc": "MultiRC",
    "record": "ReCoRD", "rte": "RTE", "wic": "WiC", "wsc": "WSC",
}  # fmt: skip
"""The publisher's folder of each task."""

FILES: Mapping[Split, str] = {"train": "train.jsonl", "dev": "val.jsonl"}
"""The publisher's file of each split; the labels of its third, `test.jsonl`, are not public."""


def read_records(root: str | Path, task: str, split: Split) -> list[dict[str, Any]]:
    """The records of one split of one task, in the order of the file.

    Raises ValueError where the task is unknown, where the folder or the file is
    missing or holds no record, and where a line is no JSON object.
    """
    folder = _folder(Path(root), FOLDERS[find_task(task).name])
    path = folder / FILES[split]
    if not path.is_file():
        there = ", ".join(sorted(each.name for each in folder.iterdir())) or "nothing"
        raise ValueError(
            f"{task}: the {split} split {path} does not exist, the folder holds {there}; "
            f"put the publisher's {path.name} there"
        )
    return read_jsonl(path)


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The JSON objects of a UTF-8 file, one a line; empty lines do not count.

    Raises ValueError naming file and line where a line is no JSON object, and
    where there is none at all.
    """
    # Bytes, because as text a line would also end at a Unicode separator inside a passage.
    lines = path.read_bytes().splitlines()
    records = [
        _parse(line, path, number) for number, line in enumerate(lines, start=1) if line.strip()
    ]
    if not records:
        raise ValueError(f"{path}: holds no record; put the publisher's file there")
    return records


def _folder(root: Path, name: str) -> Path:
    folder = root / name
    if folder.is_dir():
        return folder
    if not root.is_dir():
        raise ValueError(f"{root}: is not a folder; give the one that holds {name}")
    near = nearest(name, [each.name for each in root.iterdir() if each.is_dir()])
    remedy = f"is {near!r} it? The name has to be exact" if near else "put the publisher's there"
    raise ValueError(f"{root}: has no folder {name!r}; {remedy}")


def _parse(line: bytes, path: Path, number: int) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path}, line {number}: {reprlib.repr(line)} is not JSON ({error}); "
            "write one JSON object a line"
        ) from error
    if not isinstance(record, dict):
        raise ValueError(
            f"{path}, line {number}: {reprlib.repr(record)} is not a JSON object; "
            "write one JSON object a line"
        )
    return record

"""Reading a local folder in the publisher's layout, and what is said where it is not one."""

import re
from pathlib import Path

import pytest

from runners.tasks.files.superglue_folder import FOLDERS, read_records
from runners.tasks.superglue import TASKS


def write(path: Path, content: bytes) -> Path:
    """The path, with its folders and that content made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_layout_covers_every_task() -> None:
    """Catches a task without a folder."""
    assert FOLDERS.keys() == TASKS.keys()


def test_splits(tmp_path: Path) -> None:
    """Catches dev read from another file than val.jsonl, or records out of order."""
    write(tmp_path / "WiC" / "train.jsonl", b'{"idx": 1}\n{"idx": 0}\n')
    write(tmp_path / "WiC" / "val.jsonl", b'{"idx": 2}')
    assert read_records(tmp_path, "wic", "train") == [{"idx": 1}, {"idx": 0}]
    assert read_records(tmp_path, "wic", "dev") == [{"idx": 2}]


def test_missing_split(tmp_path: Path) -> None:
    """Catches an error that does not say what the folder holds instead."""
    write(tmp_path / "CB" / "dev.jsonl", b"{}")
    message = (
        f"cb: the dev split {tmp_path}/CB/val.jsonl does not exist, the folder holds dev.jsonl; "
        "put the publisher's val.jsonl there"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read_records(tmp_path, "cb", "dev")


def test_missing_folder(tmp_path: Path) -> None:
    """Catches a folder of another spelling that is not pointed out."""
    write(tmp_path / "Record" / "val.jsonl", b"{}")
    with pytest.raises(ValueError, match=r"has no folder 'ReCoRD'; is 'Record' it\?"):
        read_records(tmp_path, "record", "dev")
    with pytest.raises(ValueError, match="has no folder 'COPA'; put the publisher's there"):
        read_records(tmp_path, "copa", "dev")
    with pytest.raises(ValueError, match="nowhere: is not a folder; give the one that holds RTE"):
        read_records(tmp_path / "nowhere", "rte", "dev")

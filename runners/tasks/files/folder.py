"""One split of one published task, from a local copy of its benchmark."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from runners.tasks.files import glue_folder, superglue_folder
from runners.tasks.files.squad_file import read_mrqa_folder, read_squad_folder
from runners.tasks.task import Split

_READERS: Mapping[str, Callable[[Path, str, Split], list[dict[str, Any]]]] = {
    "superglue": superglue_folder.read_records,
    "glue": glue_folder.read_records,
    "squad": read_squad_folder,
    "mrqa": read_mrqa_folder,
}


def read_folder(benchmark: str, root: Path, task: str, split: Split) -> list[dict[str, Any]]:
    """The records of one split in the order of the publisher's file.

    Raises ValueError where folder or file are missing or of another form.
    """
    return _READERS[benchmark](root, task, split)

"""The records of one split of any task that a trial can name."""

from collections.abc import Sequence
from typing import Any

from runners.catalogue import MICROWORLD, DataPlace
from runners.data.hub import read_hub
from runners.microworld import records as microworld
from runners.tasks.files.folder import read_folder
from runners.tasks.own import OwnTask
from runners.tasks.task import Split


def read_records(
    source: str, task: str, split: Split, origin: OwnTask | DataPlace
) -> tuple[Sequence[dict[str, Any]], str | None]:
    """The records in their order, and the commit of the hub where they come from there.

    `origin` is the catalogue's word on where the task's files are.
    Raises ValueError where they cannot be had, naming the file or the data set.
    """
    if source == MICROWORLD:
        return microworld.read_split(task, split), None
    if isinstance(origin, OwnTask):
        return origin.records(split), None
    if origin.folder is not None:
        return read_folder(source, origin.folder, task, split), None
    return read_hub(task, split, origin.revision)

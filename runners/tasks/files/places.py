"""Where a publisher's files lie below a folder, and what is said where they do not."""

from collections.abc import Mapping
from pathlib import Path

from runners.rules import nearest
from runners.tasks.task import Split


def task_folder(root: Path, name: str) -> Path:
    """The folder of one task; raises ValueError with the nearest name where there is none."""
    folder = root / name
    if folder.is_dir():
        return folder
    if not root.is_dir():
        raise ValueError(f"{root}: is not a folder; give the one that holds {name}")
    near = nearest(name, [each.name for each in root.iterdir() if each.is_dir()])
    remedy = f"is {near!r} it? The name has to be exact" if near else "put the publisher's there"
    raise ValueError(f"{root}: has no folder {name!r}; {remedy}")


def split_file(folder: Path, files: Mapping[Split, str], task: str, split: Split) -> Path:
    """The file of one split; raises ValueError naming what the folder holds in its place."""
    path = folder / files[split]
    if path.is_file():
        return path
    held = sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []
    there = ", ".join(held) or "nothing"
    raise ValueError(
        f"{task}: the {split} split {path} does not exist, the folder holds {there}; "
        f"put the publisher's {path.name} there"
    )

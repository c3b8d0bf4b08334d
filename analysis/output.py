"""Where the files of a command go, checked before anything is computed."""

from pathlib import Path

FOLDER = Path("results/figures")
"""Where the files of a sweep go, in a folder of its name, unless `--out` says otherwise."""


def folder_for(out: str | None, name: str) -> Path:
    """The folder that `--out` names, or that of the sweep `name`; it need not be there.

    Raises ValueError where a file stands in its way.
    """
    folder = FOLDER / name if out is None else Path(out)
    check(folder)
    return folder


def check(folder: Path) -> None:
    """Raises ValueError where `folder`, or a folder above it, is a file."""
    for path in (folder, *folder.parents):
        if path.exists() and not path.is_dir():
            raise ValueError(
                f"--out {folder}: {path} is a file; give a folder in a place of its own"
            )

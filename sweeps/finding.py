"""What a doctor says of one thing, and his look at a store, which nodes take too."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runners.storage.files import open_files
from runners.storage.layout import new_name

Verdict = Literal["good", "concern", "bad"]
PROBE = b"promptscale doctor"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at, how it is, and what to do where it is not good."""

    subject: str
    verdict: Verdict
    said: str


def store_finding(root: str) -> Finding:
    """Whether files can be made in a store in one atomic step, read again, and removed.

    A folder that is made for it goes again.
    """
    files, name = open_files(root), probe_name()
    absent = [path for path in (Path(root), *Path(root).parents) if not path.exists()]
    try:
        made = files.create(name, PROBE)
        told = files.read(name)
        files.remove(name)
        for path in absent if "://" not in root else ():
            if not any(path.iterdir()):
                path.rmdir()
    except (OSError, ValueError) as error:
        said = f"{root} cannot be written ({error}); name another in execution.store"
        return Finding(subject="store", verdict="bad", said=said)
    if not made or told != PROBE:
        said = f"{root} gives back other bytes than were written; name another folder"
        return Finding(subject="store", verdict="bad", said=said)
    said = f"{files.root} can be written, in atomic steps"
    return Finding(subject="store", verdict="good", said=said)


def probe_name() -> str:
    """A name for a file that is written to be looked at, and removed."""
    return f"doctor-{new_name()}"

"""A checkout's code as a list of files, to hold one machine's against another's.

Only the standard library is needed: a checkout is looked at before its environment is.
"""

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The checkout of this file."""
PACKAGES = ("runners", "ablation", "sweeps", "analysis")
"""What a sweep runs is in these, and in nothing else of the checkout."""

DATA = ("runners/model/families", "runners/microworld/ladder")
"""And what is in these decides results too: model families, and the models that are shipped."""

Listing = Mapping[str, str]
"""SHA-256 in hex by path, relative to the checkout."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How the code here differs from the code that was submitted."""

    changed: tuple[str, ...]
    missing: tuple[str, ...]

    def __str__(self) -> str:
        parts = {"other": self.changed, "missing": self.missing}
        return "; ".join(f"{what}: {_some(paths)}" for what, paths in parts.items() if paths)

    def __bool__(self) -> bool:
        return bool(self.changed or self.missing)


def listing(root: Path, spec: str) -> dict[str, str]:
    """Every file of a checkout that decides results, and the spec that is to run."""
    return _hashes(root) | {spec: _sha256(root / spec)}


@functools.cache
def listing_here() -> Listing:
    """The files that decide results in this process's checkout."""
    return _hashes(ROOT)


@functools.cache
def fingerprint() -> str:
    """16 hex digits of SHA-256 over every file of this checkout that decides results."""
    lines = "".join(f"{path} {sha}\n" for path, sha in listing_here().items())
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def remove_strays(root: Path, submitted: Listing) -> list[str]:
    """Take away what was not submitted, which a sync leaves lying; returns which.

    They would count into the fingerprint of the code, and could be imported.
    """
    strays = sorted(_sources(root) - set(submitted))
    for path in strays:
        (root / path).unlink()
    return strays


def compare(root: Path, submitted: Listing) -> Difference:
    """What is not in `root` as it was submitted."""
    missing = [path for path in submitted if not (root / path).is_file()]
    there = {path: sha for path, sha in submitted.items() if path not in missing}
    changed = [path for path, sha in there.items() if _sha256(root / path) != sha]
    return Difference(changed=tuple(changed), missing=tuple(missing))


def _hashes(root: Path) -> dict[str, str]:
    return {path: _sha256(root / path) for path in sorted(_sources(root))}


def _sources(root: Path) -> set[str]:
    found = [path for package in PACKAGES for path in (root / package).rglob("*.py")]
    found += [path for folder in DATA for path in (root / folder).rglob("*") if path.is_file()]
    return {path.relative_to(root).as_posix() for path in found}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _some(paths: tuple[str, ...], most: int = 5) -> str:
    more = f" and {len(paths) - most} more" if len(paths) > most else ""
    return f"{', '.join(paths[:most])}{more}"

"""Where a number comes from: fingerprints of code, data and checkpoint, versions, and time."""

import functools
import hashlib
import platform
import socket
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1]
"""The runners package, whose sources decide every number."""
AFTERWARDS = ("ensemble.py", "serving")
"""What in it uses results and makes none; a contract of imports holds the rest to that."""


@functools.cache
def code_fingerprint() -> str:
    """16 hex digits of SHA-256 over the sources of the runners package that decide a number."""
    sources = sorted(PACKAGE.rglob("*.py"))
    return _fingerprint(s for s in sources if s.relative_to(PACKAGE).parts[0] not in AFTERWARDS)


def _fingerprint(sources: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.relative_to(PACKAGE).as_posix().encode())
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


@functools.cache
def surroundings() -> dict[str, Any]:
    """Code fingerprint, versions and host of this process."""
    return {
        "code": code_fingerprint(),
        "versions": {
            "python": platform.python_version(),
            "torch": version("torch"),
            "transformers": version("transformers"),
        },
        "host": socket.gethostname(),
    }

"""What is no trial's fault and would end them all: a full disk, a store that is away.

It is known by its error and told as what it is, and the sweep stops. What was committed
stays.
"""

import contextlib
import errno
from collections.abc import Iterator

from runners.storage.patience import AwayError

DISK_FULL, STORE_AWAY = "disk_full", "store_away"
OUTAGES = (DISK_FULL, STORE_AWAY)
"""What a `sweeps.failures.Loss` calls them."""
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_OF_RUST = f"(os error {errno.ENOSPC})"
"""How safetensors, which is written in Rust, says it."""
_SAID = {DISK_FULL: "a disk is full", STORE_AWAY: "does not answer"}
_REMEDY = {DISK_FULL: "make room", STORE_AWAY: "see to it"}


class OutageError(RuntimeError):
    """A sweep that was stopped, for nothing more can be written or read."""

    def __init__(self, root: str, kind: str, said: str) -> None:
        super().__init__(
            f"store {root}: {_SAID[kind]} ({said}); nothing that was committed is lost; "
            f"{_REMEDY[kind]}, and run it again"
        )


class LowMemoryError(RuntimeError):
    """A sweep that was stopped, for Ray ended a worker of a node whose memory was full."""

    def __init__(self, said: str) -> None:
        super().__init__(
            f"Ray has ended a worker to free memory ({' '.join(said.split())[:300]}); nothing that "
            "was committed is lost; give the nodes fewer workers (--workers), or start Ray with "
            "RAY_memory_monitor_refresh_ms=0 on them, and run it again"
        )


def kind_of(error: BaseException | None) -> str | None:
    """Which of `OUTAGES` an error tells of, or one that it came of; None where neither."""
    while error is not None:
        if isinstance(error, AwayError):
            return STORE_AWAY
        if isinstance(error, OSError) and error.errno in FULL:
            return DISK_FULL
        if _OF_RUST in str(error):
            return DISK_FULL
        error = error.__cause__ or error.__context__
    return None


@contextlib.contextmanager
def explained(root: str) -> Iterator[None]:
    """A block whose errors of a full disk, or of a store that is away, come as `OutageError`."""
    try:
        yield
    except (OSError, ValueError) as error:
        kind = kind_of(error)
        if kind is None:
            raise
        raise OutageError(root, kind, f"{type(error).__name__}: {error}") from error

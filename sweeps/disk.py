"""A disk that is full: known by its error, and told as what it is.

No trial is at fault, and all would fail, so the sweep stops. What was committed stays.
"""

import contextlib
import errno
from collections.abc import Iterator

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_OF_RUST = f"(os error {errno.ENOSPC})"
"""How safetensors, which is written in Rust, says it."""


class FullError(RuntimeError):
    """A sweep that was stopped, for nothing more can be written."""

    def __init__(self, root: str, said: str) -> None:
        super().__init__(
            f"store {root}: a disk is full ({said}); nothing that was committed is lost; "
            "make room, and run it again"
        )


def is_full(error: BaseException | None) -> bool:
    """Whether an error, or one that it came of, says that a disk or a quota is full."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return True
        if _OF_RUST in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextlib.contextmanager
def explained(root: str) -> Iterator[None]:
    """A block whose errors of a full disk come out as `FullError`."""
    try:
        yield
    except (OSError, ValueError) as error:
        if not is_full(error):
            raise
        raise FullError(root, f"{type(error).__name__}: {error}") from error

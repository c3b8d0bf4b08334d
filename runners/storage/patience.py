"""Further tries on a place that is slow to answer, or away for a while.

Network folders and object stores fail now and then and answer a moment later. Every
operation of a place may be asked for again: what it did the first time, if it did, does
no harm. `create` alone then says that something stands, which may be one's own; who
creates looks whose it is.
"""

import errno
import functools
import time
from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

PAUSES = (0.1, 0.3, 1.0, 3.0, 10.0, 20.0, 30.0)
"""Seconds before each further try: a minute in all."""
PASSING = frozenset(
    getattr(errno, name)
    for name in (
        "EIO", "EAGAIN", "EBUSY", "EINTR", "ESTALE", "ETIMEDOUT", "EREMOTEIO", "EPIPE",
        "ECONNRESET", "ECONNABORTED", "ECONNREFUSED", "ENOTCONN", "ESHUTDOWN",
        "ENETDOWN", "ENETUNREACH", "ENETRESET", "EHOSTDOWN", "EHOSTUNREACH",
    )
    if hasattr(errno, name)
)  # fmt: skip
"""Errors that pass: of disks and networks, and not of names, rights or room."""

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class Place(Protocol):
    """What has operations that may fail for a while."""

    root: str


_Place = TypeVar("_Place", bound=Place)


class AwayError(OSError):
    """A place that did not answer in all this time."""


def is_passing(error: BaseException) -> bool:
    """Whether an error may be gone at the next try; one that was waited for is not."""
    if isinstance(error, AwayError):
        return False
    return isinstance(error, TimeoutError | ConnectionError) or (
        isinstance(error, OSError) and error.errno in PASSING
    )


def insist(call: Callable[[], _Result], what: str, root: str) -> _Result:
    """What `call` returns, which is tried again for a minute where its error may pass.

    Then AwayError (an OSError) says `what` failed in the place `root`; any other error
    comes at once.
    """
    for pause in PAUSES:
        try:
            return call()
        except OSError as error:
            if not is_passing(error):
                raise
        time.sleep(pause)
    try:
        return call()
    except OSError as error:
        if not is_passing(error):
            raise
        tries = f"failed {len(PAUSES) + 1} times within {sum(PAUSES):.0f} s"
        said = f"{what} {tries}: {type(error).__name__}: {error}"
        raise AwayError(error.errno or errno.EIO, said, root) from error


def patient(
    operation: Callable[Concatenate[_Place, _Arguments], _Result],
) -> Callable[Concatenate[_Place, _Arguments], _Result]:
    """An operation of a place that insists."""

    @functools.wraps(operation)
    def tried(place: _Place, /, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        call = functools.partial(operation, place, *args, **kwargs)
        return insist(call, operation.__name__, place.root)

    return tried

"""Why a pack died, from what Ray says of it."""

from collections.abc import Iterator

import torch
from ray.exceptions import OutOfMemoryError, RayActorError, WorkerCrashedError

_LOST = (RayActorError, WorkerCrashedError)
_MEMORY = (MemoryError, OutOfMemoryError, torch.OutOfMemoryError)


def classify(error: BaseException) -> str:
    """One of `runners.record.FAILURES` for an error of a worker.

    Ray wraps what a worker raised; the chain of causes is followed to the
    first error that says more than that something failed.
    """
    for cause in _chain(error):
        if isinstance(cause, _MEMORY) or "not enough memory" in str(cause):
            return "out_of_memory"
    for cause in _chain(error):
        if isinstance(cause, _LOST):
            return "lost_worker"
    return "code"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = getattr(error, "cause", None) or error.__cause__ or error.__context__

"""Why a pack died, said in a worker and understood in the driver."""

import socket
import traceback
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ray.exceptions import OutOfMemoryError, RayActorError

from runners.config import to_mapping
from runners.record import Failure
from runners.storage.patience import is_passing
from runners.store import Store
from runners.training.provenance import surroundings
from sweeps import outage
from sweeps.outage import OUTAGES
from sweeps.packs import Pack


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Why a pack died: one of `runners.record.FAILURES` or `OUTAGES`, and what was said."""

    kind: str
    message: str
    node: Literal["", "gone", "full"] = ""
    """What its node had to do with it: it went too, or its memory was full."""

    @property
    def may_pass(self) -> bool:
        """Whether another worker may do what this one did not."""
        return self.kind == "lost_worker" or bool(self.node)


LOW_MEMORY = "killed due to the node running low on memory"
"""How Ray says that it has ended a worker, to free memory."""
NODE_DIED = "its node has died"
"""And that a worker ended with its node."""


class PackError(Exception):
    """What went wrong in a worker: a class of failure and the words.

    Errors travel as this one: one that the driver cannot rebuild from its
    pickle would end the whole sweep (Tune takes it for an error of its own).
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(kind, message)
        self.loss = Loss(kind=kind, message=message)


class Explained:
    """A block that raises each of its errors as a `PackError`."""

    def __enter__(self) -> None:
        """Nothing."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Raise what went wrong in words; the traceback is among them where code is at fault."""
        if isinstance(error, Exception) and not isinstance(error, PackError):
            kind, message = _kind(error), f"{type(error).__name__}: {error}"
            if kind in OUTAGES:
                message += f" on {socket.gethostname()}"
            trace = "".join(traceback.format_exception(error)) if kind == "code" else ""
            raise PackError(kind, f"{message}\n\n{trace}".rstrip()) from error


def loss_of(error: BaseException) -> Loss:
    """What the driver is told by Ray of a worker's end."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, PackError):
        return cause.loss
    if isinstance(error, RayActorError):
        gone = error.preempted or NODE_DIED in str(error)
        return Loss(kind="lost_worker", message=_of_an_actor(error), node="gone" if gone else "")
    if isinstance(error, OutOfMemoryError):
        return Loss(kind="out_of_memory", message=str(error), node="full")
    return Loss(kind="code", message=str(error))


def _of_an_actor(error: RayActorError) -> str:
    """Ray's words of a worker that died, why before who: tables show the first of them only."""
    lines = str(error).splitlines()
    return "\n".join(sorted(lines, key=lambda line: line.startswith("\t")))


def loss_of_text(said: str) -> Loss:
    """What the driver is told of a worker that did not come up: words alone."""
    if LOW_MEMORY in said:
        return Loss(kind="out_of_memory", message=said, node="full")
    return Loss(kind="code", message=said)


def record(store: Store, pack: Pack, loss: Loss) -> None:
    """Record a pack that is given up as a failure of each trial, or adaptation, it still owed."""
    for subject, config in _owed(store, pack).items():
        attempt = store.begin(subject)
        failure = Failure(
            trial_id=subject,
            attempt=attempt.id,
            kind=loss.kind,
            message=loss.message,
            config=config,
            provenance=surroundings(),
        )
        store.fail(failure)
        attempt.abandon()


def _owed(store: Store, pack: Pack) -> dict[str, dict[str, Any]]:
    run = pack.adaptation
    if run is None:
        return {c.trial_id: to_mapping(c) for c in pack.trials if store.get(c.trial_id) is None}
    missing = any(store.get(milestone) is None for milestone in pack.milestone_ids)
    return {run.run_id: asdict(run)} if missing else {}


def _kind(error: Exception) -> str:
    if (kind := outage.kind_of(error)) is not None:
        return kind
    # Only workers need torch, which they have loaded by now.
    from runners.training.memory import is_out_of_memory
    from runners.training.ranks import misses_another
    from runners.training.trial import Diverged

    if isinstance(error, Diverged):
        return "diverged"
    if is_out_of_memory(error):
        return "out_of_memory"
    # A disk that stumbles while a worker writes is as good as a worker that is lost, and who
    # watches over ranks may ask one that has just died.
    if isinstance(error, RayActorError) or misses_another(error) or is_passing(error):
        return "lost_worker"
    return "code"

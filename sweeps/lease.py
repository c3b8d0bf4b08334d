"""One driver at a time for each store: who drives gives signs of life, and who is dead is replaced.

A driver takes the lease of its store before it starts anything, and renews it as
long as it lives. A second one is refused. A lease whose driver gives no sign of
life is taken over: at once where the process can be looked for on this machine, else
when it was watched for `STALE_SECONDS` (by the watcher's own clock, for clocks of two
machines differ). A driver that was given up and lives after all, such as one behind a
network partition, finds a later generation and stops. What two drivers may have run
twice in between is discarded by the store's rule: the first commit wins.
"""

import json
import os
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runners.storage.leases import Leases
from runners.store import Store

BEAT_SECONDS = 10.0
"""A driver renews its lease so often."""
STALE_SECONDS = 60.0
"""A driver of which nothing was seen for so long is given up; it then had six beats."""
LOOK_SECONDS = 1.0
"""Who waits for a sign of life looks for it so often."""


@dataclass(frozen=True, kw_only=True)
class Holder:
    """The process that drives a store."""

    host: str
    machine: str
    """What sees the same processes: a boot of a machine, and in it a namespace of process ids."""
    pid: int
    started: str
    """Tells the process from a later one of the same number."""
    sweep: str
    since: str
    """When it took the lease, in UTC."""

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, which has run {self.sweep} since {self.since}"

    def is_dead(self) -> bool:
        """Whether it is known to be gone; False where this machine cannot tell."""
        return self.machine == _machine() and self.started != _started(self.pid)


@dataclass(frozen=True, kw_only=True)
class Sign:
    """What a lease says: of whom, how often it was renewed, and whether it was given back."""

    generation: int
    holder: Holder
    beat: int
    released: bool

    def to_json(self) -> bytes:
        """As `sign` reads it."""
        return json.dumps(asdict(self)).encode() + b"\n"


class HeldError(ValueError):
    """A store that another driver works on."""

    def __init__(self, store: Store, holder: Holder) -> None:
        remedy = "wait for it (python -m sweeps status SPEC --wait), or end it first"
        super().__init__(f"store {store.root}: is held by {holder}; {remedy}")


class LostError(RuntimeError):
    """A driver that was given up for dead, and another has taken over."""


def sign(store: Store) -> Sign | None:
    """What the lease of `store` says, or None where no driver ever took it."""
    return _sign(store.leases())


def _sign(leases: Leases) -> Sign | None:
    found = leases.latest()
    if found is None:
        return None
    values: dict[str, Any] = json.loads(found[1])
    return Sign(**{**values, "generation": found[0], "holder": Holder(**values["holder"])})


@dataclass(kw_only=True)
class Lease:
    """The lease that this process holds, from `take` until it leaves the `with` block."""

    _leases: Leases
    _sign: Sign
    _ended: threading.Event = field(default_factory=threading.Event)
    _lost: bool = False
    _thread: threading.Thread | None = None

    def __enter__(self) -> "Lease":
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._thread is not None
        self._ended.set()
        self._thread.join()
        if not self._lost:
            self._renew(released=True)

    def check(self) -> None:
        """Raises LostError where another driver has taken over."""
        if self._lost:
            raise LostError(
                f"process {os.getpid()} gave no sign of life for so long that another driver has "
                "taken over; it goes on there, and nothing committed is lost"
            )

    def _beat(self) -> None:
        while not self._lost and not self._ended.wait(BEAT_SECONDS):
            self._renew(released=False)

    def _renew(self, *, released: bool) -> None:
        """Write the next sign; a store that is full or away for a while gets the one after."""
        self._sign = Sign(
            generation=self._sign.generation, holder=self._sign.holder,
            beat=self._sign.beat + 1, released=released,
        )  # fmt: skip
        try:
            self._lost = not self._leases.renew(self._sign.generation, self._sign.to_json())
        except OSError as error:
            print(f"\nlease: cannot be renewed ({error})", file=sys.stderr)


def take(store: Store, sweep: str, say: Callable[[str], None] = print) -> Lease:
    """The lease of `store` for a driver of `sweep`, in this process.

    Tells through `say` that it waits, where it has to. Raises `HeldError` (a
    ValueError) where another driver lives.
    """
    leases = store.leases()
    while True:
        found = _sign(leases)
        if found is not None and not found.released and not found.holder.is_dead():
            _outlive(store, found, say)
        mine = Sign(
            generation=found.generation + 1 if found else 1,
            holder=_myself(sweep), beat=0, released=False,
        )  # fmt: skip
        if leases.take(mine.generation, mine.to_json()):
            return Lease(_leases=leases, _sign=mine)


def _outlive(store: Store, seen: Sign, say: Callable[[str], None]) -> None:
    """Watch a driver for signs of life; returns once it is given up, raises where it lives."""
    if seen.holder.machine == _machine():
        raise HeldError(store, seen.holder)
    say(
        f"{store.root} is held by {seen.holder}. Waiting for a sign of life, "
        f"for {STALE_SECONDS:.0f} s at most"
    )
    until = time.monotonic() + STALE_SECONDS
    while time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
        now = _sign(store.leases())
        assert now is not None
        if now.released:
            return
        if (now.generation, now.beat) != (seen.generation, seen.beat):
            raise HeldError(store, now.holder)
    say(f"It gave none, and this driver takes over from {seen.holder.host}")


def _myself(sweep: str) -> Holder:
    return Holder(
        host=socket.gethostname(),
        machine=_machine(),
        pid=os.getpid(),
        started=_started(os.getpid()),
        sweep=sweep,
        since=datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
    )


def _machine() -> str:
    """As `Holder.machine`; containers of one machine have namespaces of their own."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{socket.gethostname()} {boot} {os.readlink('/proc/self/ns/pid')}"
    except FileNotFoundError:  # not Linux
        return f"{socket.gethostname()} {uuid.getnode():x}"


def _started(pid: int) -> str:
    """Tells a living process from others that had its number; empty where there is none."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:  # somebody else's, and alive
        pass
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:  # not Linux, where the number has to do
        return str(pid)
    # proc(5): the name, in brackets, may hold blanks; then the state, and 20th the start.
    state, *rest = stat.rpartition(")")[2].split()
    return "" if state == "Z" else rest[18]

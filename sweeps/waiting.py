"""Waits until nobody drives a sweep any more, for who left it running elsewhere."""

import time

from runners.store import Store
from sweeps import lease
from sweeps.lease import Sign
from sweeps.spec import SweepSpec

POLL_SECONDS = 2.0
"""The lease is looked at so often."""
START_SECONDS = 20.0
"""A driver that was started a moment ago may take so long to show itself."""


def wait(spec: SweepSpec, seconds: float) -> bool:
    """Whether the sweep's driver ended within so many seconds, or there was none.

    A driver that gives no sign of life for `lease.STALE_SECONDS` has ended.
    """
    store = Store(spec.execution.store)
    watch = _Watch(spec.name)
    until = time.monotonic() + seconds
    while watch.is_on(lease.sign(store)):
        left = until - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(POLL_SECONDS, left))
    return True


class _Watch:
    """Follows the lease of one sweep."""

    def __init__(self, sweep: str) -> None:
        self._sweep = sweep
        self._seen: Sign | None = None
        self._moved = time.monotonic()
        self._was_on = False

    def is_on(self, sign: Sign | None) -> bool:
        """Whether somebody drives the sweep, or may be about to."""
        if sign is not None and (sign.released or sign.holder.sweep != self._sweep):
            sign = None
        if sign != self._seen:
            self._seen, self._moved = sign, time.monotonic()
        still = time.monotonic() - self._moved
        if sign is None:
            return not self._was_on and still < START_SECONDS
        self._was_on = True
        return not sign.holder.is_dead() and still < lease.STALE_SECONDS

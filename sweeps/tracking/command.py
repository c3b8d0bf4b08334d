"""`python -m sweeps track`: mirrors a store and says what became of it."""

import sys
import time

from sweeps.spec import SweepSpec
from sweeps.tracking.mirror import mirror
from sweeps.tracking.settings import Tracking
from sweeps.tracking.wandb_runs import Runs, errors

SHOW_SECONDS = 5.0
"""How often a long mirroring says how far it is."""


def track(spec: SweepSpec, tracking: Tracking) -> int:
    """Mirror the store of `spec`; returns 0, or 1 where records could not be read.

    Raises ValueError where W&B refuses, with what was written so far in place.
    """
    runs = Runs(tracking)
    shown = time.monotonic()

    def show(count: int, of: int) -> None:
        nonlocal shown
        if time.monotonic() - shown >= SHOW_SECONDS:
            shown = time.monotonic()
            print(f"{spec.name}: {count:,} of {of:,} runs written", file=sys.stderr, flush=True)

    try:
        found = mirror(spec, runs, show)
    except errors() as error:
        raise ValueError(
            f"W&B: {error}; what was written stays, so mend it and run this again, or write runs "
            "into a folder with --mode offline"
        ) from error
    for defect in found.defects:
        print(f"left out: {defect}", file=sys.stderr)
    waiting = f", {found.open:,} trials have no result yet" if found.open else ""
    print(f"{spec.name}: {found.written:,} runs written, {found.kept:,} were there{waiting}")
    print(_where(runs))
    return 1 if found.defects else 0


def _where(runs: Runs) -> str:
    project = "/".join(part for part in (runs.tracking.entity, runs.tracking.project) if part)
    if runs.mode == "online":
        return f"online, in project {project}"
    folder = runs.root / "wandb"
    return f"offline, in {folder}; with a key, `wandb sync {folder}/offline-run-*` sends them"

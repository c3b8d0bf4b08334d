"""The command `compare`: what agrees with the paper, and a failure where claims must hold."""

import math
import sys
from pathlib import Path

import pandas as pd

from analysis.compare import (
    TOLERANCE,
    beside_digitised,
    broken,
    comparison,
    must_hold,
)
from analysis.digitised import read_digitised
from analysis.findings import Findings, find
from analysis.frame import Trials, load_trials
from analysis.output import folder_for
from analysis.report import counted, is_whole
from analysis.source import Sweep, open_sweep
from analysis.tables.claims import Claim

FAILED = 3
"""The exit code where a claim fails that the spec says must hold."""


def compare(
    where: str, spec: str | None, out: str | None, tolerance: float | None, digitised: str | None
) -> int:
    """Write `compare.csv`, print it with the claims, and return the exit code.

    A digitised figure comes into `compare_digitised.csv`; points that nothing here stands
    beside are told.

    Raises ValueError where the sweep or the digitised file cannot be read, or the tolerance
    is none.
    """
    allowed = TOLERANCE if tolerance is None else tolerance
    if not (math.isfinite(allowed) and allowed >= 0):
        raise ValueError(f"--tolerance {allowed:g}: is not 0 or more; give points of a score")
    reading = None if digitised is None else read_digitised(Path(digitised))
    sweep = open_sweep(where, spec)
    folder = folder_for(out, sweep.manifest.name)
    trials = load_trials(sweep.manifest, sweep.store)
    found = find(sweep.manifest, trials, sweep.store)
    _tell(sweep, trials)
    table = comparison(found, allowed)
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "compare.csv", index=False, lineterminator="\n")
    print(_published(found, table))
    if reading is not None:
        beside = beside_digitised(found, reading, allowed)
        near = beside.table
        near.to_csv(folder / "compare_digitised.csv", index=False, lineterminator="\n")
        print(near.to_string(index=False) if len(near) else "no digitised point is measured")
        for note in beside.notes:
            print(f"note: {note}")
    for claim in found.claims:
        print(_verdict(claim))
    failures = broken(found, must_hold(found))
    for line in failures:
        print(f"must hold and does not: {line}")
    return FAILED if failures else 0


def _tell(sweep: Sweep, trials: Trials) -> None:
    """On stderr: that a sweep is partial, and which of its records could not be read."""
    if not is_whole(trials):
        print(counted(sweep.manifest, trials), file=sys.stderr)
    for note in (*sweep.notes, *trials.notes):
        print(f"note: {note}", file=sys.stderr)


def _verdict(claim: Claim) -> str:
    if claim.holds is None:
        return f"{claim.name}: is not measured: {claim.effect}"
    answer = "holds" if claim.holds else "fails"
    found = claim.measured
    seeds = f"n = {found.n}"
    if not math.isnan(found.low):
        seeds = f"95% interval {found.low:.1f} to {found.high:.1f}, {seeds}"
    certain = "" if claim.certain is not False else "; the interval does not decide it"
    return f"{claim.name}: {answer}: {claim.effect}, {found.mean:.1f} ({seeds}){certain}"


def _published(found: Findings, table: pd.DataFrame) -> str:
    if table.empty:
        families = ", ".join(sorted(set(found.frame["model_family"])))
        return f"of what is published nothing is measured here (family {families})"
    unverified = int((~table["verified"]).sum())
    lines = [table.drop(columns=["source", "n"]).to_string(index=False)]
    if unverified:
        lines.append(f"{unverified} of these published numbers are unverified")
    return "\n".join(lines)

"""The command `compare`: what agrees with the paper, and a failure where claims must hold."""

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
from analysis.frame import load_trials
from analysis.source import open_sweep

FAILED = 3
"""The exit code where a claim fails that the spec says must hold."""


def compare(
    where: str, spec: str | None, out: str | None, tolerance: float | None, digitised: str | None
) -> int:
    """Write `compare.csv`, print it with the claims, and return the exit code.

    A digitised figure comes into `compare_digitised.csv`; points that nothing here stands
    beside are told.

    Raises ValueError where the sweep or the digitised file cannot be read.
    """
    sweep = open_sweep(where, spec)
    found = find(sweep.manifest, load_trials(sweep.manifest, sweep.store), sweep.store)
    allowed = TOLERANCE if tolerance is None else tolerance
    table = comparison(found, allowed)
    folder = Path(out) if out else Path("results/figures") / sweep.manifest.name
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "compare.csv", index=False, lineterminator="\n")
    print(_published(found, table))
    if digitised is not None:
        beside = beside_digitised(found, read_digitised(Path(digitised)), allowed)
        near = beside.table
        near.to_csv(folder / "compare_digitised.csv", index=False, lineterminator="\n")
        print(near.to_string(index=False) if len(near) else "no digitised point is measured")
        for note in beside.notes:
            print(f"note: {note}")
    for claim in found.claims:
        answer = {True: "holds", False: "fails", None: "is not measured"}[claim.holds]
        print(f"{claim.name}: {answer}: {claim.effect}, {claim.measured.mean:.1f}")
    failures = broken(found, must_hold(found))
    for line in failures:
        print(f"must hold and does not: {line}")
    return FAILED if failures else 0


def _published(found: Findings, table: pd.DataFrame) -> str:
    if table.empty:
        families = ", ".join(sorted(set(found.frame["model_family"])))
        return f"of what is published nothing is measured here (family {families})"
    unverified = int((~table["verified"]).sum())
    lines = [table.drop(columns=["source", "n"]).to_string(index=False)]
    if unverified:
        lines.append(f"{unverified} of these published numbers are unverified")
    return "\n".join(lines)

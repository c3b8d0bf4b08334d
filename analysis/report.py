"""What the command says at its end: the scale curve, what is missing, where the files lie."""

from collections import Counter
from pathlib import Path

import pandas as pd

from ablation.method import AXIS as METHOD
from analysis.draw import Drawing
from analysis.frame import Trials
from analysis.manifest import Manifest
from analysis.source import Sweep
from analysis.tables.every import NOTES
from analysis.tables.tasks import task_table
from analysis.tables.terminal import domain_shift, paraphrase_transfer, scale_curve
from analysis.tables.transfer import transfer_tables

_LISTED = 10


def report(sweep: Sweep, trials: Trials, drawing: Drawing, folder: Path) -> str:
    """The whole of it, as plain text."""
    parts = [counted(sweep.manifest, trials)]
    panel = drawing.panels.get(METHOD.name)
    if panel is not None:
        parts.append(scale_curve(panel))
        parts += _at_chance(panel.sizes[-1], task_table(panel))
    tables = transfer_tables(trials.frame)
    shown = {
        "table_1_domain_shift": domain_shift,
        "table_2_paraphrase_transfer": paraphrase_transfer,
    }
    parts += [show(tables[name]) for name, show in shown.items() if name in tables]
    if drawing.winners:
        parts.append("\n".join(drawing.winners))
    if drawing.claims:
        holding = sum(claim.holds is True for claim in drawing.claims)
        certain = sum(claim.holds is True and claim.certain is True for claim in drawing.claims)
        parts.append(
            f"{holding} of {len(drawing.claims)} claims hold, {certain} of them with the whole "
            f"interval: {folder / 'claims.csv'}"
        )
    parts += _notes(notes_on(sweep, trials, drawing), folder / NOTES)
    drawn = sorted(path.stem for path in drawing.paths if path.suffix == ".png")
    if drawn:
        parts.append(f"figures in {folder} (png, svg, pdf, csv, json): {', '.join(drawn)}")
    else:
        names = ", ".join(sorted(path.name for path in drawing.paths))
        parts.append(f"tables in {folder}: {names}")
    return "\n\n".join(parts)


def counted(manifest: Manifest, trials: Trials) -> str:
    """How many trials are done, in a line."""
    count = Counter(trials.frame["status"])
    planned = len(trials.frame)
    if count["done"] == planned:
        return f"{manifest.name}: all {planned} trials done"
    others = ", ".join(
        f"{number} {status}" for status, number in sorted(count.items()) if status != "done"
    )
    return f"{manifest.name}: partial, {count['done']} of {planned} trials done; {others}"


def is_whole(trials: Trials) -> bool:
    """Whether every trial is done."""
    return bool((trials.frame["status"] == "done").all())


def _at_chance(size: str, tasks: pd.DataFrame) -> list[str]:
    """A line for each method on the tasks at `size` whose interval does not lie above chance."""
    rows = tasks[(tasks["model_size"] == size) & tasks["at_chance"].fillna(False)]
    return [
        f"not surely above chance at {size}, {METHOD.label_of(str(method)).lower()}: "
        f"{', '.join(found['task'])}"
        for method, found in rows.groupby("method", sort=False)
    ]


def notes_on(sweep: Sweep, trials: Trials, drawing: Drawing) -> tuple[str, ...]:
    """What could not be read or drawn, and whatever else a reader should know."""
    return sweep.notes + trials.notes + drawing.notes


def _notes(notes: tuple[str, ...], path: Path) -> list[str]:
    """Every note on its own line; of many, the first and the count of the rest."""
    lines = [f"note: {note}" for note in notes[:_LISTED]]
    if len(notes) > _LISTED:
        lines.append(f"note: and {len(notes) - _LISTED} more, all of them in {path}")
    return ["\n".join(lines)] if lines else []

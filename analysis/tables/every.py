"""Every table of a sweep as a frame, and all of them as files; nothing here draws."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from ablation.method import AXIS as METHOD
from analysis.aggregate import CELL, cell_scores, over_seeds, shared_tasks
from analysis.findings import Findings
from analysis.neighbours import cluster_table, neighbour_table
from analysis.tables.claims import claims_table
from analysis.tables.gaps import gap_table
from analysis.tables.printed import printed_files
from analysis.tables.search import search_rows, search_table, varied, winners
from analysis.tables.tasks import task_table
from analysis.tables.transfer import transfer_tables

NOTES = "notes.txt"
"""The file with every note on a sweep, a line each; empty where there is none."""


def tables_of(found: Findings) -> dict[str, pd.DataFrame]:
    """Every table that can be made, by the name of its CSV; of a search, that of its settings."""
    frame = found.frame
    if found.is_search:
        written = _flat_panels(frame)
        settings = search_table(search_rows(frame))
        return {"search": settings, "trials": written, "missing": _not_done(written)}
    tables = {"trials": _flat_panels(frame)}
    tables["missing"] = _not_done(tables["trials"])
    if METHOD.name in found.panels:
        tables["gaps"] = gap_table(found.panels[METHOD.name])
        tables["tasks"] = task_table(found.panels[METHOD.name])
    if len(found.spreads):
        tables["spreads"] = found.spreads
    tasks = shared_tasks(frame)
    if tasks:
        tables["cells"] = over_seeds(cell_scores(frame[frame["task"].isin(tasks)]))
    tables |= transfer_tables(frame)
    more = {
        "table_3_ensembling": found.ensembles, "table_4_parameters": found.lengths,
        "table_5_runtimes": found.convergence, "neighbours": neighbour_table(frame),
        "prompt_tokens": found.neighbours,
        "prompt_clusters": cluster_table(found.neighbours) if len(found.neighbours) else None,
    }  # fmt: skip
    tables |= {name: table for name, table in more.items() if table is not None and len(table)}
    if found.claims:
        tables["claims"] = claims_table(found.claims)
    return tables


def write_tables(found: Findings, folder: Path) -> list[Path]:
    """Write every table as CSV, and those that are printed as Markdown and LaTeX too."""
    tables = tables_of(found)
    texts = {f"{name}.csv": csv_of(table) for name, table in tables.items()}
    texts |= {name: text.encode() for name, text in printed_files(tables).items()}
    for name, text in texts.items():
        (folder / name).write_bytes(text)
    return [folder / name for name in texts]


def write_notes(notes: Iterable[str], folder: Path) -> Path:
    """Write every note into the folder of the tables, in the place of older ones."""
    text = "".join(f"{note}\n" for note in notes)
    path = folder / NOTES
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


def winning_lines(frame: pd.DataFrame) -> list[str]:
    """Of a search, a line for the best setting of each method."""
    rows = search_rows(frame)
    return winners(search_table(rows), varied(rows))


def _flat_panels(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(panels=frame["panels"].map(lambda names: " ".join(sorted(names))))


def _not_done(frame: pd.DataFrame) -> pd.DataFrame:
    what = ["trial_id", "status", "failure", "message", "panels"]
    return frame.loc[frame["status"] != "done", [*what, *CELL, "task", "seed"]]


def csv_of(table: pd.DataFrame) -> bytes:
    """The table as the bytes of its CSV."""
    return table.to_csv(index=False, float_format="%.10g", lineterminator="\n").encode()

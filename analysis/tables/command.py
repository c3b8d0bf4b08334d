"""The tables of a sweep on the terminal, or into a folder, without a figure being drawn."""

import sys

from analysis.findings import Findings, find
from analysis.frame import load_trials
from analysis.output import folder_for
from analysis.report import counted, is_whole
from analysis.source import open_sweep
from analysis.tables.every import tables_of, winning_lines, write_notes, write_tables
from analysis.tables.printed import latex, markdown, printed_tables


def tables(where: str, spec: str | None, out: str | None, *, as_latex: bool) -> None:
    """Print the tables of a sweep in Markdown, or write all of them as files into `out`.

    Raises ValueError where the store or the manifest is missing, or there is no table.
    """
    sweep = open_sweep(where, spec)
    folder = folder_for(out, sweep.manifest.name)
    trials = load_trials(sweep.manifest, sweep.store)
    found = find(sweep.manifest, trials, sweep.store)
    notes = (*sweep.notes, *trials.notes, *found.notes)
    if not is_whole(trials):
        print(counted(sweep.manifest, trials), file=sys.stderr)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    if out is None:
        print(_printed(found, as_latex=as_latex))
        return
    folder.mkdir(parents=True, exist_ok=True)
    paths = [*write_tables(found, folder), write_notes(notes, folder)]
    names = sorted(path.name for path in paths)
    print(f"tables in {folder}: {', '.join(names)}")


def _printed(found: Findings, *, as_latex: bool) -> str:
    if found.is_search:
        return "\n".join(winning_lines(found.frame))
    form = latex if as_latex else markdown
    return "\n".join(form(table) for table in printed_tables(tables_of(found))).rstrip()

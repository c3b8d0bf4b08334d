"""Figures and tables that the page does not make itself, as `python -m analysis figures` does."""

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass

from analysis.draw import pictures
from analysis.findings import UNPLANNED, Findings, find
from analysis.frame import Trials
from analysis.source import Sweep
from analysis.style import paper
from analysis.tables.every import tables_of
from analysis.tables.printed import Printed, printed_tables

_TITLES = {
    "figure_4_parameters": "Parameters that a task takes",
    "figure_robustness": "Robustness to settings, by size",
    "figure_runtime": "Runtime until convergence",
    "figure_curves": "Training curves",
    "figure_vocabulary": "Distance of prompts to the vocabulary, while they train",
    "figure_3_marginal": "Figure 3 as marginals: each setting averaged over all others",
    "figure_interactions_slice": "Interactions of two axes, the third at its default",
    "figure_interactions_marginal": "Interactions of two axes, the third averaged over",
}
"""What the page shows beside its own figures, by the name of the file, and what it is."""
_TABLES = (
    "table_3_ensembling", "table_4_parameters", "table_5_runtimes", "neighbours",
    "prompt_clusters",
)  # fmt: skip
"""The tables beside its own."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure as the address of an SVG that is in the address itself."""

    name: str
    title: str
    address: str


@dataclass(frozen=True, kw_only=True)
class Further:
    """What the page has beside its own figures and tables."""

    pictures: tuple[Picture, ...] = ()
    tables: tuple[Printed, ...] = ()


def further(sweep: Sweep, trials: Trials, notes: list[str]) -> Further:
    """The further figures and tables that the trials allow; a note where they allow none."""
    try:
        found = find(sweep.manifest, trials, sweep.store)
    except ValueError as error:
        notes.append(f"further figures are not drawn: {str(error).splitlines()[0]}")
        return Further()
    if found.is_search:
        return Further()
    # The page shows what is planned; that a figure is not planned is nothing that it lacks.
    told = (note for note in found.notes if not note.endswith(UNPLANNED))
    notes += [note for note in told if note not in notes]
    printed = printed_tables(tables_of(found))
    return Further(
        pictures=tuple(_drawn(found)),
        tables=tuple(table for table in printed if table.name in _TABLES),
    )


def _drawn(found: Findings) -> Iterator[Picture]:
    with paper():
        for picture in pictures(found):
            if picture.stem in _TITLES:
                file = io.BytesIO()
                picture.figure.savefig(file, format="svg", metadata={"Date": None})
                data = base64.b64encode(file.getvalue()).decode()
                yield Picture(
                    name=picture.stem,
                    title=_TITLES[picture.stem],
                    address=f"data:image/svg+xml;base64,{data}",
                )

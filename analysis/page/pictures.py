"""Figures and tables that the page does not make itself, as `python -m analysis figures` does."""

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass

from analysis import draw
from analysis.findings import UNPLANNED, Findings, Panels, find
from analysis.frame import Trials
from analysis.source import Sweep
from analysis.style import paper
from analysis.tables.claims import Claim
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
    "prompt_tokens", "prompt_clusters",
)  # fmt: skip
"""The tables beside its own."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure under the name of its file, which is drawn when its address is asked for."""

    figure: draw.Picture

    @property
    def name(self) -> str:
        """The name of its file, without an ending."""
        return self.figure.stem

    @property
    def title(self) -> str:
        """What stands over it."""
        return _TITLES[self.name]

    @property
    def address(self) -> str:
        """An address that is an SVG itself, drawn each time."""
        file = io.BytesIO()
        with paper():
            self.figure.draw().savefig(file, format="svg", metadata={"Date": None})
        return f"data:image/svg+xml;base64,{base64.b64encode(file.getvalue()).decode()}"


@dataclass(frozen=True, kw_only=True)
class Further:
    """What the page has beside its own figures and tables."""

    pictures: tuple[Picture, ...] = ()
    tables: tuple[Printed, ...] = ()
    claims: tuple[Claim, ...] = ()
    """Every claim, those on votes too; none where nothing can be drawn."""


def further(sweep: Sweep, trials: Trials, drawable: Panels, notes: list[str]) -> Further:
    """The further figures and tables that the trials allow; a note where they allow none."""
    try:
        found = find(sweep.manifest, trials, sweep.store, drawable=drawable)
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
        pictures=tuple(_shown(found)),
        tables=tuple(table for table in printed if table.name in _TABLES),
        claims=found.claims,
    )


def _shown(found: Findings) -> Iterator[Picture]:
    return (Picture(figure=each) for each in draw.pictures(found) if each.stem in _TITLES)

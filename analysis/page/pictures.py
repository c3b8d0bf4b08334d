"""Figures and tables that `study_of` does not make, in groups, with charts that the page draws."""

from collections.abc import Iterator
from dataclasses import dataclass

from analysis import draw
from analysis.figures.heat import HeatMaps
from analysis.findings import UNPLANNED, Findings, Panels, find
from analysis.frame import Trials
from analysis.page.chart import score_range
from analysis.page.plots import numbers_of, plots_of
from analysis.page.sections import Figure, Finding, figure_of, finding
from analysis.source import Sweep
from analysis.tables.every import tables_of
from analysis.tables.printed import Printed, printed_tables
from analysis.trial_files import Read, read_lines

_MARGINALS = "figure_3_marginal"
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
class Group:
    """A figure of `python -m analysis figures` under the name of its file: charts, or heat maps."""

    name: str
    title: str
    figures: tuple[Figure, ...] = ()
    heats: HeatMaps | None = None


@dataclass(frozen=True, kw_only=True)
class Further:
    """What the page has beside its own figures and tables."""

    groups: tuple[Group, ...] = ()
    tables: tuple[Printed, ...] = ()
    findings: tuple[Finding, ...] = ()
    """Every claim of the paper; none where nothing can be drawn."""


def further(
    sweep: Sweep, trials: Trials, drawable: Panels, notes: list[str], read: Read = read_lines
) -> Further:
    """The further figures and tables that the trials allow; a note where they allow none."""
    try:
        found = find(sweep.manifest, trials, sweep.store, drawable=drawable, read=read)
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
        groups=tuple(_groups(found)),
        tables=tuple(table for table in printed if table.name in _TABLES),
        findings=tuple(map(finding, found.claims)),
    )


def _groups(found: Findings) -> Iterator[Group]:
    if found.marginals:
        scores = score_range([*found.panels.values(), *found.marginals.values()])
        figures = [figure_of(found.manifest, each, scores) for each in found.marginals.values()]
        yield Group(name=_MARGINALS, title=_TITLES[_MARGINALS], figures=tuple(figures))
    for picture in draw.pictures(found):
        if picture.heats:
            yield Group(name=picture.stem, title=_TITLES[picture.stem], heats=picture.heats)
        elif picture.charts:
            yield _charts(picture)


def _charts(picture: draw.Picture) -> Group:
    charts = zip(picture.charts, plots_of(picture.charts), strict=True)
    return Group(
        name=picture.stem, title=_TITLES[picture.stem],
        figures=tuple(
            Figure(
                name=f"{picture.stem}-{place}", title=chart.y_label, question=chart.title,
                chart=plot, made_of=chart.note, partial=chart.alert, table=numbers_of(chart),
            )
            for place, (chart, plot) in enumerate(charts, 1)
        ),
    )  # fmt: skip

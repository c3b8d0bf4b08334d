"""The words, tables and numbers of a page, from the frame of its sweep."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from ablation.axis import Axis, Value
from ablation.method import AXIS as METHOD
from ablation.search import DESIGN
from ablation.settings import STUDIED
from ablation.task import AXIS as TASK
from analysis.figures import scale
from analysis.figures.notes import BEST_POINT, all_named, marks_of, not_made_of, reading_of
from analysis.findings import UNPLANNED, Panels
from analysis.frame import Trials
from analysis.manifest import Manifest
from analysis.page.chart import Chart, chart_of, score_range
from analysis.panels import Panel
from analysis.style import in_short
from analysis.tables.claims import Claim
from analysis.tables.gaps import gap_table, has_gap
from analysis.tables.printed import NOTHING, interval_words, printed_tables
from analysis.tables.search import search_rows, search_table
from analysis.tables.spreads import spread_table
from analysis.tables.tasks import task_table
from analysis.tables.transfer import transfer_tables


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table in words; `heads` name the columns, the first column names the row."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One chart on the page, under a name of its own; `table` has its numbers."""

    name: str
    title: str
    question: str
    chart: Chart
    made_of: str
    partial: str
    table: Table


@dataclass(frozen=True, kw_only=True)
class PanelFigure(Figure):
    """A panel of the study; its lines are the `values` of an axis."""

    axis: Axis
    values: tuple[Value, ...]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A claim with its effect; `at` are low, mean and high of the interval as percent of a bar."""

    claim: str
    effect: str
    value: str
    rule: str
    holds: str
    certain: bool
    at: tuple[float, float, float] | None


@dataclass(kw_only=True)
class Study:
    """What the panels of the trials say: figures, tables, and what could not be drawn."""

    headline: tuple[str, ...] = ()
    figures: list[PanelFigure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def study_of(manifest: Manifest, trials: Trials, drawable: Panels) -> Study:
    """All that the trials and their panels allow; what they do not allow is a note."""
    study = Study(notes=list(trials.notes))
    if manifest.design == DESIGN:
        study.tables.append(plain_table("Search", search_table(search_rows(trials.frame))))
        return study
    # That a figure is not planned is nothing that the sweep lacks.
    study.notes += [note for note in drawable.notes if not note.endswith(UNPLANNED)]
    panels = drawable.by_axis
    scores = score_range(panels.values())
    study.figures = [figure_of(manifest, panel, scores) for panel in panels.values()]
    study.headline = tuple(_headline(panels.get(METHOD.name)))
    study.tables = list(_tables(trials.frame, panels))
    return study


def figure_of(manifest: Manifest, panel: Panel, scores: tuple[float, float]) -> PanelFigure:
    """A panel as the page draws it, over a range of scores."""
    axis = panel.axis
    default = STUDIED if axis is scale.AXIS else manifest.defaults[axis.name]
    return PanelFigure(
        axis=axis,
        values=panel.values,
        name=axis.name if panel.reading != "marginal" else f"{axis.name}-marginal",
        title="The scale curve" if axis is scale.AXIS else axis.label,
        question=axis.question,
        chart=chart_of(panel, default, scores),
        made_of=f"{marks_of(panel)} Mean over {all_named(panel.tasks)}{reading_of(panel)}. "
        f"{BEST_POINT}",
        partial=" ".join(not_made_of(panel).split()),
        table=_panel_table(panel),
    )


def _panel_table(panel: Panel) -> Table:
    rows = tuple(
        (panel.axis.label_of(row[panel.axis.name]), str(row["model_size"]),
         in_short(row["model_parameters"]) if not pd.isna(row["model_parameters"]) else NOTHING,
         number(row["mean"]), number(row["sd"]), interval_words(row["low"], row["high"]),
         f"{row['n']} of {row['planned_seeds']}")
        for row in panel.table.to_dict("records")
    )  # fmt: skip
    heads = (panel.axis.label, "Size", "Parameters", "Mean", "Sd", "95% interval", "Seeds")
    return Table(title=f"{panel.axis.figure} as numbers", heads=heads, rows=rows)


def _headline(panel: Panel | None) -> Iterator[str]:
    """How far prompt tuning is behind model tuning at both ends of the ladder."""
    if panel is None or not has_gap(panel):
        return
    table = gap_table(panel).dropna(subset=["gap"])
    ends = table if len(table) < 2 else table.iloc[[0, -1]]
    for _, row in ends.iterrows():
        side = "behind" if row["gap"] >= 0 else "ahead of"
        yield f"{abs(row['gap']):.1f} points {side} model tuning at {row['model_size']}"


def _tables(frame: pd.DataFrame, panels: Mapping[str, Panel]) -> Iterator[Table]:
    panel = panels.get(METHOD.name)
    if panel is not None:
        if has_gap(panel):
            yield _gaps(panel)
        yield _tasks(panel)
    ablated = [each for name, each in panels.items() if name != METHOD.name]
    if ablated:
        yield _spreads(ablated)
    for told in printed_tables(transfer_tables(frame)):
        yield Table(title=told.title, heads=told.heads, rows=told.rows, note=told.note)


def _gaps(panel: Panel) -> Table:
    rows = tuple(
        (str(row["model_size"]), number(row["model_tuning_mean"]),
         number(row["prompt_tuning_mean"]), number(row["gap"]),
         interval_words(row["gap_low"], row["gap_high"]), f"{row['gap_n']:g}")
        for row in gap_table(panel).to_dict("records")
    )  # fmt: skip
    heads = ("Size", "Model tuning", "Prompt tuning", "Gap", "95% interval", "Seeds")
    return Table(title="The gap at each size", heads=heads, rows=rows, note="Paired by seed.")


def _tasks(panel: Panel) -> Table:
    """Tasks as rows, sizes and methods as columns."""
    table = task_table(panel)
    columns = [(size, str(m)) for size in panel.sizes for m in panel.values]
    means = {(r["task"], r["model_size"], r["method"]): r for r in table.to_dict("records")}
    rows = []
    for task in panel.tasks:
        found = [means.get((task, *column)) for column in columns]
        levels = (row["chance"] for row in found if row)
        chance = next((number(level) for level in levels if not pd.isna(level)), NOTHING)
        rows.append((TASK.label_of(task), chance, *(_task_score(row) for row in found)))
    heads = [f"{size} {METHOD.label_of(method).lower()}" for size, method in columns]
    note = (
        "Means over seeds, (n of m) where seeds are missing; ° is a mean whose 95% interval does "
        "not lie above chance."
    )
    return Table(
        title="Every task", heads=("Task", "Chance", *heads), rows=tuple(rows), note=note
    )  # fmt: skip


def _task_score(row: Mapping[Any, Any] | None) -> str:
    if row is None:
        return NOTHING
    at_chance = row["at_chance"]
    mark = "°" if not pd.isna(at_chance) and at_chance else ""
    some = row["n"] < row["planned_seeds"]
    return number(row["mean"]) + mark + (f" ({row['n']} of {row['planned_seeds']})" if some else "")


def _spreads(panels: Sequence[Panel]) -> Table:
    labels = {panel.axis.name: panel.axis.label for panel in panels}
    rows = tuple(
        (labels[row["axis"]], str(row["model_size"]), number(row["mean"]),
         interval_words(row["low"], row["high"]), f"{row['n']}")
        for row in spread_table(panels).to_dict("records")
    )  # fmt: skip
    heads = ("Axis", "Size", "Best less worst", "95% interval", "Seeds")
    return Table(title="How much each axis matters", heads=heads, rows=rows)


def plain_table(title: str, table: pd.DataFrame) -> Table:
    """A frame as it is, its numbers rounded."""
    return Table(
        title=title,
        heads=tuple(str(name).replace("_", " ") for name in table.columns),
        rows=tuple(tuple(map(_cell, row)) for row in table.itertuples(index=False)),
    )


def finding(claim: Claim) -> Finding:
    """A claim as the page tells it."""
    found = claim.measured
    answer = {True: "holds", False: "does not hold", None: "unknown"}[claim.holds]
    value = "not measured, wanted" if claim.holds is None else number(found.mean)
    if found.n > 1:
        value += f" [{found.low:.1f}, {found.high:.1f}]"
    return Finding(
        claim=claim.claim, effect=claim.effect, value=value, rule=f"{claim.rule} {claim.bound:g}",
        holds=answer, certain=claim.certain is True,
        at=_bar(found.low, found.mean, found.high, claim.bound),
    )  # fmt: skip


def _bar(low: float, mean: float, high: float, bound: float) -> tuple[float, float, float] | None:
    """Places in percent on a bar whose middle is the bound; what lies beyond is cut off."""
    if math.isnan(low):
        return None
    reach = max(abs(mean - bound) * 2, 10.0)
    low, mean, high = (50 + 50 * (value - bound) / reach for value in (low, mean, high))
    return round(max(0.0, low), 1), round(mean, 1), round(min(100.0, high), 1)


def number(value: Any) -> str:
    """One decimal, or a dash where there is no number."""
    return NOTHING if pd.isna(value) else f"{value:.1f}"


def _cell(value: Any) -> str:
    if pd.isna(value):
        return NOTHING
    return f"{value:.3g}" if isinstance(value, float) else str(value)

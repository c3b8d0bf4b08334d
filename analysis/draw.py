"""Every figure and table of a sweep, from its findings into a folder."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from ablation import prompt_length
from ablation.settings import STUDIED
from analysis.convergence import timed_trials
from analysis.figures import ablations, scale
from analysis.figures.chart import Chart, chart_sheet
from analysis.figures.charts import (
    convergence_charts,
    curve_charts,
    distance_charts,
    parameter_charts,
    robustness_chart,
)
from analysis.figures.heat import HeatMaps, heat_maps, heat_sheet
from analysis.figures.lines import Caption
from analysis.figures.notes import partial
from analysis.figures.saving import save_figure
from analysis.figures.sheet import sheet
from analysis.findings import Findings, Interactions
from analysis.marginals import CROSSED, crossed_trials
from analysis.neighbours import distance_trials
from analysis.overlays import Overlay, rows_of, settings_of
from analysis.panels import Panel
from analysis.provenance import provenance_of
from analysis.style import paper
from analysis.tables.claims import Claim
from analysis.tables.every import csv_of, winning_lines, write_tables


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """What was drawn: panels by axis name, claims, every file, and notes on what was not."""

    panels: Mapping[str, Panel]
    claims: tuple[Claim, ...]
    paths: tuple[Path, ...]
    notes: tuple[str, ...]
    winners: tuple[str, ...] = ()
    """Of a search, a line for the best setting of each method."""


def draw_sweep(found: Findings, folder: Path) -> Drawing:
    """Draw all that was found into `folder`, which is made where it is missing.

    A search has a table and no figures.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if found.is_search:
        paths = tuple(write_tables(found, folder))
        best = tuple(winning_lines(found.frame))
        return Drawing(panels={}, claims=(), paths=paths, notes=(), winners=best)
    with paper():
        figures = [path for picture in pictures(found) for path in _save(picture, found, folder)]
    paths = (*figures, *write_tables(found, folder))
    notes = (*found.notes, *_left_over(folder, paths))
    return Drawing(panels=found.panels, claims=found.claims, paths=paths, notes=notes)


def _left_over(folder: Path, paths: Sequence[Path]) -> Iterator[str]:
    """A note on figures and tables in the folder that an earlier drawing has left there."""
    drawn = {path.name for path in paths}
    others = {
        path.stem for path in folder.iterdir()
        if path.name.startswith(("figure_", "table_")) and path.name not in drawn
    }  # fmt: skip
    if others:
        yield (
            f"{', '.join(sorted(others))}: in {folder} from an earlier drawing, and not of this "
            "one; remove what is no longer wanted"
        )


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure that can be drawn, the table that it shows, and the trials that it rests on."""

    stem: str
    draw: Callable[[], Figure]
    """Draws it; call it inside `style.paper()`."""
    table: pd.DataFrame
    trials: pd.DataFrame
    tasks: tuple[str, ...]
    seeds: tuple[int, int]
    settings: Mapping[str, str]
    charts: tuple[Chart, ...] = ()
    """What it is drawn from, where that is charts."""
    heats: HeatMaps | None = None
    """What it is drawn from, where that is heat maps."""


def pictures(found: Findings) -> Iterator[Picture]:
    """Every figure of a sweep that is no search, none of them drawn yet."""
    for panel in (*found.panels.values(), *found.marginals.values()):
        ending = "_marginal" if panel.reading == "marginal" else ""
        stem = f"{_stem(panel.axis.figure)}_{panel.axis.panel}{ending}"
        draw = functools.partial(sheet, [_captioned(found, panel)], columns=1)
        picture = _of_panels(draw, stem, [panel])
        yield _laid_over(picture, found.overlays) if panel.axis is scale.AXIS else picture
    yield from _pages(found)
    yield from (_interaction(found, each) for each in found.interactions)
    yield from _charts(found)


def _laid_over(picture: Picture, overlays: tuple[Overlay, ...]) -> Picture:
    """Figure 1 with the points that are not of the sweep in its table and its provenance."""
    if not overlays:
        return picture
    return replace(
        picture, table=pd.concat([picture.table, rows_of(overlays)], ignore_index=True),
        settings={**picture.settings, **settings_of(overlays)},
    )  # fmt: skip


def _pages(found: Findings) -> Iterator[Picture]:
    """Figure 3 whole, of slices and of marginals, where more than one panel can be drawn."""
    crossed = [axis for axis in ablations.AXES if axis in CROSSED]
    for panels, axes, ending in (
        (found.panels, ablations.AXES, ""), (found.marginals, crossed, "_marginal"),
    ):  # fmt: skip
        there = [panels.get(axis.name) for axis in axes]
        drawn = [panel for panel in there if panel]
        if len(drawn) > 1:
            cells = [_captioned(found, panel) if panel else None for panel in there]
            stem = _stem(drawn[0].axis.figure[:-1]) + ending
            yield _of_panels(functools.partial(sheet, cells, columns=2), stem, drawn)


def _captioned(found: Findings, panel: Panel) -> tuple[Panel, Caption]:
    if panel.axis is scale.AXIS:
        return panel, scale.caption(panel, found.overlays)
    return panel, ablations.caption(panel, found.manifest.defaults)


def _of_panels(draw: Callable[[], Figure], stem: str, panels: list[Panel]) -> Picture:
    counts = [count for panel in panels for count in panel.seeds]
    return Picture(
        stem=stem, draw=draw,
        table=pd.concat([_shown(panel) for panel in panels], ignore_index=True),
        trials=pd.concat([panel.trials for panel in panels]).drop_duplicates("trial_id"),
        tasks=tuple(dict.fromkeys(task for panel in panels for task in panel.tasks)),
        seeds=(min(counts), max(counts)), settings={"reading": panels[0].reading},
    )  # fmt: skip


def _interaction(found: Findings, crossed: Interactions) -> Picture:
    assert found.crossed is not None
    trials = crossed_trials(found.crossed, crossed.reading, found.manifest.defaults)
    table = pd.concat([table for table, _ in crossed.maps], ignore_index=True)
    heats = heat_maps(found.crossed, crossed.maps, crossed.reading, trials)
    return Picture(
        stem=f"figure_interactions_{crossed.reading}",
        draw=functools.partial(heat_sheet, heats), heats=heats,
        table=table, trials=trials, tasks=found.crossed.tasks, seeds=_range(table),
        settings={"reading": crossed.reading},
    )  # fmt: skip


def _of_charts(stem: str, charts: Sequence[Chart], columns: int, **told: Any) -> Picture:
    draw = functools.partial(chart_sheet, charts, columns=columns)
    return Picture(stem=stem, draw=draw, charts=tuple(charts), **told)


def _charts(found: Findings) -> Iterator[Picture]:
    """Figure 4, robustness, runtime, curves and distances, those that there are."""
    frame = found.frame
    if not found.costs.empty:
        charts = parameter_charts(found.costs, found.assumptions, found.cost_family)
        yield _of_charts(
            "figure_4_parameters", charts, 2,
            table=found.costs, trials=frame.iloc[:0], tasks=(), seeds=(0, 0),
            settings={"family": found.cost_family, **found.assumptions.words()},
        )  # fmt: skip
    yield from _spread(found)
    yield from _timed(found)
    yield from _vocabulary(found)


def _spread(found: Findings) -> Iterator[Picture]:
    """Robustness, which rests on the panels of Figure 3 and on every cell that is crossed."""
    placed = found.spreads.dropna(subset=["mean"]) if len(found.spreads) else found.spreads
    if placed.empty:
        return
    ablated = [panel for name, panel in found.panels.items() if name != scale.AXIS.name]
    parts = [panel.trials for panel in ablated]
    tasks = [task for panel in ablated for task in panel.tasks]
    if found.crossed is not None:
        parts.append(found.crossed.trials)
        tasks += found.crossed.tasks
    trials = pd.concat(parts).drop_duplicates("trial_id")
    shown = tuple(dict.fromkeys(tasks))
    chart = robustness_chart(found.spreads, shown, partial(trials))
    yield _of_charts(
        "figure_robustness", [chart], 1,
        table=found.spreads, trials=trials, tasks=shown, seeds=_range(placed), settings={},
    )  # fmt: skip


def _vocabulary(found: Findings) -> Iterator[Picture]:
    """The way of prompts from the vocabulary, where trials have recorded it."""
    if found.distances.empty:
        return
    trials = distance_trials(found.frame)
    tasks = tuple(trials["task"].unique())
    planned = list(dict.fromkeys(trials["model_size"]))
    charts = distance_charts(found.distances, tasks, planned, partial(trials))
    yield _of_charts(
        "figure_vocabulary", charts, 3,
        table=found.distances, trials=trials, tasks=tasks, seeds=_range(found.distances),
        settings={},
    )  # fmt: skip


def _timed(found: Findings) -> Iterator[Picture]:
    frame = found.frame
    scale_trials = frame[frame["panels"].map(lambda panels: "scale" in panels)]
    table = found.convergence
    table = table[table["method"] == STUDIED] if len(table) else table
    if len(table) and table["seconds_mean"].notna().any():
        task = str(table["task"].iloc[0])
        trials = timed_trials(frame, task)
        trials = trials[trials["method"] == STUDIED]
        panel = found.panels.get(prompt_length.AXIS.name)
        known = table["prompt_length"].unique().tolist()
        lengths = panel.values if panel else prompt_length.AXIS.ordered(known)
        default = found.manifest.defaults[prompt_length.AXIS.name]
        charts = convergence_charts(table, lengths, default, partial(trials))
        yield _of_charts(
            "figure_runtime", charts, 2,
            table=table, trials=trials, tasks=(task,), seeds=_range(table), settings={},
        )  # fmt: skip
    if found.curves:
        curves = pd.concat(found.curves.values(), ignore_index=True)
        planned = list(dict.fromkeys(scale_trials["model_size"]))
        charts = curve_charts(found.curves, found.tasks, planned, partial(scale_trials))
        yield _of_charts(
            "figure_curves", charts, len(found.curves),
            table=curves, trials=scale_trials, tasks=found.tasks, seeds=_range(curves),
            settings={},
        )  # fmt: skip


def _range(table: pd.DataFrame) -> tuple[int, int]:
    counts = table.loc[table["n"] > 0, "n"]
    return (int(counts.min()), int(counts.max())) if len(counts) else (0, 0)


def _stem(name: str) -> str:
    """`Figure 3a` as `figure_3a`."""
    return name.lower().replace(" ", "_")


def _save(picture: Picture, found: Findings, folder: Path) -> tuple[Path, ...]:
    table = csv_of(picture.table)
    provenance = provenance_of(
        picture.stem, found.manifest, picture.trials, tasks=picture.tasks, seeds=picture.seeds,
        table=table, settings=picture.settings,
    )  # fmt: skip
    return save_figure(picture.draw(), folder, provenance, table)


def _shown(panel: Panel) -> pd.DataFrame:
    """The table of a panel with what is the same in all of its rows."""
    table = panel.table.assign(chance=panel.chance, tasks=" ".join(panel.tasks))
    table.insert(0, "panel", panel.axis.panel)
    return table

"""Every figure and table of a sweep, from its trials into a folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from ablation.search import DESIGN
from analysis.aggregate import CELL, cell_scores, over_seeds, shared_tasks
from analysis.figures import ablations, scale
from analysis.figures.lines import Caption
from analysis.figures.saving import save_figure
from analysis.figures.sheet import sheet
from analysis.frame import Trials
from analysis.manifest import Manifest
from analysis.panels import Panel, build_panel, plans
from analysis.provenance import provenance_of
from analysis.style import paper
from analysis.tables.claims import Claim, claims, claims_table
from analysis.tables.gaps import gap_table
from analysis.tables.search import search_rows, search_table, varied, winners
from analysis.tables.spreads import spread_table
from analysis.tables.tasks import task_table
from analysis.tables.transfer import domain_shift_table, paraphrase_table


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """What was drawn: panels by axis name, claims, every file, and notes on what was not."""

    panels: Mapping[str, Panel]
    claims: tuple[Claim, ...]
    paths: tuple[Path, ...]
    notes: tuple[str, ...]
    winners: tuple[str, ...] = ()
    """Of a search, a line for the best setting of each method."""


def draw_sweep(manifest: Manifest, trials: Trials, folder: Path) -> Drawing:
    """Draw all that the trials allow into `folder`, which is made where it is missing.

    A search has a table and no figures. Raises ValueError where no cell of any
    panel is complete.
    """
    if manifest.design == DESIGN:
        return _write_search(trials.frame, folder)
    panels, notes = _panels(manifest, trials.frame)
    folder.mkdir(parents=True, exist_ok=True)
    found = claims(panels)
    with paper():
        figures = [
            path for panel in panels.values() for path in _draw_single(manifest, panel, folder)
        ]
        figures += _draw_page(manifest, panels, folder)
    tables = _write_tables(trials.frame, panels, found, folder)
    return Drawing(
        panels=panels, claims=tuple(found), paths=(*figures, *tables), notes=tuple(notes)
    )


def _write_search(frame: pd.DataFrame, folder: Path) -> Drawing:
    folder.mkdir(parents=True, exist_ok=True)
    rows = search_rows(frame)
    table = search_table(rows)
    written = frame.assign(panels=frame["panels"].map(lambda names: " ".join(sorted(names))))
    tables = {"search": table, "trials": written, "missing": _not_done(written)}
    return Drawing(
        panels={}, claims=(), paths=tuple(_write(tables, folder)), notes=(),
        winners=tuple(winners(table, varied(rows))),
    )  # fmt: skip


def _panels(manifest: Manifest, frame: pd.DataFrame) -> tuple[dict[str, Panel], list[str]]:
    """The panels that can be drawn, by axis name, and a note for each that cannot."""
    panels, notes = {}, []
    for axis in (scale.AXIS, *ablations.AXES):
        panel = build_panel(frame, axis) if plans(frame, axis) else None
        if panel is not None and panel.drawable:
            panels[axis.name] = panel
            continue
        why = "the sweep plans no trial for it"
        if panel is not None:
            why = f"no cell is complete for any seed ({panel.done} of {panel.planned} trials)"
        notes.append(f"{axis.figure} ({axis.label.lower()}) is not drawn: {why}")
    if not panels:
        raise ValueError("\n".join([f"{manifest.name}: nothing can be drawn", *notes]))
    return panels, notes


def _captioned(manifest: Manifest, panel: Panel) -> tuple[Panel, Caption]:
    if panel.axis is scale.AXIS:
        return panel, scale.caption(panel)
    return panel, ablations.caption(panel, manifest.defaults)


def _draw_single(manifest: Manifest, panel: Panel, folder: Path) -> tuple[Path, ...]:
    figure = sheet([_captioned(manifest, panel)], columns=1)
    stem = f"{_stem(panel.axis.figure)}_{panel.axis.panel}"
    return _save(figure, stem, manifest, [panel], folder)


def _draw_page(manifest: Manifest, panels: Mapping[str, Panel], folder: Path) -> tuple[Path, ...]:
    """Figure 3 whole, where more than one of its panels can be drawn."""
    there = [panels.get(axis.name) for axis in ablations.AXES]
    drawn = [panel for panel in there if panel]
    if len(drawn) < 2:
        return ()
    cells = [_captioned(manifest, panel) if panel else None for panel in there]
    figure = sheet(cells, columns=2)
    return _save(figure, _stem(drawn[0].axis.figure[:-1]), manifest, drawn, folder)


def _stem(name: str) -> str:
    """`Figure 3a` as `figure_3a`."""
    return name.lower().replace(" ", "_")


def _save(
    figure: Figure, stem: str, manifest: Manifest, panels: list[Panel], folder: Path
) -> tuple[Path, ...]:
    table = _csv(pd.concat([_shown(panel) for panel in panels], ignore_index=True))
    trials = pd.concat([panel.trials for panel in panels]).drop_duplicates("trial_id")
    counts = [count for panel in panels for count in panel.seeds]
    tasks = dict.fromkeys(task for panel in panels for task in panel.tasks)
    provenance = provenance_of(
        stem, manifest, trials, tasks=tasks, seeds=(min(counts), max(counts)), table=table
    )
    return save_figure(figure, folder, provenance, table)


def _shown(panel: Panel) -> pd.DataFrame:
    """The table of a panel with what is the same in all of its rows."""
    table = panel.table.assign(chance=panel.chance, tasks=" ".join(panel.tasks))
    table.insert(0, "panel", panel.axis.panel)
    return table


def _write_tables(
    frame: pd.DataFrame, panels: Mapping[str, Panel], found: list[Claim], folder: Path
) -> list[Path]:
    """Every table that can be made, as CSV."""
    tables = {
        "trials": frame.assign(panels=frame["panels"].map(lambda names: " ".join(sorted(names))))
    }
    tables["missing"] = _not_done(tables["trials"])
    if scale.AXIS.name in panels:
        tables["gaps"] = gap_table(panels[scale.AXIS.name])
        tables["tasks"] = task_table(panels[scale.AXIS.name])
    ablated = [panel for panel in panels.values() if panel.axis is not scale.AXIS]
    if ablated:
        tables["spreads"] = spread_table(ablated)
    tasks = shared_tasks(frame)
    if tasks:
        tables["cells"] = over_seeds(cell_scores(frame[frame["task"].isin(tasks)]))
    tables |= transfer_tables(frame)
    if found:
        tables["claims"] = claims_table(found)
    return _write(tables, folder)


def transfer_tables(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Tables 1 and 2 of the paper by the names of their files, where the sweep has any."""
    tables = {
        "table_1_domain_shift": domain_shift_table(frame),
        "table_2_paraphrase_transfer": paraphrase_table(frame),
    }
    return {name: table for name, table in tables.items() if not table.empty}


def _write(tables: Mapping[str, pd.DataFrame], folder: Path) -> list[Path]:
    paths = []
    for name, table in tables.items():
        paths.append(folder / f"{name}.csv")
        paths[-1].write_bytes(_csv(table))
    return paths


def _not_done(frame: pd.DataFrame) -> pd.DataFrame:
    what = ["trial_id", "status", "failure", "message", "panels"]
    return frame.loc[frame["status"] != "done", [*what, *CELL, "task", "seed"]]


def _csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False, float_format="%.10g", lineterminator="\n").encode()

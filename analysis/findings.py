"""All that a sweep says, computed once: what figures, tables and the page are drawn from.

Nothing here draws. A part that the sweep has not got is empty, and `notes` says why.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pandas as pd

from ablation.axis import Axis
from ablation.parameter_count import prompt_share, trained_by_prompt_tuning
from ablation.search import DESIGN as SEARCH
from ablation.task_parameters import Assumptions, costs
from analysis.convergence import convergence_table, timed_task
from analysis.ensembles import ensemble_table
from analysis.figures import ablations, scale
from analysis.frame import Trials
from analysis.histories import curve_table, load_histories
from analysis.manifest import Manifest
from analysis.marginals import (
    Crossing,
    as_slice,
    crossing,
    interaction_table,
    marginal_panel,
)
from analysis.neighbours import distance_table, neighbours_of
from analysis.overlays import Overlay
from analysis.panels import Panel, Reading, build_panel, plans
from analysis.style import in_sentence
from analysis.tables.claims import Claim
from analysis.tables.further_claims import all_claims
from analysis.tables.spreads import spread_table
from analysis.trial_files import Read, read_lines
from runners.model.family import shipped
from runners.store import Store

UNPLANNED = "the sweep plans no trial for it"
"""How a note ends on a figure that nobody asked for."""


@dataclass(frozen=True, kw_only=True)
class Interactions:
    """Pairs of axes crossed, of one reading: a table for each pair, sizes in order."""

    reading: Reading
    maps: tuple[tuple[pd.DataFrame, tuple[Axis, Axis]], ...]


@dataclass(frozen=True, kw_only=True)
class Panels:
    """The panels of a sweep that can be drawn, by axis name, and a note for each that cannot."""

    by_axis: Mapping[str, Panel]
    """Of a complete grid, those of Figure 3 are slices."""
    notes: tuple[str, ...]
    crossed: Crossing | None = None
    """The cells of a complete grid."""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """A sweep as numbers; panels and marginals are by the name of their axis."""

    manifest: Manifest
    frame: pd.DataFrame
    panels: Mapping[str, Panel] = field(default_factory=dict)
    marginals: Mapping[str, Panel] = field(default_factory=dict)
    crossed: Crossing | None = None
    interactions: tuple[Interactions, ...] = ()
    spreads: pd.DataFrame = field(default_factory=pd.DataFrame)
    histories: pd.DataFrame = field(default_factory=pd.DataFrame)
    curves: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Training curves by quantity: score, train_loss."""
    convergence: pd.DataFrame = field(default_factory=pd.DataFrame)
    costs: pd.DataFrame = field(default_factory=pd.DataFrame)
    assumptions: Assumptions = field(default_factory=Assumptions)
    cost_family: str = ""
    ensembles: pd.DataFrame = field(default_factory=pd.DataFrame)
    lengths: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Table 4: what prompts of the sweep's lengths train at each size."""
    neighbours: pd.DataFrame = field(default_factory=pd.DataFrame)
    """A row for each prompt token, with the pieces near it."""
    distances: pd.DataFrame = field(default_factory=pd.DataFrame)
    """How far prompts are from the vocabulary while they train, by init and size."""
    claims: tuple[Claim, ...] = ()
    overlays: tuple[Overlay, ...] = ()
    """What is laid over Figure 1 and is not of the sweep."""
    notes: tuple[str, ...] = ()

    @property
    def is_search(self) -> bool:
        """Whether the sweep is a search, which has a table and nothing else."""
        return self.manifest.design == SEARCH

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks of the default cell."""
        panel = self.panels.get(scale.AXIS.name)
        return panel.tasks if panel else ()


def find(
    manifest: Manifest,
    trials: Trials,
    store: Store,
    *,
    drawable: Panels | None = None,
    read: Read = read_lines,
    assumptions: Assumptions | None = None,
    family: str | None = None,
    overlays: tuple[Overlay, ...] = (),
) -> Findings:
    """Everything that the trials allow.

    `drawable` are the panels of these trials, where somebody has them already, and `read`
    reads their files, for whoever has some of those; `family` is the ladder of Figure 4, by
    default that of the sweep; `overlays` lie over Figure 1.
    Raises ValueError where no cell of any panel is complete, for a family that does not
    ship, and for overlays where there is no Figure 1.
    """
    if overlays and manifest.design == SEARCH:
        raise ValueError(f"{manifest.name}: a search has no Figure 1 to lay anything over")
    if manifest.design == SEARCH:
        return Findings(manifest=manifest, frame=trials.frame)
    frame = trials.frame
    drawable = drawable or panels_of(frame)
    panels, notes = dict(drawable.by_axis), list(drawable.notes)
    if not panels:
        raise ValueError("\n".join(_nothing(manifest, trials, notes)))
    if overlays and scale.AXIS.name not in panels:
        raise ValueError(f"{manifest.name}: nothing can be laid over Figure 1\n{notes[0]}")
    crossed = drawable.crossed
    marginals = {} if crossed is None else _marginals(crossed, notes)
    histories, unread = load_histories(frame, store, read)
    ensembles, voteless = ensemble_table(frame, store, read)
    neighbours, unseen = neighbours_of(frame, store, read)
    counted, cost_family, why = _costs(manifest, frame, assumptions or Assumptions(), family)
    return Findings(
        manifest=manifest, frame=frame, panels=panels, marginals=marginals, crossed=crossed,
        interactions=_interactions(manifest, crossed), spreads=_spreads(panels, crossed),
        histories=histories, curves=_curves(histories, frame),
        convergence=_convergence(histories, frame), costs=counted, cost_family=cost_family,
        assumptions=assumptions or Assumptions(),
        claims=tuple(all_claims(panels, frame, ensembles)),
        ensembles=ensembles, neighbours=neighbours, lengths=_lengths(frame), overlays=overlays,
        distances=_placed(distance_table(histories, frame), frame),
        notes=(*notes, *unread, *voteless, *unseen, *why),
    )  # fmt: skip


def _nothing(manifest: Manifest, trials: Trials, notes: list[str]) -> Iterator[str]:
    """Why nothing can be drawn, and what could not be read, which may be the reason."""
    done = int((trials.frame["status"] == "done").sum())
    yield (
        f"{manifest.name}: nothing can be drawn of {done} done trials of {len(trials.frame)}; "
        "run the rest: python -m sweeps run SPEC"
    )
    yield from (note for note in notes if not note.endswith(UNPLANNED))
    yield from trials.notes


def panels_of(frame: pd.DataFrame) -> Panels:
    """The panels of Figures 1 and 3 from a sweep's frame."""
    panels, notes = {}, []
    for axis in (scale.AXIS, *ablations.AXES):
        panel, why = _panel(frame, axis)
        if panel is not None:
            panels[axis.name] = panel
        else:
            notes.append(f"{axis.figure} ({in_sentence(axis.label)}) is not drawn: {why}")
    crossed = crossing(frame) if panels else None
    if crossed is not None:
        panels = {
            name: panel if name == scale.AXIS.name else as_slice(panel)
            for name, panel in panels.items()
        }
    return Panels(by_axis=panels, notes=tuple(notes), crossed=crossed)


def _panel(frame: pd.DataFrame, axis: Axis) -> tuple[Panel | None, str]:
    """The panel of an axis, or why there is none."""
    if not plans(frame, axis):
        return None, UNPLANNED
    try:
        panel = build_panel(frame, axis)
    except ValueError as error:
        return None, str(error)
    if panel.drawable:
        return panel, ""
    return None, f"no cell is complete for any seed ({panel.done} of {panel.planned} trials)"


def _marginals(crossed: Crossing, notes: list[str]) -> dict[str, Panel]:
    found = {}
    for axis in crossed.axes:
        panel = marginal_panel(crossed, axis)
        if panel.drawable:
            found[axis.name] = panel
        else:
            notes.append(
                f"{axis.figure} as a marginal is not drawn: no value has all of its cells "
                f"({panel.done} of {panel.planned} trials)"
            )
    return found


def _interactions(manifest: Manifest, crossed: Crossing | None) -> tuple[Interactions, ...]:
    if crossed is None or not crossed.pairs:
        return ()
    defaults = dict(manifest.defaults)
    return tuple(
        Interactions(
            reading=reading,
            maps=tuple(
                (interaction_table(crossed, pair, reading, defaults), pair)
                for pair in crossed.pairs
            ),
        )
        for reading in crossed.readings
    )


def _spreads(panels: Mapping[str, Panel], crossed: Crossing | None) -> pd.DataFrame:
    ablated = [panel for name, panel in panels.items() if name != scale.AXIS.name]
    return spread_table(ablated, crossed) if ablated else pd.DataFrame()


def _curves(histories: pd.DataFrame, frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    counts = _stated(frame)
    found = {
        quantity: curve_table(histories, frame, quantity) for quantity in ("score", "train_loss")
    }
    return {
        quantity: table.assign(model_parameters=table["model_size"].map(counts))
        for quantity, table in found.items()
        # A curve is of two points or more; prompt design has one.
        if not table.empty and table["step"].nunique() > 1
    }


def _convergence(histories: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    task = timed_task(frame)
    if task is None:
        return pd.DataFrame()
    table = _placed(convergence_table(histories, frame, task), frame)
    if table.empty:
        return table
    # Within a method and a length, sizes by their parameters, those that none states last.
    table["order"] = table.groupby(["method", "prompt_length"], dropna=False, sort=False).ngroup()
    ordered = table.sort_values(["order", "model_parameters"], kind="stable", ignore_index=True)
    return ordered.drop(columns="order")


def _placed(table: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """The table with the parameters of each of its sizes."""
    if table.empty:
        return table
    return table.assign(model_parameters=table["model_size"].map(_stated(frame)))


def _stated(frame: pd.DataFrame) -> pd.Series:
    return frame.dropna(subset=["model_parameters"]).groupby("model_size")[
        "model_parameters"
    ].first()  # fmt: skip


def _costs(
    manifest: Manifest, frame: pd.DataFrame, given: Assumptions, family: str | None
) -> tuple[pd.DataFrame, str, list[str]]:
    """What Figure 4 shows, of which family, and why it shows nothing where it does not."""
    families = shipped()
    name = family or str(frame["model_family"].iloc[0])
    if family is not None and family not in families:
        raise ValueError(
            f"family: {family!r} is not one of {', '.join(families)}; use one of these"
        )
    if name not in families:
        why = f"Figure 4 is not drawn: the shapes of family {name} are not in the store"
        return pd.DataFrame(), name, [f"{why}; --family draws one that ships"]
    rungs = families[name].rungs
    if family is None:
        planned = set(frame["model_size"])
        rungs = {size: rung for size, rung in rungs.items() if size in planned}
    table = pd.DataFrame(
        {
            "technique": cost.technique, "model_size": cost.model_size,
            "model_parameters": cost.model_parameters, "parameters": cost.mean,
            "parameters_sd": cost.sd, "share": cost.share, "share_sd": cost.share_sd,
        }
        for cost in costs(rungs, given)
    )  # fmt: skip
    return table, name, []


def _lengths(frame: pd.DataFrame) -> pd.DataFrame:
    """Table 4 for the sizes and lengths that the sweep has, of a family that ships."""
    planned = frame.dropna(subset=["prompt_length"]).drop_duplicates(
        ["model_family", "model_size", "prompt_length"]
    )
    families = shipped()
    rows = []
    for row in planned.sort_values("prompt_length", kind="stable").to_dict("records"):
        family = families.get(str(row["model_family"]))
        rung = family.rungs.get(str(row["model_size"])) if family else None
        if rung is not None:
            length = int(row["prompt_length"])
            trained = trained_by_prompt_tuning(rung, length)
            rows.append(
                {
                    "model_size": rung.name, "prompt_length": length, "trainable": trained,
                    "total": rung.parameters + trained, "percent": prompt_share(rung, length),
                }
            )  # fmt: skip
    table = pd.DataFrame(rows)
    return table.sort_values(["total", "prompt_length"], ignore_index=True) if rows else table

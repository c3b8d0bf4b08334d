"""One panel on one pair of axes: a line a value over model parameters, with every seed's point.

What is not there is drawn as such: a cell without a complete seed is an empty
mark on the x axis and breaks its line, a cell that lacks some of its seeds
wears a ring.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from analysis.figures.layout import (
    abreast,
    columns_of,
    draw_intervals,
    draw_seeds,
    mark_missing,
    shifted,
    sideways,
    tick_sizes,
)
from analysis.figures.notes import (
    NOTE_LINE,
    NOTE_POINTS,
    made_of,
    not_made_of,
    with_intervals,
)
from analysis.figures.overlay import aside, draw_overlays, ticks_with
from analysis.overlays import Overlay
from analysis.panels import Panel
from analysis.style import ALERT, QUIET, Look

X_LABEL = 0.42
"""Inches below the axes that ticks and label of x take."""


@dataclass(frozen=True, kw_only=True)
class Caption:
    """The words around a panel; `labels` and `looks` are by value."""

    title: str
    x_label: str
    y_label: str
    labels: Mapping[Any, str]
    looks: Mapping[Any, Look]
    overlays: tuple[Overlay, ...] = ()


def draw_panel(axes: Axes, panel: Panel, caption: Caption) -> Axes:
    """Draw `panel` on `axes` and return them.

    Model sizes whose parameters no record states have no place on x; the note
    under the panel names them.
    """
    placed = panel.table.dropna(subset=["model_parameters"])
    for place, value in enumerate(panel.values):
        line = placed[placed[panel.axis.name] == value]
        look = caption.looks[value]
        _draw_line(axes, line, caption.labels[value], look)
        bars = with_intervals(line).assign(x=line["model_parameters"])
        draw_intervals(axes, bars, look, place, len(panel.values))
        _draw_seeds(axes, line, look, place)
        x = line["model_parameters"].astype("float64")
        mark_missing(axes, x, line, look, shifted(axes, abreast(place, len(panel.values))))
    _draw_chance(axes, panel.chance)
    draw_overlays(axes, caption.overlays)
    counts = placed["model_parameters"].unique().tolist()
    _scale_x(axes, ticks_with(counts, caption.overlays) if caption.overlays else counts)
    axes.set_xlabel(caption.x_label)
    axes.set_ylabel(caption.y_label)
    _add_legend(axes, caption)
    _write_notes(axes, panel, caption)
    return axes


def _draw_line(axes: Axes, line: pd.DataFrame, label: str, look: Look) -> None:
    """The means, and a band of one standard deviation to either side, within 0 and 100."""
    x = line["model_parameters"].astype("float64")
    axes.plot(
        x,
        line["mean"],
        color=look.color,
        marker=look.marker,
        linestyle=look.linestyle,
        label=label,
        zorder=3,
    )
    # One seed has no spread; its band has no width.
    sd = line["sd"].fillna(0.0)
    low, high = (line["mean"] - sd).clip(lower=0.0), (line["mean"] + sd).clip(upper=100.0)
    axes.fill_between(x, low, high, color=look.color, alpha=0.13, linewidth=0, zorder=1)


def _draw_seeds(axes: Axes, line: pd.DataFrame, look: Look, place: int) -> None:
    """Every seed's score, beside the mean so that it is not hidden by it."""
    beside = axes.transData + shifted(axes, sideways(place))
    draw_seeds(axes, line["model_parameters"], line, look, transform=beside)


def _draw_chance(axes: Axes, chance: float) -> None:
    if math.isnan(chance):
        return
    axes.axhline(chance, color=QUIET, linestyle=(0, (1, 1.6)), linewidth=1.0, zorder=1)
    axes.annotate(
        "chance",
        xy=(1, chance),
        xycoords=("axes fraction", "data"),
        xytext=(0, 2),
        textcoords="offset points",
        ha="right",
        color=QUIET,
        fontsize=NOTE_POINTS,
    )


def _add_legend(axes: Axes, caption: Caption) -> None:
    """Above the axes, where no line can run through it."""
    axes.legend(
        title=caption.title,
        alignment="left",
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        ncols=len(legend_columns(caption)),
        borderpad=0.2,
        columnspacing=1.4,
        handlelength=3.2,
        labelspacing=0.3,
    )


def legend_columns(caption: Caption) -> list[list[str]]:
    """The labels of the legend in as many columns as the width of the axes takes."""
    laid_over = [overlay.label for overlay in caption.overlays]
    return columns_of([*caption.labels.values(), *laid_over])


def _scale_x(axes: Axes, counts: Sequence[float]) -> None:
    """A logarithmic axis whose ticks are the model sizes themselves."""
    axes.set_xscale("log")
    axes.margins(x=0.09)
    tick_sizes(axes, counts)


def _write_notes(axes: Axes, panel: Panel, caption: Caption) -> None:
    """Under the axes: what a mean is made of; in another colour, what it is not made of."""
    below = X_LABEL
    quiet = "\n".join(filter(None, (made_of(panel), aside(caption.overlays))))
    for text, color in ((quiet, QUIET), (not_made_of(panel), ALERT)):
        axes.annotate(
            text,
            xy=(0, 0),
            xycoords="axes fraction",
            xytext=(0, -72 * below),
            textcoords="offset points",
            va="top",
            color=color,
            fontsize=NOTE_POINTS,
            linespacing=1.35,
        )
        below += NOTE_LINE * len(text.splitlines())

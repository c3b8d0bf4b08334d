"""Panels on a sheet: axes of one size, with as much room around them as their words need.

Places are computed in inches, not found by a layout engine, so that panels of
different figures stand on a page at the same size.
"""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.layout import AXES_INCHES, show_intervals
from analysis.figures.lines import X_LABEL, Caption, draw_panel, legend_columns
from analysis.figures.notes import NOTE_LINE, note_lines, with_intervals
from analysis.figures.overlay import aside
from analysis.panels import Panel

_LEFT, _RIGHT = 0.52, 0.13
_PADDING = 0.1
_TITLE = 0.16
_LEGEND_LINE = 0.142


def sheet(cells: Sequence[tuple[Panel, Caption] | None], columns: int) -> Figure:
    """A figure of panels row by row on one score axis; None leaves a place in a row empty."""
    wide, high = AXES_INCHES
    drawn = [cell for cell in cells if cell]
    header = _PADDING + max(_header(caption) for _, caption in drawn)
    footer = _PADDING + X_LABEL + NOTE_LINE * max(_notes(*cell) for cell in drawn)
    width, height = _LEFT + wide + _RIGHT, header + high + footer
    every = (cells[at : at + columns] for at in range(0, len(cells), columns))
    rows = [row for row in every if any(row)]
    size = (columns * width, len(rows) * height)
    figure = Figure(figsize=size)
    first: Axes | None = None
    for above, row in enumerate(rows):
        for column, cell in enumerate(row):
            if cell is None:
                continue
            x, y = column * width + _LEFT, (len(rows) - 1 - above) * height + footer
            axes = figure.add_axes(
                (x / size[0], y / size[1], wide / size[0], high / size[1]), sharey=first
            )
            draw_panel(axes, *cell)
            first = first or axes
    assert first is not None
    bars = pd.concat([with_intervals(panel.table) for panel, _ in drawn])
    # Scores end at 0 and 100, of which a t interval knows nothing: what is beyond is cut off.
    within = bars.assign(low=bars["low"].clip(lower=0.0), high=bars["high"].clip(upper=100.0))
    show_intervals(first, within.dropna(subset=["model_parameters"]))
    return figure


def _notes(panel: Panel, caption: Caption) -> int:
    """Lines of text under a panel."""
    return note_lines(panel) + len(aside(caption.overlays).splitlines())


def _header(caption: Caption) -> float:
    """Inches of title and legend."""
    lines = max(map(len, legend_columns(caption)))
    return _LEGEND_LINE * lines + (_TITLE if caption.title else 0.0)

"""Panels on a sheet."""

from typing import Any

import pytest

from ablation.axes import ABLATED
from analysis.figures import ablations
from analysis.figures.layout import AXES_INCHES
from analysis.figures.sheet import sheet
from analysis.panels import build_panel
from analysis.style import paper

DEFAULTS = {
    "prompt_length": 20,
    "prompt_init": "class_label",
    "pretraining_objective": "lm_adaptation",
    "lm_adaptation_steps": 1000,
}


def test_panels_have_one_size_and_one_score_axis(frame_of: Any) -> None:
    """Panels side by side whose heights cannot be compared."""
    frame = frame_of()
    panels = [build_panel(frame, axis) for axis in ABLATED]

    with paper():
        figure = sheet([(panel, ablations.caption(panel, DEFAULTS)) for panel in panels], columns=2)

    width, height = figure.get_size_inches()
    sizes = [axes.get_position().size * (width, height) for axes in figure.axes]
    assert [tuple(size) for size in sizes] == [pytest.approx(AXES_INCHES)] * 4
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    low, high = figure.axes[0].get_ylim()
    assert low < 15.0
    assert high > 76.0


def test_words_stay_on_the_sheet_and_off_each_other(frame_of: Any) -> None:
    """Notes cut off at the edge, or a legend on top of the panel above it."""
    frame = frame_of(done=lambda c: (c.model_size, c.prompt_length, c.seed) != ("60k", 1, 0))
    panels = [build_panel(frame, axis) for axis in ABLATED]

    with paper():
        figure = sheet([(panel, ablations.caption(panel, DEFAULTS)) for panel in panels], columns=2)
        boxes = [axes.get_tightbbox() for axes in figure.axes]

    page = figure.bbox
    assert all(page.x0 <= box.x0 and box.x1 <= page.x1 for box in boxes)
    assert all(page.y0 <= box.y0 and box.y1 <= page.y1 for box in boxes)
    pairs = [(a, b) for place, a in enumerate(boxes) for b in boxes[place + 1 :]]
    assert not any(a.overlaps(b) for a, b in pairs)


def test_panel_that_is_not_there_leaves_its_place_empty(frame_of: Any) -> None:
    """Panels that move up and are read as (b) where they are (c)."""
    frame = frame_of()
    panels = [build_panel(frame, axis) for axis in ABLATED]
    cells = [(panel, ablations.caption(panel, DEFAULTS)) for panel in panels]

    with paper():
        whole = sheet(cells, columns=2)
        holed = sheet([cells[0], None, *cells[2:]], columns=2)

    places = [axes.get_position().bounds for axes in whole.axes]
    assert [axes.get_position().bounds for axes in holed.axes] == [places[0], *places[2:]]

"""The figures that the page shows and does not draw itself."""

import base64
from typing import Any

from analysis.page.pictures import further_pictures
from analysis.source import open_sweep

PREFIX = "data:image/svg+xml;base64,"


def test_figures_that_only_figures_draws_are_in_it_too(whole: Any) -> None:
    """A page that lacks a figure which stands in a folder, or has one of its own twice."""
    notes: list[str] = []
    shown = list(further_pictures(open_sweep(whole.store.root), whole.trials(), notes))
    assert {"figure_robustness", "figure_4_parameters"} <= {picture.name for picture in shown}
    assert "figure_1_scale" not in {picture.name for picture in shown}
    for picture in shown:
        drawn = base64.b64decode(picture.address.removeprefix(PREFIX))
        assert drawn.startswith(b"<?xml"), picture.name
        assert b"<dc:date>" not in drawn
    assert notes == []


def test_nothing_to_draw_is_a_note(small: Any) -> None:
    """A page that cannot be had before the first cell is whole."""
    notes: list[str] = []
    assert list(further_pictures(open_sweep(small.store.root), small.trials(), notes)) == []
    assert notes == ["further figures are not drawn: toy: nothing can be drawn"]

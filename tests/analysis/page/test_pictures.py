"""The figures and tables that the page shows and does not make itself."""

import base64
from typing import Any

from analysis.findings import panels_of
from analysis.page.pictures import Further, further
from analysis.source import open_sweep

PREFIX = "data:image/svg+xml;base64,"


def beside(sweep: Any, notes: list[str]) -> Further:
    """What the page of a sweep has beside its own figures and tables."""
    trials = sweep.trials()
    return further(open_sweep(sweep.store.root), trials, panels_of(trials.frame), notes)


def test_figures_that_only_figures_draws_are_in_it_too(whole: Any) -> None:
    """A page that lacks a figure which stands in a folder, or has one of its own twice."""
    notes: list[str] = []
    shown = beside(whole, notes).pictures
    assert {"figure_robustness", "figure_4_parameters"} <= {picture.name for picture in shown}
    assert "figure_1_scale" not in {picture.name for picture in shown}
    for picture in shown:
        drawn = base64.b64decode(picture.address.removeprefix(PREFIX))
        assert drawn.startswith(b"<?xml"), picture.name
        assert b"<dc:date>" not in drawn
    assert all(note.startswith("Table 3 has no row for") for note in notes)


def test_tables_that_only_figures_prints_are_in_it_too(whole: Any) -> None:
    """A page that lacks a table which stands in a folder, and says nothing of what that lacks."""
    notes: list[str] = []
    tables = beside(whole, notes).tables
    assert [table.name for table in tables] == ["table_4_parameters", "table_5_runtimes"]
    assert "Table 3 has no row for boolq at 60k" in notes[0]


def test_nothing_to_draw_is_a_note(small: Any) -> None:
    """A page that cannot be had before the first cell is whole."""
    notes: list[str] = []
    assert beside(small, notes) == Further()
    assert notes == ["further figures are not drawn: toy: nothing can be drawn"]

"""The figures and tables that the page shows and does not make itself."""

from collections.abc import Callable
from typing import Any

import pytest

from analysis.findings import panels_of
from analysis.page.build import build
from analysis.page.details import Reader
from analysis.page.pictures import Further, further
from analysis.source import open_sweep
from analysis.trial_files import HISTORY
from runners.store import Store


def beside(sweep: Any, notes: list[str]) -> Further:
    """What the page of a sweep has beside its own figures and tables."""
    trials = sweep.trials()
    return further(open_sweep(sweep.store.root), trials, panels_of(trials.frame), notes)


def test_figures_that_only_figures_draws_are_in_it_too(whole: Any) -> None:
    """A page that lacks a figure which stands in a folder, or has one of its own twice."""
    notes: list[str] = []
    shown = {group.name: group for group in beside(whole, notes).groups}
    assert {"figure_robustness", "figure_4_parameters"} <= set(shown)
    assert "figure_1_scale" not in shown
    assert all(group.figures for group in shown.values())
    assert [figure.title for figure in shown["figure_4_parameters"].figures] == [
        "Parameters of a task", "% of the model",
    ]  # fmt: skip
    assert all(note.startswith("Table 3 has no row for") for note in notes)


def test_a_complete_grid_has_marginals_and_interactions(
    toy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of a complete grid that says nothing of which reading it shows, or shows one.

    Nothing of it is drawn by matplotlib, which took longer than all else together.
    """
    for name in ("sheet", "chart_sheet", "heat_sheet"):
        monkeypatch.setattr(f"analysis.draw.{name}", lambda *_, **__: pytest.fail("drawn in vain"))
    made = toy(design="complete")
    made.run()
    trials = made.trials()
    drawable = panels_of(trials.frame)
    shown = {g.name: g for g in further(open_sweep(made.store.root), trials, drawable, []).groups}
    readings = {name: panel.reading for name, panel in drawable.by_axis.items()}
    assert readings.pop("method") == "star"
    assert set(readings.values()) == {"slice"}
    words = [figure.made_of for figure in shown["figure_3_marginal"].figures]
    assert len(words) == 3
    assert all("marginal over the rest" in each for each in words)
    heats = shown["figure_interactions_slice"].heats
    assert heats is not None
    assert [len(pair.heats) for pair in heats.pairs] == [3, 3]
    assert "the third axis at its default (slice)" in heats.note


def test_tables_that_only_figures_prints_are_in_it_too(whole: Any) -> None:
    """A page that lacks a table which stands in a folder, and says nothing of what that lacks."""
    notes: list[str] = []
    tables = beside(whole, notes).tables
    assert [table.name for table in tables] == ["table_4_parameters", "table_5_runtimes"]
    assert "Table 3 has no row for boolq at 60k" in notes[0]


def test_a_watched_page_has_them_while_its_sweep_runs(toy: Any) -> None:
    """A page that shows curves and claims at its end alone, when nobody looks any more."""
    made = toy()
    made.run(made.configs[1:])
    sweep = open_sweep(made.store.root)
    page = build(sweep, Reader(store=sweep.store), refresh=30)
    assert page.open
    for shown in ('id="figure_robustness"', "the gap closes with size", "Table 4: parameters"):
        assert shown in page.html


def test_files_are_read_once_however_often_a_page_is_built(
    whole: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A watched page that reads every history of a large store at each refresh, twice."""
    sweep = open_sweep(whole.store.root)
    reader = Reader(store=sweep.store)
    read: list[str] = []
    of_store = Store.read

    def counted(store: Store, trial_id: str, name: str) -> bytes:
        read.append(f"{trial_id} {name}")
        return of_store(store, trial_id, name)

    monkeypatch.setattr(Store, "read", counted)
    first = build(sweep, reader).html
    histories = [f"{config.trial_id} {HISTORY.name}" for config in whole.configs]
    assert sorted(each for each in read if each in histories) == sorted(histories)
    read.clear()
    assert build(sweep, reader).html == first
    assert set(read).isdisjoint(histories)


def test_another_attempt_is_read_anew(small: Any, record: Callable[..., Any]) -> None:
    """Curves of a result that was withdrawn, in a page that is watched."""
    small.run()
    planned = {config.trial_id for config in small.configs}
    reader = Reader(store=small.store)
    reader.trials(planned)
    config = small.configs[0]
    before = reader.lines(small.store, config.trial_id, HISTORY)
    small.store.withdraw(config.trial_id, "to test")
    attempt = small.store.begin(config.trial_id)
    (attempt.folder / "history.jsonl").write_text('{"step": 7, "score": 50.0}\n')
    assert attempt.commit(record(config, 50.0, attempt=attempt.id))
    reader.trials(planned)
    after = reader.lines(small.store, config.trial_id, HISTORY)
    assert after == [{"step": 7, "score": 50.0}] != before


def test_trials_of_other_sweeps_are_not_read(small: Any) -> None:
    """A page that takes as long as all sweeps of its store, and blames files of another one."""
    small.run(small.configs[:2])
    one, _ = (config.trial_id for config in small.configs[:2])
    assert set(Reader(store=small.store).trials({one})) == {one}


def test_nothing_to_draw_is_a_note(small: Any) -> None:
    """A page that cannot be had before the first cell is whole."""
    notes: list[str] = []
    assert beside(small, notes) == Further()
    (note,) = notes
    assert note.startswith("further figures are not drawn: toy: nothing can be drawn of 0 done")

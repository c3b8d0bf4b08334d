"""The words under a panel."""

from typing import Any

from ablation import method
from analysis.figures.notes import made_of, not_made_of, note_lines
from analysis.panels import build_panel


def test_notes_state_n_tasks_and_what_is_missing(frame_of: Any) -> None:
    """A figure that keeps its n to itself."""
    whole = build_panel(frame_of(), method.AXIS)
    assert made_of(whole) == (
        "Line and band: mean ± sd, n = 2 seeds; dots: each seed.\n"
        "Dev score, mean over BoolQ and ReCoRD.\n"
        "Each trial's score is that of its best checkpoint on dev."
    )
    assert not_made_of(whole) == ""
    assert note_lines(whole) == 3

    partial = build_panel(frame_of(done=lambda c: c.model_size != "2m"), method.AXIS)

    assert not_made_of(partial) == (
        "partial: 16 of 24 trials done. Mark on the axis: no complete seed.\n"
        "Not placed, no trial done: 2m."
    )
    assert note_lines(partial) == 5


def test_many_tasks_are_counted_and_uneven_seeds_are_a_range(frame_of: Any) -> None:
    """A note that runs out of the page, or one n for all where it varies."""
    tasks = ["boolq", "cb", "record", "wic"]
    frame = frame_of(axes={"task": tasks}, done=lambda c: c.seed == 0 or c.model_size == "2m")

    assert made_of(build_panel(frame, method.AXIS)) == (
        "Line and band: mean ± sd, n = 1 to 2 seeds; dots: each seed.\n"
        "Dev score, mean over 4 tasks.\n"
        "Each trial's score is that of its best checkpoint on dev."
    )

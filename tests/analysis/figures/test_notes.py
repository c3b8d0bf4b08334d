"""The words under a panel."""

from typing import Any

from ablation import method
from analysis.figures.notes import made_of, named, not_made_of, note_lines, wrapped
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


def test_a_spread_is_on_one_line_with_its_sign() -> None:
    """`mean ±` at the end of a line, and `sd` at the head of the next."""
    assert wrapped("Line and band: mean ± sd, n = 2", 24) == "Line and band:\nmean ± sd, n = 2"


def test_tasks_are_told_as_one_tells_them() -> None:
    """`SQuAD and MRPC and QQP`."""
    assert named(["squad", "mrpc", "qqp"]) == "SQuAD, MRPC and QQP"
    assert named(["boolq"]) == "BoolQ"
    assert named([]) == ""


def test_many_tasks_are_counted_and_uneven_seeds_are_a_range(frame_of: Any) -> None:
    """A note that runs out of the page, or one n for all where it varies."""
    tasks = ["boolq", "cb", "record", "wic"]
    frame = frame_of(axes={"task": tasks}, done=lambda c: c.seed == 0 or c.model_size == "2m")

    assert made_of(build_panel(frame, method.AXIS)) == (
        "Line and band: mean ± sd, n = 1 to 2 seeds; dots: each seed.\n"
        "Dev score, mean over 4 tasks.\n"
        "Each trial's score is that of its best checkpoint on dev."
    )

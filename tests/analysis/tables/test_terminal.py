"""The scale curve in the terminal."""

from typing import Any

from ablation import method
from analysis.panels import build_panel
from analysis.tables.terminal import scale_curve


def _lines(frame: Any) -> list[str]:
    return scale_curve(build_panel(frame, method.AXIS)).splitlines()


def test_scale_curve_is_a_table_of_sizes(frame_of: Any) -> None:
    """A column under another's head."""
    assert _lines(frame_of()) == [
        "size  parameters  model tuning  prompt tuning  gap [95% interval]",
        "60k          62K    55.5 ± 0.7     35.5 ± 0.7   20.0 [20.0, 20.0]",
        "200k        207K    65.5 ± 0.7     55.5 ± 0.7   10.0 [10.0, 10.0]",
        "2m         2.06M    75.5 ± 0.7     75.5 ± 0.7      0.0 [0.0, 0.0]",
    ]


def test_what_is_missing_is_said_in_its_place(frame_of: Any) -> None:
    """A number over fewer seeds that reads as whole, or a spread of one seed."""
    done = {("60k", 0), ("200k", 0), ("200k", 1)}
    frame = frame_of(
        done=lambda c: (
            (c.model_size, c.seed) in done and (c.method, c.model_size) != ("model_tuning", "200k")
        )
    )

    assert _lines(frame) == [
        "size  parameters         model tuning        prompt tuning  gap [95% interval]",
        "60k          62K  55.0 (1 of 2 seeds)  35.0 (1 of 2 seeds)                20.0",
        "200k        207K                    -           55.5 ± 0.7                   -",
        "2m             -                    -                    -                   -",
    ]

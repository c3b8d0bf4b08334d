"""Published and digitised points over a panel: greys beside the sweep's own lines.

A point that nobody has verified is hollow.
"""

import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from analysis.overlays import Overlay
from analysis.style import ASIDE

_WIDTH = 66
_NEAR = 0.1
"""Share of the axis below which two ticks would touch."""


def draw_overlays(axes: Axes, overlays: Sequence[Overlay]) -> None:
    """Draw each as a line with its marks, behind the sweep's own."""
    for place, overlay in enumerate(overlays):
        look = ASIDE[place % len(ASIDE)]
        x, y = overlay.table["model_parameters"], overlay.table["mean"]
        marks: dict[str, Any] = {"marker": look.marker, "markersize": 5.0, "color": look.color}
        axes.plot(
            x, y, linestyle=look.linestyle if len(x) > 1 else "none", label=overlay.label,
            linewidth=1.0, zorder=2, **marks,
        )  # fmt: skip
        doubtful = overlay.table[~overlay.table["verified"]]
        axes.plot(
            doubtful["model_parameters"], doubtful["mean"], linestyle="none",
            markerfacecolor="white", zorder=2.5, **marks,
        )  # fmt: skip


def aside(overlays: Sequence[Overlay]) -> str:
    """What the overlays are, for the note under a panel; '' where there are none."""
    if not overlays:
        return ""
    told = "; ".join(f"{each.label}: {each.source}" for each in overlays)
    hollow = " Hollow: unverified." if any(each.unverified for each in overlays) else ""
    return textwrap.fill(f"Not from this sweep, and of SuperGLUE: {told}.{hollow}", _WIDTH)


def ticks_with(counts: Sequence[float], overlays: Sequence[Overlay]) -> list[float]:
    """The sizes to name on x: of the sweep, and both ends of each overlay, none on another."""
    ends = [float(x) for each in overlays for x in each.table["model_parameters"].iloc[[0, -1]]]
    every = sorted({*map(float, counts), *ends})
    low, high = every[0], every[-1]
    apart = (high / low) ** _NEAR
    kept = [low]
    for count in every[1:-1]:
        if count / kept[-1] >= apart and high / count >= apart:
            kept.append(count)
    return [*kept, high] if high > low else kept

"""Figure 3: score against model parameters for each setting of one axis, (a) to (d).

The default setting is the green x. All panels are slices at the defaults, in a
star and in a complete design alike.
"""

from collections.abc import Mapping
from typing import Any

from ablation import axes, model_size
from analysis.figures.lines import Caption
from analysis.panels import Panel
from analysis.style import looks

AXES = axes.ABLATED
"""The axes of the four panels, in their order."""


def caption(panel: Panel, defaults: Mapping[str, Any]) -> Caption:
    """The words and looks of one panel; `defaults` are those of the sweep."""
    axis = panel.axis
    return Caption(
        title=f"({axis.figure[-1]}) {axis.label}",
        x_label=model_size.AXIS.label,
        y_label="Dev score",
        labels={value: axis.label_of(value) for value in panel.values},
        looks=looks(panel.values, defaults[axis.name]),
    )

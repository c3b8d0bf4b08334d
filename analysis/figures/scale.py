"""Figure 1: score against model parameters, for model tuning and prompt tuning."""

from ablation import method, model_size
from ablation.settings import STUDIED
from analysis.figures.lines import Caption
from analysis.overlays import Overlay
from analysis.panels import Panel
from analysis.style import looks

AXIS = method.AXIS
"""The axis whose values are the lines."""


def caption(panel: Panel, overlays: tuple[Overlay, ...] = ()) -> Caption:
    """The words and looks of the scale curve; prompt tuning is the green x."""
    return Caption(
        title="",
        x_label=model_size.AXIS.label,
        y_label="Dev score",
        labels={value: AXIS.label_of(value) for value in panel.values},
        looks=looks(panel.values, STUDIED),
        overlays=overlays,
    )

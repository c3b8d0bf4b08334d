"""What all figures of lines share: the size of their axes, their legends, and ticks at sizes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from analysis.style import in_short

AXES_INCHES = (2.95, 2.25)
"""Width and height of every pair of axes."""
# Inches of the legend: a line's sample with the gaps around it, and a letter.
_SAMPLE = 0.5
_LETTER = 0.049


def columns_of(labels: Sequence[str]) -> list[list[str]]:
    """The labels of a legend in as many columns as the width of the axes takes."""
    columns = [list(labels)]
    for count in range(2, len(labels) + 1):
        split = [list(column) for column in np.array_split(list(labels), count)]
        if sum(_SAMPLE + _LETTER * max(map(len, column)) for column in split) > AXES_INCHES[0]:
            break
        columns = split
    return columns


def tick_sizes(axes: Axes, counts: Sequence[float]) -> None:
    """Ticks at these numbers of parameters and nowhere else; a single one stands in the middle."""
    axes.xaxis.set_major_locator(FixedLocator(sorted(counts)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda count, _: in_short(count))
    if len(counts) == 1:
        axes.set_xlim(counts[0] / 3, counts[0] * 3)

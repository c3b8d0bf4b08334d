"""How every figure looks: sizes, fonts, and a look for each line that stands apart in grey too.

The default setting is green with an x, as in the figures of Lester et al. 2021.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl

QUIET = "0.45"
"""Grey of notes and baselines."""
ALERT = "#b2182b"
"""Colour of what must not be overlooked, such as the note on a partial sweep."""

_SETTINGS: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": "0.3",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelsize": 8,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    # Shipped with matplotlib, so the same on every machine.
    "font.family": ["DejaVu Sans"],
    "font.size": 7.5,
    "grid.color": "0.88",
    "grid.linewidth": 0.6,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.title_fontsize": 8,
    "lines.linewidth": 1.3,
    "lines.markersize": 4.5,
    # Type 42: outlines that printers and journals accept, where Type 3 is refused.
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "savefig.dpi": 300,
    # Names inside an SVG are otherwise drawn by lot.
    "svg.hashsalt": "promptscale",
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
}


@dataclass(frozen=True, kw_only=True)
class Look:
    """How one line is drawn; `linestyle` as matplotlib takes it."""

    color: str
    marker: str
    linestyle: Any


DEFAULT_LOOK = Look(color="#1a9641", marker="x", linestyle="-")
"""The default setting."""

_OTHERS = (
    Look(color="#08306b", marker="o", linestyle=(0, (5, 1.5))),
    Look(color="#e6770b", marker="s", linestyle=(0, (1.2, 1.2))),
    Look(color="#7a3fa0", marker="^", linestyle=(0, (5, 1.2, 1.2, 1.2))),
    Look(color="#4a90c2", marker="D", linestyle=(0, (3, 1, 1, 1, 1, 1))),
    Look(color="#8c2d04", marker="v", linestyle=(0, (8, 2))),
    Look(color="#7f7f7f", marker="P", linestyle=(0, (2, 2))),
    Look(color="#c51b7d", marker="*", linestyle=(0, (1, 2.5))),
)
_COUNT = len(_OTHERS)


def colour_of(place: int) -> int:
    """Which colour a place has in the order in which `looks` gives them out, 0 the default's."""
    return (place - 1) % _COUNT + 1 if place else 0


def marker_of(place: int) -> int:
    """Which marker a place has in the order in which `looks` gives them out, 0 the default's."""
    return sum(divmod(place - 1, _COUNT)) % _COUNT + 1 if place else 0


def _look_at(place: int) -> Look:
    """The look at a place from 1 on: no other has both its colour and its marker.

    Nor has another both its marker and its line style, which are what a grey print shows.
    """
    line = place - 1 + 2 * ((place - 1) // _COUNT)
    return Look(
        color=_OTHERS[colour_of(place) - 1].color, marker=_OTHERS[marker_of(place) - 1].marker,
        linestyle=_OTHERS[line % _COUNT].linestyle,
    )  # fmt: skip


_LOOKS = (DEFAULT_LOOK, *map(_look_at, range(1, _COUNT**2 + 1)))


ASIDE = (
    Look(color="0.25", marker="h", linestyle=(0, (4, 1.5, 1, 1.5))),
    Look(color="0.25", marker="*", linestyle=(0, (1, 1))),
    Look(color="0.45", marker="p", linestyle=(0, (6, 2))),
    Look(color="0.45", marker="X", linestyle=(0, (2, 1.5))),
    Look(color="0.6", marker="<", linestyle=(0, (3, 3))),
)
"""What is laid over a figure and not of its sweep: greys, in turn."""


@contextmanager
def paper() -> Iterator[None]:
    """Draw in the project's style, whatever matplotlib settings the machine has."""
    with mpl.rc_context():
        mpl.rcdefaults()
        for name, value in _SETTINGS.items():
            mpl.rcParams[name] = value
        yield


def looks(values: Sequence[Any], default: Any) -> dict[Any, Look]:
    """A look for each of `values`, the green x for `default`.

    The first have a colour, a marker and a line style of their own; those after them have the
    colours again, each with another one's marker and line style.
    Raises ValueError where there are more values than looks that differ.
    """
    others = [value for value in values if value != default]
    if len(others) >= len(_LOOKS):
        raise ValueError(
            f"{len(others)} settings beside the default: only {len(_LOOKS) - 1} can be told apart "
            "in one panel; draw fewer values of this axis"
        )
    return dict(zip([default, *others], _LOOKS, strict=False))


def place_of(look: Look) -> int:
    """The place of a look in the order in which `looks` gives them out, 0 the default's."""
    return _LOOKS.index(look)


def in_sentence(label: str) -> str:
    """A label within a sentence: small, but for abbreviations such as LM."""
    return label if label[:2].isupper() else label[:1].lower() + label[1:]


def in_short(count: float) -> str:
    """A count of parameters in three digits: 207K, 2.06M, 11.1B."""
    for unit, size in (("B", 1e9), ("M", 1e6), ("K", 1e3)):
        # A count that rounds up to the next unit is written in it.
        if float(f"{count:.3g}") >= size:
            return f"{float(f'{count / size:.3g}'):g}{unit}"
    return f"{count:.0f}"

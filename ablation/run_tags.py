"""The tags of a trial's run in a tracker: its panels, and for each sweep which of them it feeds.

A trial is one run, however many sweeps have it, and one may show it in a panel where another
does not: tags of panels alone would lead a report to runs that are none of its figure.

    prompt_length  sweep:laptop  sweep:laptop:prompt_length
"""

import hashlib
from collections.abc import Mapping

from ablation.grid import PANELS

LETTERS = 64
"""The longest tag that W&B takes."""
_SWEEP = "sweep:"
_NAME_LETTERS = LETTERS - len(_SWEEP) - len(":") - max(map(len, PANELS))
_DIGITS = 8

Feeds = Mapping[str, frozenset[str]]
"""The panels that a trial feeds, by the name of the sweep; none of a milestone."""


def sweep_tag(sweep: str) -> str:
    """The tag of every run of a sweep; a long name is cut and ends in a hash of the whole."""
    if len(sweep) > _NAME_LETTERS:
        digest = hashlib.sha256(sweep.encode()).hexdigest()[:_DIGITS]
        sweep = f"{sweep[: _NAME_LETTERS - _DIGITS - 1]}~{digest}"
    return _SWEEP + sweep


def panel_tag(sweep: str, panel: str) -> str:
    """The tag of the runs that a sweep shows in one of `PANELS`."""
    return f"{sweep_tag(sweep)}:{panel}"


def tags_of(feeds: Feeds) -> tuple[str, ...]:
    """All tags of a trial, in the order of the alphabet."""
    panels = {panel for shown in feeds.values() for panel in shown}
    sweeps = {sweep_tag(sweep) for sweep in feeds}
    both = {panel_tag(sweep, panel) for sweep, shown in feeds.items() for panel in shown}
    return tuple(sorted(panels | sweeps | both))


def is_ours(tag: str) -> bool:
    """Whether a tag is one that `tags_of` gives, and not one that somebody set by hand."""
    return tag in PANELS or tag.startswith(_SWEEP)

"""The figures that the page does not draw itself, as `python -m analysis figures` draws them."""

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass

from analysis.draw import pictures
from analysis.findings import find
from analysis.frame import Trials
from analysis.source import Sweep
from analysis.style import paper

_TITLES = {
    "figure_4_parameters": "Parameters that a task takes",
    "figure_robustness": "Robustness to settings, by size",
    "figure_runtime": "Runtime until convergence",
    "figure_curves": "Training curves",
    "figure_vocabulary": "Distance of prompts to the vocabulary, while they train",
    "figure_3_marginal": "Figure 3 as marginals: each setting averaged over all others",
    "figure_interactions_slice": "Interactions of two axes, the third at its default",
    "figure_interactions_marginal": "Interactions of two axes, the third averaged over",
}
"""What the page shows beside its own figures, by the name of the file, and what it is."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure as the address of an SVG that is in the address itself."""

    name: str
    title: str
    address: str


def further_pictures(sweep: Sweep, trials: Trials, notes: list[str]) -> Iterator[Picture]:
    """The further figures that the trials allow; a note where they allow none."""
    try:
        found = find(sweep.manifest, trials, sweep.store)
    except ValueError as error:
        notes.append(f"further figures are not drawn: {str(error).splitlines()[0]}")
        return
    if found.is_search:
        return
    with paper():
        for picture in pictures(found):
            if picture.stem in _TITLES:
                file = io.BytesIO()
                picture.figure.savefig(file, format="svg", metadata={"Date": None})
                data = base64.b64encode(file.getvalue()).decode()
                yield Picture(
                    name=picture.stem,
                    title=_TITLES[picture.stem],
                    address=f"data:image/svg+xml;base64,{data}",
                )

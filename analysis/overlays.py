"""What others have measured, over Figure 1 on request: published numbers, or a user's reading.

The curves of the paper's Figure 1 are not published as numbers, and none are made up: what
can be laid over it is the few-shot line of GPT-3, the one score of prompt tuning at XXL,
and a figure that the user has digitised.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ablation.method import AXIS as METHOD
from ablation.published import FAMILY, Published, published
from analysis.digitised import read_digitised
from analysis.style import in_short
from runners.model.family import shipped
from runners.rules import nearest

PUBLISHED: Mapping[str, tuple[str, str]] = {
    "gpt3": ("gpt3_few_shot", "GPT-3 few-shot"), "xxl": ("table_3_average", "Prompt, T5 XXL"),
}  # fmt: skip
"""What can be asked for by name: the quantity in `ablation/published.yaml`, and its label."""
FIGURE = "figure_1"
MEAN = "mean"


@dataclass(frozen=True, kw_only=True)
class Overlay:
    """Points of one line: `table` has model_parameters, mean and verified, sizes in order."""

    name: str
    label: str
    source: str
    table: pd.DataFrame

    @property
    def unverified(self) -> str:
        """The sizes whose numbers nobody has verified, in words, or ''."""
        doubtful = self.table.loc[~self.table["verified"], "model_parameters"]
        return ", ".join(in_short(count) for count in doubtful)

    @property
    def provenance(self) -> str:
        """Where its numbers come from, with the mark of those that are unverified."""
        return f"{self.source}; unverified: {self.unverified}" if self.unverified else self.source


def read_overlays(names: Sequence[str], digitised: str | None = None) -> tuple[Overlay, ...]:
    """The published overlays of these names, and those of a digitised figure.

    Raises ValueError for a name that is none, and for a file that cannot be used.
    """
    unknown = [name for name in names if name not in PUBLISHED]
    if unknown:
        near = nearest(unknown[0], PUBLISHED)
        remedy = f"did you mean {near!r}?" if near else "use these"
        raise ValueError(f"overlay: {unknown[0]!r} is not one of {', '.join(PUBLISHED)}; {remedy}")
    found = tuple(_published(name) for name in dict.fromkeys(names))
    return found if digitised is None else (*found, *_digitised(Path(digitised)))


def _published(name: str) -> Overlay:
    quantity, label = PUBLISHED[name]
    numbers = [n for n in published() if n.quantity == quantity and n.evaluated in ("", MEAN)]
    rows = [
        {"model_parameters": _size(n), "mean": n.value, "verified": n.verified} for n in numbers
    ]
    table = pd.DataFrame(rows).sort_values("model_parameters", ignore_index=True)
    return Overlay(name=name, label=label, source=numbers[0].source, table=table)


def _size(number: Published) -> int:
    if number.parameters is not None:
        return number.parameters
    return shipped()[FAMILY].rungs[number.model_size].parameters


def _digitised(path: Path) -> tuple[Overlay, ...]:
    """A line for each series of the file that is of Figure 1."""
    rows = read_digitised(path)
    rows = rows[rows["figure"] == FIGURE]
    if rows.empty:
        raise ValueError(f"{path}: has no row whose figure is {FIGURE}; only that can be laid over")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return tuple(
        Overlay(
            name=f"digitised {series}",
            label=f"{METHOD.label_of(str(series))}, digitised",
            source=f"{path.name}, SHA-256 {digest}",
            # A reading is a user's word, which nothing here can verify.
            table=pd.DataFrame(
                {"model_parameters": line["parameters"], "mean": line["score"], "verified": False}
            ).sort_values("model_parameters", ignore_index=True),
        )
        for series, line in rows.groupby("series", sort=False)
    )


def rows_of(overlays: Sequence[Overlay]) -> pd.DataFrame:
    """The points as rows for the table of a figure; none where there are no overlays."""
    tables = [
        each.table.assign(overlay=each.label, source=each.source) for each in overlays
    ]  # fmt: skip
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def settings_of(overlays: Sequence[Overlay]) -> dict[str, str]:
    """What the provenance of a figure says of what lies over it."""
    return {f"overlay {each.name}": each.provenance for each in overlays}

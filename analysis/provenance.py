"""Where a figure comes from: written inside the file itself and beside it."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

import pandas as pd

from analysis.manifest import Manifest


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Spec, code, data, checkpoints and trials behind one figure or table.

    `seeds` is how many seeds the thinnest and the fullest mean have;
    `table_sha256` is that of the CSV beside the figure.
    """

    figure: str
    spec_name: str
    spec_sha256: str
    planned_by_code: str
    code: tuple[str, ...]
    data: tuple[str, ...]
    base_checkpoint: tuple[str, ...]
    tasks: tuple[str, ...]
    seeds: tuple[int, int]
    trials_planned: int
    trials_done: int
    trial_ids: tuple[str, ...]
    trial_ids_not_done: tuple[str, ...]
    table_sha256: str
    settings: Mapping[str, str]
    """What the figure was drawn with beside the trials: its reading, or assumptions."""

    def to_json(self) -> str:
        """One line of JSON in ASCII, with sorted keys."""
        return json.dumps(asdict(self), sort_keys=True)


def provenance_of(
    figure: str,
    manifest: Manifest,
    trials: pd.DataFrame,
    *,
    tasks: Iterable[str],
    seeds: tuple[int, int],
    table: bytes,
    settings: Mapping[str, str],
) -> Provenance:
    """The provenance of `figure`, which rests on `trials` (rows of a frame) and shows `table`."""
    done = trials["status"] == "done"
    return Provenance(
        figure=figure,
        spec_name=manifest.name,
        spec_sha256=manifest.spec_sha256,
        planned_by_code=manifest.code,
        code=_distinct(trials.loc[done, "code"]),
        data=_distinct(trials.loc[done, "data"]),
        base_checkpoint=_distinct(trials.loc[done, "base_checkpoint"]),
        tasks=tuple(tasks),
        seeds=seeds,
        trials_planned=len(trials),
        trials_done=int(done.sum()),
        trial_ids=tuple(sorted(trials.loc[done, "trial_id"])),
        trial_ids_not_done=tuple(sorted(trials.loc[~done, "trial_id"])),
        table_sha256=hashlib.sha256(table).hexdigest(),
        settings=dict(settings),
    )


def _distinct(values: pd.Series) -> tuple[str, ...]:
    return tuple(sorted(values.dropna().unique()))

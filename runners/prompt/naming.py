"""The catalogue in which the trials of a store are named: a given file's, or that of their sweep.

What ships names most trials. A family or task of a user's own is in the spec of its
sweep, whose place the manifest in the store tells, or in a file that the user gives.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from runners.catalogue import Catalogue
from runners.catalogue_section import load_catalogue
from runners.misfits import OWN
from runners.record import TrialRecord
from runners.store import Store

GIVEN = "--catalogue SPEC"
"""How a user gives the file."""


def catalogue_for(records: Iterable[TrialRecord], store: Store, given: Path | None) -> Catalogue:
    """What names the models and tasks of these trials, as far as it is known.

    Raises ValueError where the given file, or the spec of a sweep that is asked,
    cannot be read or has mistakes.
    """
    if given is not None:
        return load_catalogue(given)
    catalogue = Catalogue()
    unnamed = {record.trial_id for record in records if _is_own(record, catalogue)}
    for name, manifest in store.manifests().items() if unnamed else ():
        path = Path(manifest.get("spec_path", ""))
        if path.is_file() and not unnamed.isdisjoint(_trials(manifest)):
            catalogue = _joined(catalogue, _spec_of(name, path))
    return catalogue


def _is_own(record: TrialRecord, catalogue: Catalogue) -> bool:
    """Whether a trial is of a family or task that does not ship."""
    config = record.config
    return config["model_family"] not in catalogue.families or config.get("data_source") == OWN


def _trials(manifest: dict[str, object]) -> list[str]:
    listed = manifest.get("trials")
    return [trial["trial_id"] for trial in listed] if isinstance(listed, list) else []


def _spec_of(sweep: str, path: Path) -> Catalogue:
    try:
        return load_catalogue(path)
    except ValueError as error:
        raise ValueError(
            f"{error}\n{path}: is the spec of the sweep {sweep!r}, which names what the trial is "
            f"of; mend it, or name another file by {GIVEN}"
        ) from error


def _joined(first: Catalogue, second: Catalogue) -> Catalogue:
    """Both; of one name, what the first means."""
    return replace(
        first,
        families={**second.families, **first.families},
        own_tasks={**second.own_tasks, **first.own_tasks},
        data={**second.data, **first.data},
        texts={**second.texts, **first.texts},
    )

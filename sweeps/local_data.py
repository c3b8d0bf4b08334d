"""Whether local copies of benchmarks have what the trials of a sweep will read.

A trial reads its data when its turn comes, which may be after hours; here every split
that is needed is read as a trial would. A user's own tasks are read with the spec.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from runners.catalogue import MICROWORLD, Catalogue, DataPlace, task_at
from runners.config import TrialConfig
from runners.data.records import read_records
from runners.rules import Problem
from runners.tasks.task import Split
from sweeps import document
from sweeps.document import Located
from sweeps.spec import SweepSpec

Part = tuple[str, str, Split]
"""A benchmark, a task of it, and a split of that."""


def parts_of(trials: Iterable[TrialConfig], catalogue: Catalogue) -> dict[Part, Path]:
    """What the trials read from local copies, in the order of the trials, each with its folder."""
    places = places_of(trials, catalogue)
    return {part: place.folder for part, place in places.items() if place.folder is not None}


def places_of(trials: Iterable[TrialConfig], catalogue: Catalogue) -> dict[Part, DataPlace]:
    """What the trials read of benchmarks, in the order of the trials, each with its place."""
    found: dict[Part, DataPlace] = {}
    for config in trials:
        for source, task, split in _parts(config, catalogue):
            # An own task is no place of a benchmark, and the embedded world is in the code.
            origin = None if source == MICROWORLD else catalogue.origin(source, task)
            if isinstance(origin, DataPlace):
                found[source, task, split] = origin
    return found


def _parts(config: TrialConfig, catalogue: Catalogue) -> Iterator[Part]:
    for each in catalogue.mixture_of(config) if config.mixture else [config]:
        yield each.data_source, each.task, "train"
        yield each.data_source, each.task, "dev"
    for task in config.transfers:
        source = catalogue.transfer_source(task, config.data_source)
        assert source is not None
        yield source, task, "dev"


def unreadable(spec: SweepSpec, parts: dict[Part, Path]) -> list[Located]:
    """A mistake of the spec for every split that is not there, or has a row that no trial reads."""
    found = []
    for part, folder in parts.items():
        try:
            read(part, DataPlace(folder=folder))
        except ValueError as error:
            found.append(mistake(spec, part, f"data.{part[0]}.dir", str(folder), error))
    return found


def read(part: Part, place: DataPlace) -> None:
    """Read a split as a trial would; raises ValueError where it cannot be."""
    benchmark, task, split = part
    records, _ = read_records(benchmark, task, split, place)
    task_at(benchmark, task, place).read(records, split=split)


def mistake(spec: SweepSpec, part: Part, key: str, value: str, error: ValueError) -> Located:
    """What is wrong with a split, as a mistake where the spec names its place."""
    said, _, remedy = str(error).rpartition("; ")
    rule = f"cannot be used for {part[1]}: {said}"
    return document.read(spec.text).locate(Problem(key=key, value=value, rule=rule, remedy=remedy))

"""What the trials of a sweep will read of benchmarks, and where that is.

A trial reads its data when its turn comes, which may be after hours; every split that is
needed is read before (`sweeps.fits`). A user's own tasks are read with the spec.
"""

from collections.abc import Iterable, Iterator

from runners.catalogue import MICROWORLD, Catalogue, DataPlace, Part
from runners.config import TrialConfig


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
    for each in catalogue.mixture_of(config):
        yield each.data_source, each.task, "train"
        yield each.data_source, each.task, "dev"
    for task in config.transfers:
        source = catalogue.transfer_source(task, config.data_source)
        assert source is not None
        yield source, task, "dev"

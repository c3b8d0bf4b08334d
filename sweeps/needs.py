"""What the trials of a sweep read beside its code: checkpoints, tokenizers, data and texts."""

from collections.abc import Iterable
from pathlib import Path

from runners.model.family import Place
from sweeps.spec import SweepSpec

Need = Place | Path


def needs_of(spec: SweepSpec) -> tuple[Need, ...]:
    """Everything that a worker has to find on its own machine; the hub's names are among them."""
    study, catalogue = spec.study, spec.catalogue
    wanted: dict[Need, None] = {}
    for size in study.axes.model_size:
        rung = study.family.rungs[size]
        wanted |= dict.fromkeys((rung.checkpoint, rung.tokenizer, *rung.adapted.values()))
    places = (place.folder for place in catalogue.data.values())
    files = (path for task in catalogue.own_tasks.values() for path in (task.train, task.dev))
    paths = (*places, *files, *catalogue.texts.values())
    return (*wanted, *dict.fromkeys(Path(path) for path in paths if path is not None))


def missing_here(needs: Iterable[Need]) -> list[str]:
    """What of it this machine has not, a sentence each."""
    said = (_missing(each) for each in needs)
    return [each for each in said if each]


def _missing(need: Need) -> str | None:
    if isinstance(need, Place):
        return need.missing()
    return None if need.exists() else f"{need} does not exist"

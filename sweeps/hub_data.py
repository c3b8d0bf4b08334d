"""Whether data of the hub can be had, as `doctor` looks for them; nothing is fetched.

`datasets` keeps what it has read in a cache of this machine, where trials find it.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from huggingface_hub import constants, file_exists

# What its client raises where nobody answers; which client that is has changed.
from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

from runners.catalogue import DataPlace, Part
from runners.data.hub import TASKS
from sweeps.finding import Finding, Verdict
from sweeps.fits import hub_name
from sweeps.local_data import places_of
from sweeps.plan import Plan

_REMEDY = "reach the hub once, or name a local copy (data: {BENCHMARK: {dir: ...}})"


def hub_parts(plan: Plan) -> dict[Part, DataPlace]:
    """What is left to be read from the hub, each with its revision."""
    places = places_of((work.config for work in plan.left), plan.spec.catalogue)
    return {part: place for part, place in places.items() if place.folder is None}


def hub_findings(plan: Plan) -> Iterator[Finding]:
    """A finding for each data set of the hub that is left to be read; nothing is fetched."""
    wanted: dict[tuple[str, str | None], dict[str, str | None]] = {}
    for (_, task, _), place in hub_parts(plan).items():
        tasks = wanted.setdefault((TASKS[task].repository, place.revision), {})
        tasks[task] = TASKS[task].config
    for (repository, revision), configs in wanted.items():
        verdict, said = _standing(repository, revision, configs)
        named = f"{hub_name(repository, revision)} ({', '.join(configs)}) {said}"
        yield Finding(subject="data", verdict=verdict, said=named)


def _standing(
    repository: str, revision: str | None, configs: Mapping[str, str | None]
) -> tuple[Verdict, str]:
    """Whether a data set is in the cache or at the hub."""
    missing = [task for task, config in configs.items() if not _cached(repository, config)]
    if not missing:
        return "good", "is in the cache of datasets"
    some = f" for {', '.join(missing)}" if len(missing) < len(configs) else ""
    lacks = f"is not in the cache of datasets{some}"
    if constants.HF_HUB_OFFLINE:
        return "bad", f"{lacks}, and HF_HUB_OFFLINE forbids to get it; {_REMEDY}"
    try:
        there = file_exists(repository, "README.md", repo_type="dataset", revision=revision)
    except (OSError, HTTPError) as error:
        said = " ".join(str(error).split())
        return "bad", f"{lacks}, and the hub does not answer ({said[:300]}); {_REMEDY}"
    return ("good", "is at the hub") if there else ("bad", f"is not at the hub; {_REMEDY}")


def _cached(repository: str, config: str | None) -> bool:
    # Loading `datasets` takes most of a second.
    from datasets import config as settings

    folder = Path(settings.HF_DATASETS_CACHE) / repository.replace("/", "___")
    # By config, version and commit; what the hub calls the only config of a set is its own.
    return any(folder.glob(f"{config or '*'}/*/*/dataset_info.json"))

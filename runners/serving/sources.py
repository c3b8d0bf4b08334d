"""What people name on the command line, as models to be served.

A source is a store, the folder of a trial in one, a PEFT folder, a folder of
PEFT folders, or a T5X `.npy` file. Words `key=value` behind it are fields of a
`TrialConfig`: those that a store's trials must have, and those that a file does
not tell. Nothing is unpickled.
"""

import dataclasses
import functools
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from runners.alone import with_overrides
from runners.catalogue import Catalogue
from runners.config import TrialConfig, from_mapping, parse_overrides
from runners.prompt.exporting import TRIAL, prompt_of, prompt_trial
from runners.prompt.formats import read_prompt
from runners.prompt.npy_format import SUFFIX
from runners.prompt.peft_format import CONFIG
from runners.prompt.winners import best_first, find_winners, whole
from runners.prompt_tuning import DEFAULTS
from runners.record import TrialRecord
from runners.rules import ConfigError
from runners.serving.frozen import Frozen, frozen_of, is_alike, weights_fingerprint
from runners.serving.models import ServedModel, ServedPrompt, served_model, served_prompt
from runners.store import Store

PREDICTIONS = "predictions.jsonl"
"""The file of a trial with the answers that were recorded at evaluation."""
SHIPPED = Path(__file__).resolve().parent / "shipped"
"""Prompts that ship, beside the model that they were tuned on."""
SHIPPED_WORD = "shipped"
"""The word that stands for them."""
_TRIAL_FOLDER = re.compile(r"(?P<root>.+)/trials/[0-9a-f]{2}/(?P<trial>[0-9a-f]{16})(/[^/]+)?/?")


@dataclass(frozen=True, kw_only=True)
class Source:
    """A path or URL, and the fields behind it."""

    path: str
    fields: Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Found:
    """What sources have: models, the frozen model of all of them, and what to know beside them."""

    models: tuple[ServedModel, ...]
    frozen: Frozen
    notes: tuple[str, ...] = ()


def is_field(word: str) -> bool:
    """Whether a word is `key=value`, and no path or URL that has such a sign."""
    return "=" in word and not Path(word).exists() and "://" not in word


def parse_sources(words: Sequence[str]) -> list[Source]:
    """Paths, each with the `key=value` words behind it; `shipped` is what ships.

    Raises ValueError for words before any path, and `ConfigError` for words
    that name no field.
    """
    grouped: list[tuple[str, list[str]]] = []
    for word in words:
        if not is_field(word):
            grouped.append((str(SHIPPED) if word == SHIPPED_WORD else word, []))
        elif grouped:
            grouped[-1][1].append(word)
        else:
            raise ValueError(f"{word}: stands before any source; name a store or a prompt first")
    return [Source(path=path, fields=parse_overrides(fields)) for path, fields in grouped]


def find_models(
    sources: Sequence[Source], catalogue: Catalogue, *, votes: int = 0, store: str | None = None
) -> Found:
    """The models of all sources, named by their tasks, and by their trials where tasks repeat.

    With `votes` a store gives, beside the best prompt of each task, an ensemble
    `TASK-vote` of its so many best, 2 or more. `store` has the milestone of files that
    name none. Raises ValueError where a source has no prompt or too few to vote, or
    where the prompts do not share one frozen model.
    """
    if votes < 0 or votes == 1:
        raise ValueError(f"votes {votes}: an ensemble has 2 prompts or more; give so many, or none")
    models: list[ServedModel] = []
    notes: list[str] = []
    for source in sources:
        found, said = _models_of(source, catalogue, votes, store)
        models += found
        notes += said
    if not models:
        raise ValueError("no prompts are named; give a store, prompts, or shipped")
    frozen = models[0].prompts[0].frozen
    fingerprint = functools.cache(functools.partial(weights_fingerprint, catalogue=catalogue))
    shared = [adopted(model, frozen, fingerprint) for model in _named_apart(models)]
    return Found(models=tuple(shared), frozen=frozen, notes=tuple(notes))


def _models_of(
    source: Source, catalogue: Catalogue, votes: int, store: str | None
) -> tuple[list[ServedModel], list[str]]:
    path = Path(source.path)
    files = _file_models(path, source, catalogue, store)
    if files and votes:
        raise ValueError(
            f"{path}: is not a store, whose trials could vote, and votes is {votes}; leave it out, "
            "or name a store"
        )
    return (files, []) if files else _store_models(source, catalogue, votes)


def _file_models(
    path: Path, source: Source, catalogue: Catalogue, store: str | None
) -> list[ServedModel]:
    """The models of what is no store; nothing where it may be one."""
    trial = _TRIAL_FOLDER.fullmatch(str(path.resolve()) if path.exists() else source.path)
    if trial:
        return [_trial_model(Store(trial["root"]), trial["trial"], catalogue)]
    if (path / CONFIG).is_file() or path.suffix == SUFFIX:
        return [_file_model(path, source.fields, catalogue, store)]
    inside = sorted(each.parent for each in path.glob(f"*/{CONFIG}")) if path.is_dir() else []
    if inside:
        return [_file_model(each, source.fields, catalogue, store) for each in inside]
    if "://" not in source.path and not path.exists():
        raise ValueError(f"{path}: is not there; give a store, a PEFT folder or a {SUFFIX} file")
    if path.is_file():
        read_prompt(path)  # Which says what such a file is, and what to give.
    return []


def _named_apart(models: Iterable[ServedModel]) -> list[ServedModel]:
    """Models under names of their own: the first of a name keeps it, later ones add their id.

    Where that is taken as well, by a file of another prompt that names the same trial, they
    add their key.
    """
    named: dict[str, ServedModel] = {}
    for model in models:
        prompt = model.prompts[0]
        names = (model.name, f"{model.name}-{prompt.id}", f"{model.name}-{prompt.key}")
        name = next((each for each in names if each not in named), None)
        if name is None:
            raise ValueError(f"{names[-1]}: is named twice; name each prompt once")
        named[name] = dataclasses.replace(model, name=name)
    return list(named.values())


def _trial_model(store: Store, trial_id: str, catalogue: Catalogue) -> ServedModel:
    prompt = trial_prompt(store, trial_id, catalogue)
    return served_model(prompt.config.task, [prompt])


def trial_prompt(store: Store, trial_id: str, catalogue: Catalogue) -> ServedPrompt:
    """The prompt of a committed trial; raises ValueError where there is none."""
    return _record_prompt(prompt_trial(store, trial_id), store, catalogue)


def _record_prompt(record: TrialRecord, store: Store, catalogue: Catalogue) -> ServedPrompt:
    config = from_mapping(record.config)
    problems = catalogue.problems(config)
    if problems:
        raise ConfigError(problems)
    return served_prompt(
        prompt_of(record, store), config, frozen_of(config, store=store.root), catalogue,
        trial=record.trial_id, score=record.metrics.get("score"),
        predictions=record.files.get(PREDICTIONS), origin=store.root,
    )  # fmt: skip


def _file_model(
    path: Path, fields: Mapping[str, object], catalogue: Catalogue, store: str | None
) -> ServedModel:
    """The prompt in a PEFT folder or `.npy` file; what neither it nor `fields` say is a default."""
    found = read_prompt(path)
    told = _trial_beside(path)
    given = {**told["config"], **fields} if told else _with_defaults(path, fields, catalogue)
    given |= {"prompt_length": len(found.vectors)}
    config = from_mapping(given)
    problems = catalogue.problems(config)
    if problems:
        raise ConfigError(problems)
    frozen = frozen_of(config, store=store, folder=_base_beside(path, found.base_model))
    if frozen.folder is None:
        _require_width(path, found.vectors.shape[1], config, catalogue)
    prompt = served_prompt(
        found.vectors, config, frozen, catalogue, trial=told.get("trial_id"),
        score=told.get("metrics", {}).get("score"),
        predictions=told.get("files", {}).get(PREDICTIONS),
    )  # fmt: skip
    return served_model(config.task, [prompt])


def _require_width(path: Path, width: int, config: TrialConfig, catalogue: Catalogue) -> None:
    """Raises ValueError where the model of a file's config has vectors of other lengths."""
    wanted = catalogue.rung(config.model_family, config.model_size).width
    if width != wanted:
        raise ValueError(
            f"{path}: its vectors have {width} numbers, and those of {config.model_family} "
            f"{config.model_size} have {wanted}; say what it was tuned on by model_family=... and "
            "model_size=..."
        )


def _with_defaults(
    path: Path, fields: Mapping[str, object], catalogue: Catalogue
) -> dict[str, object]:
    """The fields of a file that has none of its own; its name is its task unless one is given."""
    named = path.stem if path.suffix == SUFFIX else path.name
    return with_overrides(DEFAULTS, {"task": named, **fields}, catalogue)


def _trial_beside(path: Path) -> dict[str, Any]:
    """What an export of this project says of the trial, or nothing where another program wrote."""
    file = path / TRIAL
    if not file.is_file():
        return {}
    try:
        told = json.loads(file.read_bytes())
    except ValueError as error:
        raise ValueError(f"{file}: is not JSON ({error}); export the prompt again") from error
    if not isinstance(told, dict) or not isinstance(told.get("config"), dict):
        raise ValueError(f"{file}: has no config; export the prompt again")
    return told


def _base_beside(path: Path, base: str | None) -> Path | None:
    """The model that was written beside a PEFT folder, or that it names by a path."""
    if base is None:
        return None
    name = Path(base).name
    for folder in (path.parent / "base" / name, path.parent / name, Path(base)):
        if (folder / "config.json").is_file():
            return folder.resolve()
    return None


def _store_models(
    source: Source, catalogue: Catalogue, votes: int
) -> tuple[list[ServedModel], list[str]]:
    """The best prompt of each task, on the frozen model whose prompts do best."""
    store = Store(source.path)
    contest = find_winners(store, source.fields, "task")
    by_model: dict[Frozen, list[TrialRecord]] = {}
    for record in contest.trials:
        config = from_mapping(whole(record.config))
        by_model.setdefault(frozen_of(config, store=store.root), []).append(record)
    frozen, records = max(by_model.items(), key=lambda item: _promise(item[1]))
    notes = list(contest.notes)
    if len(by_model) > 1:
        notes.append(
            f"store {store.root} has prompts of {len(by_model)} frozen models; those of {frozen} "
            "are served, which has most tasks, and of such the highest mean score; "
            "model_size=... and other fields choose another"
        )
    _require_voters(records, frozen, votes)
    models = []
    for task, rivals in _by_task(records).items():
        ranked = best_first(rivals)
        voters = [_record_prompt(r, store, catalogue) for r in ranked[: max(votes, 1)]]
        models.append(served_model(task, voters[:1]))
        if len(voters) > 1:
            models.append(served_model(f"{task}-vote", voters))
    return models, notes


def _require_voters(records: Iterable[TrialRecord], frozen: Frozen, votes: int) -> None:
    """Raises ValueError with every task that has fewer trials than are to vote."""
    few = [
        f"task {task}: has {len(rivals)} trials on {frozen}, and votes is {votes}; give "
        "fewer votes, or choose other trials with task=... and other fields"
        for task, rivals in _by_task(records).items()
        if len(rivals) < votes
    ]
    if few:
        raise ValueError("\n".join(few))


def _by_task(records: Iterable[TrialRecord]) -> dict[str, list[TrialRecord]]:
    tasks: dict[str, list[TrialRecord]] = {}
    for record in sorted(records, key=lambda r: str(r.config["task"])):
        tasks.setdefault(str(record.config["task"]), []).append(record)
    return tasks


def _promise(records: Sequence[TrialRecord]) -> tuple[int, float]:
    """How many tasks have a prompt, and the mean of their best scores."""
    tasks = _by_task(records)
    return len(tasks), fmean(best_first(r)[0].metrics["score"] for r in tasks.values())


def adopted(
    model: ServedModel, frozen: Frozen, fingerprint: Callable[[Frozen], str]
) -> ServedModel:
    """A model as one of `frozen`, where its own frozen model has the same weights elsewhere.

    Others stay what they are. `fingerprint` tells weights apart, and is asked only where all
    else agrees.
    """

    def moved(prompt: ServedPrompt) -> ServedPrompt:
        own = prompt.frozen
        if own == frozen or not is_alike(own, frozen) or fingerprint(own) != fingerprint(frozen):
            return prompt
        return dataclasses.replace(prompt, frozen=frozen)

    return dataclasses.replace(model, prompts=tuple(map(moved, model.prompts)))


def model_of(name: str, trials: Sequence[str], store: Store, catalogue: Catalogue) -> ServedModel:
    """A model of committed trials of a store, which vote where they are several."""
    return served_model(name, [trial_prompt(store, trial, catalogue) for trial in trials])

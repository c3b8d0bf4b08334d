"""Prompts that others trained, with the scores that a user states, as committed trials.

What the user cannot know is absent from such a record: it has no history, no
predictions, and no fingerprints of code, data or checkpoint.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import TypeVar

import safetensors.numpy

from runners.catalogue import Catalogue
from runners.config import RULES, TrialConfig, from_mapping, parse_overrides, to_mapping
from runners.misfits import TRANSFER
from runners.prompt.base_model import released_place
from runners.prompt.exporting import PROMPT, TENSOR
from runners.prompt.formats import read_prompt
from runners.prompt.vectors import PromptFile
from runners.record import TrialRecord
from runners.rules import ConfigError, Problem, nearest
from runners.store import Store
from runners.tasks.task import Task

BESIDE = ("majority", "chance", "invalid")
"""Numbers that a user can state which are no part of the score."""
ROUNDING = 0.1
"""Points by which a stated score may differ from the mean of the metrics stated beside it."""
_Result = TypeVar("_Result")


@dataclass(frozen=True, kw_only=True)
class Stated:
    """What a user says of a prompt: `key=value` words, `NAME=VALUE` scores, and a free note."""

    words: Sequence[str]
    scores: Sequence[str]
    note: str | None = None


def import_prompt(path: Path, stated: Stated, store: Store, catalogue: Catalogue) -> TrialRecord:
    """Commit the prompt of a PEFT folder or `.npy` file as a trial, and return its record.

    Raises ValueError with every mistake in the file, the words and the scores,
    and where the trial is committed already: the first commit wins.
    """
    mistakes: list[str] = []
    found = _noted(mistakes, lambda: read_prompt(path))
    config = _noted(mistakes, lambda: _config(stated.words, found, catalogue))
    task = catalogue.task_of(config) if config else None
    metrics = _noted(mistakes, lambda: _of_task(metrics_of(stated.scores), task))
    if found is None or config is None or metrics is None:
        raise ValueError("\n".join(mistakes))
    standing = store.get(config.trial_id)
    if standing is None:
        record = _commit(found, config, metrics, stated.note, store, catalogue)
        standing = store.get(config.trial_id)
        assert standing is not None
        if standing.attempt == record.attempt:
            return standing
    raise ValueError(_taken(standing, store))


def _noted(mistakes: list[str], work: Callable[[], _Result]) -> _Result | None:
    """What `work` gives; None where it raises ValueError, which is noted."""
    try:
        return work()
    except ValueError as error:
        mistakes.append(str(error))
        return None


def _config(words: Sequence[str], found: PromptFile | None, catalogue: Catalogue) -> TrialConfig:
    """The config that the words give; the length of the prompt is that of the file."""
    given = catalogue.meant_by(parse_overrides(words))
    method = given.pop("method", "prompt_tuning")
    if method != "prompt_tuning":
        raise ConfigError([_problem("method", method, "trains no prompt", "leave it out")])
    for name in TRANSFER:
        if given.get(name) is not None:
            rule = "is what is measured at the end of a trial, and never stated"
            raise ConfigError([_problem(name, given[name], rule, "leave it out")])
    # Without a file any legal length serves to find the mistakes in the words.
    length = len(found.vectors) if found else 1
    config = from_mapping({"method": method, "prompt_length": length, **given})
    problems = catalogue.problems(config) or (_misfits(config, found, catalogue) if found else [])
    if problems:
        raise ConfigError(problems)
    return config


def _misfits(config: TrialConfig, found: PromptFile, catalogue: Catalogue) -> list[Problem]:
    """What the file says otherwise than the config."""
    rung = catalogue.rung(config.model_family, config.model_size)
    architecture = catalogue.architecture(config.model_family)
    length, width = found.vectors.shape
    problems = []
    if config.prompt_length != length:
        rule = f"is not the length of {found.file}, {length}"
        problems.append(_problem("prompt_length", config.prompt_length, rule, "leave it out"))
    if rung.width != width:
        rule = f"has width {rung.width}, and the vectors of {found.file} have {width}"
        remedy = "name the model that the prompt was trained on"
        problems.append(_problem("model_size", config.model_size, rule, remedy))
    if found.architecture not in (None, architecture):
        rule = f"is a family of {architecture}, and {found.file} is of {found.architecture}"
        remedy = "name the family that the prompt was trained on"
        problems.append(_problem("model_family", config.model_family, rule, remedy))
    return problems + _other_base(config, found, catalogue)


def _other_base(config: TrialConfig, found: PromptFile, catalogue: Catalogue) -> list[Problem]:
    """A problem where the file names a checkpoint of the catalogue that is not the config's.

    Of a name that the catalogue does not know nothing can be said.
    """
    rungs = [rung for family in catalogue.families.values() for rung in family.rungs.values()]
    known = {place.hub_id for rung in rungs for place in (rung.checkpoint, *rung.adapted.values())}
    place = released_place(config, catalogue.rung(config.model_family, config.model_size))
    wanted = place.hub_id if place else None
    if found.base_model is None or found.base_model == wanted or found.base_model not in known:
        return []
    rule = f"with lm_adaptation_steps {config.lm_adaptation_steps} is {wanted or 'another model'}, "
    rule += f"and {found.file} is of {found.base_model}"
    remedy = "name the model that the prompt was trained on"
    return [_problem("model_size", config.model_size, rule, remedy)]


def _problem(key: str, value: object, rule: str, remedy: str) -> Problem:
    return Problem(key=key, value=value, rule=rule, remedy=remedy)


def metrics_of(words: Sequence[str]) -> dict[str, float]:
    """`NAME=VALUE` words as metrics; `score` is the mean of them, as it is of every trial.

    Raises `ConfigError` with every word that is not of that form, is no number
    from 0 to 100 (`invalid`: 0 to 1), or has a name that is taken; and where no
    score follows, or another than is stated.
    """
    metrics: dict[str, float] = {}
    problems = []
    for word in words:
        name, equals, text = word.partition("=")
        broken = _broken_score(name, text if equals else None, metrics)
        if broken:
            problems.append(_problem("--score", word, *broken))
        else:
            metrics[name] = float(text)
    problems = problems or _score_problems(metrics)
    if problems:
        raise ConfigError(problems)
    return {**metrics, "score": metrics.get("score", _mean(metrics))}


def _of_task(metrics: dict[str, float], task: Task | None) -> dict[str, float]:
    """The stated metrics; raises `ConfigError` where they are not those of the task, if any.

    They are all of them, or none where the score stands alone: a mean of some would
    rank the trial among others by another number.
    """
    if task is None:
        return metrics
    wanted = task.metric_names
    stated = [name for name in metrics if name not in ("score", *BESIDE)]
    problems = [
        _problem(
            "--score", name, f"is no metric of {task.name}, which has {', '.join(wanted)}",
            f"did you mean {near!r}?" if (near := nearest(name, wanted)) else "state these",
        )
        for name in stated
        if name not in wanted
    ]  # fmt: skip
    missing = [name for name in wanted if name not in stated]
    if stated and missing and not problems:
        rule = f"is not stated, and the score of {task.name} is the mean of {', '.join(wanted)}"
        remedy = "state it too, or score alone"
        problems = [_problem("--score", name, rule, remedy) for name in missing]
    if problems:
        raise ConfigError(problems)
    return metrics


def _broken_score(
    name: str, text: str | None, before: Mapping[str, float]
) -> tuple[str, str] | None:
    """The rule that a stated number breaks, and the remedy."""
    if text is None or not name.isidentifier():
        return "is not NAME=VALUE", "write, for example, accuracy=68.6"
    if name in before:
        return "is stated twice", "state it once"
    if name in RULES:
        return "is a field of the config", "write it without --score"
    highest = 1 if name == "invalid" else 100
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= highest:
        return f"is not a number from 0 to {highest}", "write scores in percent"
    return None


def _score_problems(metrics: Mapping[str, float]) -> list[Problem]:
    """What is wrong with the score that the metrics give."""
    score, mean = metrics.get("score"), _mean(metrics)
    if score is None and math.isnan(mean):
        remedy = "add --score score=VALUE, or each metric of the task"
        return [_problem("--score", " ".join(metrics) or None, "gives no score", remedy)]
    if score is not None and abs(score - mean) > ROUNDING:
        rule = f"is not the mean of the metrics beside it, {mean:.2f}"
        return [_problem("score", score, rule, "state the metrics or the score")]
    said = mean if score is None else score
    if 0 < said <= 1:
        return [_problem("score", said, "looks like a share of 1", "write scores in percent")]
    return []


def _mean(metrics: Mapping[str, float]) -> float:
    """The score that metrics give; NaN where there are none."""
    parts = [value for name, value in metrics.items() if name not in ("score", *BESIDE)]
    return fmean(parts) if parts else math.nan


def _commit(
    found: PromptFile, config: TrialConfig, metrics: Mapping[str, float], note: str | None,
    store: Store, catalogue: Catalogue,
) -> TrialRecord:  # fmt: skip
    """Put the prompt into the store; returns the record as this attempt has it."""
    rung = catalogue.rung(config.model_family, config.model_size)
    source = {"format": found.format, "file": found.file, "sha256": found.sha256, **found.about}
    attempt = store.begin(config.trial_id)
    vectors = {TENSOR: found.vectors}
    attempt.write(PROMPT, lambda path: safetensors.numpy.save_file(vectors, path))
    record = TrialRecord(
        trial_id=config.trial_id,
        attempt=attempt.id,
        stage="tuning",
        label=config.label,
        config=to_mapping(config),
        metrics=metrics,
        provenance={
            "measured": False,
            "imported": datetime.now(UTC).isoformat(timespec="seconds"),
            "imported_from": source
            | ({"base_model": found.base_model} if found.base_model else {}),
            **({"note": note} if note else {}),
            "trainable_parameters": found.vectors.size,
            "model_parameters": rung.parameters,
        },
        files={},
    )
    attempt.commit(record)
    return record


def _taken(standing: TrialRecord, store: Store) -> str:
    how = "measured" if standing.measured else "imported"
    score = standing.metrics.get("score")
    return (
        f"trial {standing.trial_id} ({standing.label}): is committed in store {store.root} "
        f"already, {how} with score {score}, and the first commit wins; give another seed if this "
        "is a further run of the same config"
    )

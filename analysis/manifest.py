"""What a sweep consists of, as its driver wrote it into the store: the list of planned trials.

The manifest is what makes a missing trial visible: a record that is not there
tells nothing by itself.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

from runners.config import RULES, TrialConfig
from runners.rules import ConfigError, Problem, unknown_key

_KEYS = {"name": str, "design": str, "spec": str, "spec_sha256": str, "code": str,
         "axes": Mapping, "defaults": Mapping, "trials": list}  # fmt: skip
_TRIAL_KEYS = {"trial_id": str, "panels": list, "config": Mapping}
_DEFAULTS = {f.name: f.default for f in fields(TrialConfig) if f.default is not MISSING}


@dataclass(frozen=True, kw_only=True)
class PlannedTrial:
    """One trial of the sweep: its id, the panels it feeds, and every field of its config."""

    trial_id: str
    panels: frozenset[str]
    config: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A sweep as planned: the spec it came from and every trial in it."""

    name: str
    design: str
    spec: str
    spec_sha256: str
    code: str
    axes: Mapping[str, tuple[Any, ...]]
    defaults: Mapping[str, Any]
    trials: tuple[PlannedTrial, ...]


def read_manifest(values: Mapping[str, Any]) -> Manifest:
    """The manifest that the driver wrote as plain values.

    Raises `ConfigError` (a ValueError) with every missing, mistyped or foreign
    key, of the manifest and of its trials, and every id that stands twice.
    """
    problems = _misshapen("manifest", values, _KEYS)
    if problems:
        raise ConfigError(problems)
    for number, trial in enumerate(values["trials"]):
        problems += _trial_problems(number, trial)
    problems += [
        Problem(
            key=f"manifest.axes.{axis}", value=levels, rule="is not a list",
            remedy="run the sweep again to rewrite the manifest",
        )
        for axis, levels in values["axes"].items() if not isinstance(levels, list | tuple)
    ]  # fmt: skip
    if not problems:
        problems += _repeated(trial["trial_id"] for trial in values["trials"])
    if problems:
        raise ConfigError(problems)
    return Manifest(
        **{
            key: values[key]
            for key in ("name", "design", "spec", "spec_sha256", "code", "defaults")
        },
        axes={axis: tuple(levels) for axis, levels in values["axes"].items()},
        trials=tuple(_planned(trial) for trial in values["trials"]),
    )


def _planned(trial: Mapping[str, Any]) -> PlannedTrial:
    # A manifest of an older version lacks the fields that came later.
    config = {name: trial["config"].get(name, _DEFAULTS.get(name)) for name in RULES}
    return PlannedTrial(
        trial_id=trial["trial_id"], panels=frozenset(trial["panels"]), config=config
    )


def _trial_problems(number: int, trial: Any) -> list[Problem]:
    where = f"trials[{number}]"
    problems = _misshapen(where, trial, _TRIAL_KEYS)
    if problems:
        return problems
    missing = [name for name in RULES if name not in trial["config"] and name not in _DEFAULTS]
    foreign = [unknown_key(key, RULES) for key in trial["config"] if key not in RULES]
    return foreign + [_missing(f"{where}.config.{name}") for name in missing]


def _misshapen(where: str, values: Any, keys: Mapping[str, type]) -> list[Problem]:
    """The keys of `values` that are absent or of another type than `keys` wants."""
    if not isinstance(values, Mapping):
        return [
            Problem(
                key=where,
                value=values,
                rule="is not an object",
                remedy="run the sweep again to rewrite it",
            )
        ]
    problems = [_missing(f"{where}.{key}") for key in keys if key not in values]
    return problems + [
        Problem(
            key=f"{where}.{key}", value=values[key], rule=f"is not a {wanted.__name__.lower()}",
            remedy="run the sweep again to rewrite the manifest",
        )
        for key, wanted in keys.items()
        if key in values and not isinstance(values[key], wanted)
    ]  # fmt: skip


def _missing(key: str) -> Problem:
    return Problem(
        key=key, value=None, rule="is missing", remedy="run the sweep again to rewrite the manifest"
    )


def _repeated(trial_ids: Any) -> list[Problem]:
    return [
        Problem(
            key="trials",
            value=trial_id,
            rule=f"stands {count} times",
            remedy="a trial is listed once",
        )
        for trial_id, count in Counter(trial_ids).items()
        if count > 1
    ]

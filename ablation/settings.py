"""Settings of a study: everything about its trials that is no axis.

They are kept as one template `TrialConfig` for each method, the default cell at
the first size, task and seed, from which every trial follows by replacement.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from ablation.axes import AXES
from ablation.cell import Cell
from runners.config import METHODS, RULES, TRAINING, TrialConfig, from_mapping
from runners.rules import ConfigError
from runners.section import Section

STUDIED = "prompt_tuning"
"""The method that the axes are about; every other one is a baseline."""
MULTITASK = "multitask_model_tuning"
DESIGNED = "prompt_design"
BASELINES = tuple(method for method in METHODS if method != STUDIED)


@dataclass(frozen=True, kw_only=True)
class AdaptationSettings:
    """How every LM-adaptation run of the study trains; there is one for each model size."""

    batch_size: int
    learning_rate: float
    seed: int
    text: str | None = None
    """Fingerprint of the text that is read; None is the embedded world."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A template for each method, and LM adaptation where the study has any."""

    prompt_tuning: TrialConfig
    baselines: tuple[TrialConfig, ...]
    lm_adaptation: AdaptationSettings | None


_ADAPTATION = {field.name: f"lm_adaptation_{field.name}" for field in fields(AdaptationSettings)}
# Fields of a trial that are no settings, and where a spec has them.
_HOMES = {
    "method": "in baselines",
    "model_family": "at the top of the spec",
    "task_content": "under tasks",
    "transfer_content": "under tasks",
    "mixture": "as axes.task, all of which it trains on",
    **{axis.name: "under axes and defaults" for axis in AXES},
    **{field: f"as settings.lm_adaptation.{name}" for name, field in _ADAPTATION.items()},
}
_SHARED = tuple(name for name in RULES if name not in _HOMES)
# Methods may train differently, but are compared on the same data.
_DATA = (
    "data_source", "train_examples", "dev_examples", "input_length", "target_length",
    "long_inputs", "transfer_tasks",
)  # fmt: skip
# What a spec says once for all tasks and each takes its own part of.
_OF_TASK = ("data_source", "transfer_tasks")
_OF_METHOD = tuple(name for name in _SHARED if name not in _DATA)
_OF_BASELINE = (*_OF_METHOD, "pretraining_objective", "lm_adaptation_steps")


def adaptation_fields(
    settings: AdaptationSettings | None, steps: int, released: Collection[int]
) -> dict[str, Any]:
    """The `lm_adaptation_*` fields of a trial: set where the study adapts the model itself.

    A model that others have released after so many steps is taken as it is.
    """
    if not steps or steps in released:
        return dict.fromkeys(_ADAPTATION.values())
    assert settings is not None
    return {_ADAPTATION[name]: value for name, value in asdict(settings).items()}


def data_source(section: Section) -> object:
    """Where the examples of the study come from, as written or by default."""
    shared = section.values.get("shared")
    default = next(field.default for field in fields(TrialConfig) if field.name == "data_source")
    return shared.get("data_source", default) if isinstance(shared, Mapping) else default


def read(
    section: Section,
    *,
    place: Mapping[str, object],
    tasks: Collection[str],
    cell: Cell,
    pretrained: str,
    baselines: tuple[str, ...],
    released: Collection[int],
    adapted: bool,
) -> Settings | None:
    """The settings of a study, or None where a template is not legal.

    `place` is the family, size, task, its data and the seed of the templates,
    `cell` the rest of the prompt's, `tasks` what a mixture is made of. Baselines
    start from the objective `pretrained` unless their settings say otherwise.
    `released` are the steps after which the model of `place` can be had;
    `adapted` says whether any cell needs more than those.
    """
    section.only(("shared", *METHODS, "lm_adaptation"))
    shared = section.section("shared")
    _check_names(shared, _SHARED)
    starts = _starts(cell, pretrained, tasks)
    templates = [
        _template(section, shared, {**place, "method": method, **starts[method]})
        for method in (STUDIED, *baselines)
    ]
    legal = [template for template in templates if template]
    own = {template.lm_adaptation_steps for template in legal} - {0, *released}
    needed = adapted or bool(own)
    _check_use(section, baselines, adapted=needed or len(legal) < len(templates))
    adaptation = _adaptation(section.section("lm_adaptation")) if needed else None
    if len(legal) < len(templates):
        return None
    prompt, *others = (_adapted(template, adaptation, released) for template in legal)
    return Settings(prompt_tuning=prompt, baselines=tuple(others), lm_adaptation=adaptation)


def _starts(cell: Cell, pretrained: str, tasks: Collection[str]) -> dict[str, dict[str, Any]]:
    """What each method has of its own before a spec says anything.

    Model tuning starts from the model before any adaptation (Lester et al.
    2021, 3.1). Multi-task models are told by a prefix which task is meant (3.1).
    Hand-written prompts are for the model that soft ones are tuned for.
    """
    unadapted = {"pretraining_objective": pretrained, "lm_adaptation_steps": 0}
    adapted = {name: getattr(cell, name) for name in unadapted}
    mixture = {"mixture": ",".join(sorted(tasks)), "task_prefix": True}
    return {
        STUDIED: asdict(cell), "model_tuning": unadapted, MULTITASK: {**unadapted, **mixture},
        DESIGNED: {**adapted, "shots": 0, "seed": 0},
    }  # fmt: skip


def _template(
    section: Section, shared: Section, values: Mapping[str, object]
) -> TrialConfig | None:
    """One method's template; a broken rule is reported where the spec has the value."""
    method = str(values["method"])
    own = section.section(method)
    allowed = _OF_METHOD if method == STUDIED else _OF_BASELINE
    _check_names(own, allowed)
    # Where a task is from and where else its trials are judged is no template's.
    named = [name for name in _SHARED if name not in _OF_TASK]
    if method == DESIGNED:
        named = [name for name in named if name not in TRAINING]
    values = dict(values) | shared.pick(named) | own.pick(allowed)
    try:
        return from_mapping(values)
    except ConfigError as error:
        for problem in error.problems:
            is_shared = problem.key in shared.values and problem.key not in own.values
            home = shared if is_shared else own
            section.problems.append(replace(problem, key=home.key(problem.key)))
        return None


def _adapted(
    template: TrialConfig, settings: AdaptationSettings | None, released: Collection[int]
) -> TrialConfig:
    # Settings that are missing have been reported, and the template is thrown away.
    steps = template.lm_adaptation_steps if settings else 0
    return replace(template, **adaptation_fields(settings, steps, released))


def _adaptation(section: Section) -> AdaptationSettings | None:
    section.only(_ADAPTATION)
    needed = {name: field for name, field in _ADAPTATION.items() if name != "text"}
    values = {
        name: section.value(name, replace(RULES[field], optional=False))
        for name, field in needed.items()
    }
    text = section.value("text", RULES[_ADAPTATION["text"]])
    return None if None in values.values() else AdaptationSettings(**values, text=text)


def _check_names(section: Section, allowed: tuple[str, ...]) -> None:
    """Reports keys that are no settings of this section, and where they belong."""
    homes = {**_HOMES, **dict.fromkeys(_OF_TASK, "under settings.shared")}
    for name, value in section.values.items():
        if name in homes and name not in allowed:
            section.report(name, value, "is not a setting here", f"write it {homes[name]}")
        elif name not in allowed:
            section.unknown(name, allowed)


def _check_use(section: Section, baselines: tuple[str, ...], *, adapted: bool) -> None:
    """Reports sections that no trial reads."""
    for method in BASELINES:
        if method in section.values and method not in baselines:
            remedy = f"add {method} to baselines, or leave the section out"
            section.report(method, method, "applies to no trial", remedy)
    if "lm_adaptation" in section.values and not adapted:
        remedy = "ask for 1 or more lm_adaptation_steps, or leave the section out"
        section.report("lm_adaptation", "lm_adaptation", "applies to no trial", remedy)

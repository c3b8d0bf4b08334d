"""A study: its design, the values of its axes, its default cell, settings and baselines.

`from_mapping` reads one from plain values and reports every mistake at once;
where the values come from (YAML, a test) is no matter here.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ablation import search, settings, transfer
from ablation.axes import ABLATED, AXES, CROSSED
from ablation.axis import Axis, Value
from ablation.cell import ADAPTED, CAUSAL, PRETRAINED, Cell
from ablation.search import Search
from ablation.settings import BASELINES, Settings
from runners.catalogue import SPEC_SOURCES, Catalogue, textless
from runners.config import RULES, TrialConfig
from runners.model.family import Family
from runners.rules import ConfigError, Problem, Rule
from runners.section import Section

DESIGNS = ("star", "complete", search.DESIGN)
KEYS = (
    "design",
    "model_family",
    "axes",
    "defaults",
    "ablation_tasks",
    "ablation_seeds",
    "settings",
    "baselines",
    "search",
)
"""The keys of a study, in the order of a spec."""


@dataclass(frozen=True, kw_only=True)
class AxisValues:
    """The values of every axis; an ablated axis that a spec leaves out has its default alone."""

    model_size: tuple[str, ...]
    prompt_length: tuple[int, ...]
    prompt_init: tuple[str, ...]
    pretraining_objective: tuple[str, ...]
    lm_adaptation_steps: tuple[int, ...]
    task: tuple[str, ...]
    seed: tuple[int, ...]

    def of(self, axis: Axis) -> tuple[Value, ...]:
        """The values of one axis."""
        values: tuple[Value, ...] = getattr(self, axis.name)
        return values


@dataclass(frozen=True, kw_only=True)
class Study:
    """What a sweep asks.

    `design` 'star' varies one axis of the default cell at a time; 'complete'
    also crosses all ablated axes. Cells off the default run only on
    `ablation_tasks` and `ablation_seeds`.
    """

    design: str
    axes: AxisValues
    defaults: Cell
    ablation_tasks: tuple[str, ...]
    ablation_seeds: tuple[int, ...]
    settings: Settings
    released: Collection[int]
    """Steps of LM adaptation after which every size can be had, so that nobody adapts it."""
    family: Family
    """The ladder of frozen models that `model_size` climbs."""
    data: Mapping[str, Mapping[str, Any]]
    """The fields of a trial that say where the examples of each task come from."""
    search: Search | None
    """What a search tries; None for the other designs."""
    transfer: Mapping[str, Mapping[str, Any]]
    """The fields of a trial that say where else each task's best points are judged."""

    @property
    def baselines(self) -> tuple[str, ...]:
        """Methods beside prompt tuning, run at every size, task and seed."""
        return tuple(template.method for template in self.settings.baselines)

    def fields_of(self, task: str, template: TrialConfig) -> dict[str, Any]:
        """What trials of a task and of a template's method have of that task."""
        transfer = self.transfer.get(task, {}) if template.training else {}
        return {"task": task, **self.data[task], **transfer}


def from_mapping(values: object, catalogue: Catalogue) -> Study:
    """A study from plain values, whose names are those of `catalogue`.

    Raises `ConfigError` with every mistake, each keyed by its dotted path.
    """
    problems: list[Problem] = []
    study = _read(Section(values, problems), catalogue)
    if problems:
        # A shared setting that breaks a rule breaks it for every method alike.
        raise ConfigError({str(problem): problem for problem in problems}.values())
    assert study is not None
    return study


def _read(top: Section, catalogue: Catalogue) -> Study | None:
    top.only(KEYS)
    design = top.value("design", Rule(type=str, choices=DESIGNS))
    named = top.value("model_family", Rule(type=str, choices=tuple(catalogue.families)))
    family = catalogue.families[named] if named else None
    written = top.section("settings")
    data = _data(written, catalogue)
    values = _values(top.section("axes"), _rules(family, data))
    defaults = _defaults(top.section("defaults"), values)
    cell = defaults or _PLACEHOLDER
    if defaults and not defaults.lm_adaptation_steps:
        _check_objectives(top, values)
    if family:
        _check_family(top, family, values, cell)
    released = _released(family, values.get("model_size", ()))
    adapted = _adapted(cell, values, released) or (
        defaults is None and "lm_adaptation" in written.values
    )
    chosen = settings.read(
        written,
        place=_place(family, values, data),
        tasks=values.get("task", ()),
        cell=cell,
        pretrained=family.objective if family else PRETRAINED,
        baselines=_baselines(top, written),
        released=released,
        adapted=adapted,
    )
    if family and (adapted or (chosen and chosen.lm_adaptation)):
        _check_text(written, family)
    _check_trainable(top, values.get("task", ()), catalogue)
    transferred = transfer.read(
        written.section("shared"), tasks=values.get("task", ()), data=data, catalogue=catalogue
    )
    tasks = _ablation(top, "ablation_tasks", design, values, "task")
    seeds = _ablation(top, "ablation_seeds", design, values, "seed")
    is_placed = family is not None and all(axis.name in values for axis in CROSSED)
    is_placed = is_placed and set(values["task"]) <= data.keys()
    if not is_placed or defaults is None or chosen is None:
        return None
    assert family is not None
    lone = {axis.name: (getattr(defaults, axis.name),) for axis in ABLATED}
    return Study(
        design=design,
        axes=AxisValues(**lone | values),
        defaults=defaults,
        ablation_tasks=tasks,
        ablation_seeds=seeds,
        settings=chosen,
        released=released,
        family=family,
        data={task: data[task] for task in values["task"]},
        search=_search(top, design, chosen),
        transfer=transferred,
    )


# Stands in for a broken default cell, so that all else can still be checked.
_PLACEHOLDER = Cell(
    prompt_length=1,
    prompt_init="random_uniform",
    pretraining_objective=PRETRAINED,
    lm_adaptation_steps=0,
)


def _rules(family: Family | None, tasks: Collection[str]) -> dict[str, Rule]:
    """The rule of one value of every axis."""
    rules = {axis.name: replace(RULES[axis.name], optional=False) for axis in AXES}
    sizes = tuple(family.rungs) if family else ()
    rules["model_size"] = replace(rules["model_size"], choices=sizes)
    rules["task"] = replace(rules["task"], choices=tuple(tasks))
    return rules


def _search(top: Section, design: str | None, chosen: Settings) -> Search | None:
    """What is searched; the trained methods of the study, each with values of its own."""
    if design != search.DESIGN:
        if "search" in top.values:
            rule = f"does not apply to design {design}"
            top.report("search", top.values["search"], rule, "leave it out, or write design search")
        return None
    for axis in ABLATED:
        values = top.section("axes").values.get(axis.name)
        if isinstance(values, list) and len(values) > 1:
            rule = "is more than the default, at which a search runs"
            top.report(f"axes.{axis.name}", values, rule, "give one value, or leave it out")
    templates = [each for each in (chosen.prompt_tuning, *chosen.baselines) if each.training]
    return search.read(top.section("search"), templates)


def _data(written: Section, catalogue: Catalogue) -> dict[str, Mapping[str, Any]]:
    """The tasks that the study may name, each with the fields that say what is meant.

    Those of its data source, and a user's own; without the former where the
    source is not known, which is reported.
    """
    source = settings.data_source(written)
    rule = Rule(type=str, choices=SPEC_SOURCES)
    known = str(source) if written.check("shared.data_source", source, rule) else ""
    tasks = (*catalogue.tasks_of(known), *catalogue.own_tasks)
    return {task: catalogue.fields_of(task, known) for task in tasks}


def _check_trainable(top: Section, tasks: Collection[str], catalogue: Catalogue) -> None:
    """Reports tasks that no trial can train on."""
    for place, task in enumerate(tasks):
        if problem := catalogue.dev_only(task):
            top.report(f"axes.task[{place}]", task, problem.rule, problem.remedy)


def _values(section: Section, rules: Mapping[str, Rule]) -> dict[str, tuple[Any, ...]]:
    section.only(rules)
    names = [axis.name for axis in AXES if axis in CROSSED or axis.name in section.values]
    return {name: section.listed(name, rules[name]) for name in names}


def _defaults(section: Section, values: Mapping[str, tuple[Any, ...]]) -> Cell | None:
    """The default cell: legal values, each among its axis where the spec has that axis."""
    names = [axis.name for axis in ABLATED]
    section.only(names)
    cell = {name: section.value(name, replace(RULES[name], optional=False)) for name in names}
    for name, value in cell.items():
        if value is not None and values.get(name):
            section.among(name, value, values[name], f"axes.{name}")
    objective, steps = cell["pretraining_objective"], cell["lm_adaptation_steps"]
    fits = None in (objective, steps) or (objective == ADAPTED) == (steps > 0)
    if not fits:
        rule = f"does not fit defaults.pretraining_objective {objective}"
        remedy = "give 1 or more steps" if objective == ADAPTED else "give 0 steps"
        section.report("lm_adaptation_steps", steps, rule, remedy)
    return Cell(**cell) if fits and None not in cell.values() else None


def _check_objectives(top: Section, values: Mapping[str, tuple[Any, ...]]) -> None:
    """Reports LM adaptation as an objective to vary where no default says for how many steps."""
    if ADAPTED in values.get("pretraining_objective", ()):
        rule = "has no number of steps, since defaults.lm_adaptation_steps is 0"
        remedy = "make it the default objective, or vary lm_adaptation_steps instead"
        top.report("axes.pretraining_objective", ADAPTED, rule, remedy)


def _check_family(
    top: Section, family: Family, values: Mapping[str, tuple[Any, ...]], cell: Cell
) -> None:
    """Reports objectives and adaptations that models of the family's architecture do not have."""
    objectives = (cell.pretraining_objective, *values.get("pretraining_objective", ()))
    steps = (cell.lm_adaptation_steps, *values.get("lm_adaptation_steps", ()))
    is_causal = family.objective == CAUSAL
    for objective in dict.fromkeys(objectives):
        if (objective == CAUSAL) != is_causal and cell is not _PLACEHOLDER:
            rule = f"does not fit family {family.name}, which is {family.architecture}"
            remedy = f"write {family.objective}"
            top.report("axes.pretraining_objective", objective, rule, remedy)
    if is_causal and any(steps):
        rule = f"does not fit family {family.name}, whose models go on from text as they are"
        top.report("axes.lm_adaptation_steps", max(steps), rule, "give 0 alone, or leave it out")


def _check_text(written: Section, family: Family) -> None:
    """Reports an adaptation of a user's own family to a world that it has not read."""
    asked = written.values.get("lm_adaptation", {})
    problem = textless(family.name, asked.get("text")) if isinstance(asked, Mapping) else None
    if problem:
        written.report("lm_adaptation.text", problem.value, problem.rule, problem.remedy)


def _place(
    family: Family | None,
    values: Mapping[str, tuple[Any, ...]],
    data: Mapping[str, Mapping[str, Any]],
) -> dict[str, object]:
    """Family, size, task, its data and seed of the templates; a placeholder where there is none."""
    first = {name: next(iter(values[name]), None) for name in ("model_size", "task", "seed")}
    return {
        "model_family": family.name if family else "?",
        "model_size": first["model_size"] or "?",
        "task": first["task"] or "?",
        "seed": first["seed"] or 0,
        **data.get(str(first["task"]), {}),
    }


def _baselines(top: Section, written: Section) -> tuple[str, ...]:
    """The methods to compare with; those that have settings where the list is not legal."""
    if top.values.get("baselines", []) == []:
        return ()
    legal = top.listed("baselines", Rule(type=str, choices=BASELINES))
    return legal or tuple(method for method in BASELINES if method in written.values)


def _released(family: Family | None, sizes: Collection[str]) -> Collection[int]:
    """The steps after which every size can be had LM-adapted."""
    ladders = [set(family.rungs[size].adapted) for size in sizes] if family else []
    return set.intersection(*ladders) if ladders else ()


def _adapted(cell: Cell, values: Mapping[str, tuple[Any, ...]], released: Collection[int]) -> bool:
    """Whether any cell starts from a model that the study has to adapt itself."""
    asked = {cell.lm_adaptation_steps, *values.get("lm_adaptation_steps", ())}
    return bool(asked - {0, *released})


def _ablation(
    top: Section, key: str, design: str | None, values: Mapping[str, tuple[Any, ...]], axis: str
) -> tuple[Any, ...]:
    """Tasks or seeds of the cells off the default; all of the axis where the spec is silent."""
    if key not in top.values:
        return values[axis]
    if design in ("complete", search.DESIGN):
        top.report(key, top.values[key], f"does not apply to design {design}", "leave it out")
        return ()
    chosen = top.listed(key, replace(RULES[axis], optional=False))
    for index, value in enumerate(chosen if values[axis] else ()):
        top.among(f"{key}[{index}]", value, values[axis], f"axes.{axis}")
    return chosen

"""The trials that a study asks for, each with the panels it belongs to.

Panels are `scale` (Figure 1: the default cell and the baselines over sizes) and
one for each ablated axis of two or more values (Figure 3). A cell that panels
share is one trial. What belongs to no panel, in a complete design, is `grid`; the
settings that a search tries are `search`.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import product

from ablation import model_size
from ablation.axes import ABLATED
from ablation.cell import Cell
from ablation.search import DESIGN as SEARCH
from ablation.search import Search
from ablation.settings import adaptation_fields
from ablation.study import Study
from runners.config import TrialConfig

SCALE = str(model_size.AXIS.panel)
GRID = "grid"
PANELS: tuple[str, ...] = (SCALE, *(str(axis.panel) for axis in ABLATED), GRID, SEARCH)
"""Every panel, in the order of the figures."""

Cells = dict[Cell, frozenset[str]]


@dataclass(frozen=True, kw_only=True)
class GridTrial:
    """One trial of a study and the names of the panels that show it."""

    config: TrialConfig
    panels: frozenset[str]


def build(study: Study) -> tuple[GridTrial, ...]:
    """Every trial once: sizes in the order of the spec, baselines before prompts.

    A new value of an axis adds trials and changes none of the others.
    """
    if study.search is not None:
        return tuple(_searched(study, study.search))
    cells = _star(study)
    if study.design == "complete":
        cells = {**dict.fromkeys(_product(study), frozenset({GRID})), **cells}
    return tuple(
        trial
        for size in study.axes.model_size
        for trial in (*_baselines(study, size), *_prompts(study, size, cells))
    )


def _searched(study: Study, search: Search) -> Iterator[GridTrial]:
    """Every setting that is tried, of every method, at the default cell."""
    templates = (study.settings.prompt_tuning, *study.settings.baselines)
    tried = [template for template in templates if template.method in search.settings]
    for size, template in product(study.axes.model_size, tried):
        for setting, task, seed in product(
            search.configs(template), study.axes.task, study.axes.seed
        ):
            named = study.fields_of(task, setting)
            config = replace(setting, model_size=size, seed=seed, **named)
            yield GridTrial(config=config, panels=frozenset({SEARCH}))


def _star(study: Study) -> Cells:
    """The default cell and each move along one axis, with its panels."""
    panels = {study.defaults: {SCALE}}
    for axis in ABLATED:
        values = study.axes.of(axis)
        if len(values) < 2:
            continue
        for value in (getattr(study.defaults, axis.name), *values):
            cell = study.defaults.moved(axis.name, value)
            panels.setdefault(cell, set()).add(str(axis.panel))
    return {cell: frozenset(names) for cell, names in panels.items()}


def _product(study: Study) -> Iterator[Cell]:
    """Every length, init and number of adaptation steps, crossed."""
    axes = study.axes
    for length, init, steps in product(
        axes.prompt_length, axes.prompt_init, axes.lm_adaptation_steps
    ):
        moved = study.defaults.moved("lm_adaptation_steps", steps)
        yield replace(moved, prompt_length=length, prompt_init=init)


def _baselines(study: Study, size: str) -> Iterator[GridTrial]:
    for template, task in product(study.settings.baselines, study.axes.task):
        # Without shots there is nothing to draw, and one result for all seeds.
        for seed in (0,) if template.shots == 0 else study.axes.seed:
            named = study.fields_of(task, template)
            config = replace(template, model_size=size, seed=seed, **named)
            yield GridTrial(config=config, panels=frozenset({SCALE}))


def _prompts(study: Study, size: str, cells: Cells) -> Iterator[GridTrial]:
    template, adaptation = study.settings.prompt_tuning, study.settings.lm_adaptation
    for cell, panels in cells.items():
        start = adaptation_fields(adaptation, cell.lm_adaptation_steps, study.released)
        at_size = replace(template, model_size=size, **asdict(cell), **start)
        for task, seed in product(study.axes.task, study.axes.seed):
            shown = panels if _is_ablated(study, task, seed) else panels & {SCALE}
            if shown:
                config = replace(at_size, seed=seed, **study.fields_of(task, template))
                yield GridTrial(config=config, panels=shown)


def _is_ablated(study: Study, task: str, seed: int) -> bool:
    """Whether panels that compare cells show this task and seed.

    The default cell has more of them; a panel that averaged those in at one
    value of its axis alone would compare unlike means.
    """
    return task in study.ablation_tasks and seed in study.ablation_seeds

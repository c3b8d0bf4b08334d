"""A search of training settings: the values to try of each method, and which of them are tried.

    design: search
    search:
      samples: 40                       # of each method; left out, every combination
      seed: 0
      prompt_tuning: {learning_rate: [0.1, 0.3, 1], batch_size: [16, 32]}
      model_tuning: {learning_rate: [0.001, 0.003]}

What is searched is run at the default cell, at every size, task and seed of the
spec; the settings that are not searched are those of `settings`. Every method
gets as many samples as any other, where it has so many combinations, so that no
baseline is weak for want of a search.
"""

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from runners.config import RULES, TRAINING, TrialConfig
from runners.rules import ConfigError, Rule
from runners.section import Section

SEARCHED = (*TRAINING, "decay_factor", "decay_every")
"""Fields that a search may vary: how a method trains."""
Setting = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Search:
    """The settings that are tried, by method, in the order of the spec's values."""

    settings: Mapping[str, tuple[Setting, ...]]

    def configs(self, template: TrialConfig) -> list[TrialConfig]:
        """The template with each setting of its method in turn."""
        return [replace(template, **setting) for setting in self.settings[template.method]]


def read(section: Section, templates: Sequence[TrialConfig]) -> Search | None:
    """The search of a spec; None where a mistake was reported.

    `templates` are those of the methods of the spec, each of which needs values.
    """
    methods = {template.method: template for template in templates}
    section.only(("samples", "seed", *methods))
    samples: int | None = None
    seed = 0
    if "samples" in section.values:
        samples = section.value("samples", Rule(type=int, minimum=1))
        seed = section.value("seed", RULES["seed"])
    found = {
        method: _settings(section.section(method), template) for method, template in methods.items()
    }
    if section.problems:
        return None
    return Search(
        settings={
            method: _sampled(settings, samples, f"{seed} {method}")
            for method, settings in found.items()
        }
    )


def _settings(section: Section, template: TrialConfig) -> list[Setting]:
    """Every combination of a method's values that is a legal trial."""
    section.only(SEARCHED)
    if not section.values:
        section.report("", None, "is missing", "give the values to try, such as learning_rate")
    values = {}
    for name in section.values:
        if name in SEARCHED:
            rule = replace(RULES[name], optional=name.startswith("decay_"))
            values[name] = section.listed(name, rule)
    combinations = [
        dict(zip(values, chosen, strict=True)) for chosen in itertools.product(*values.values())
    ]
    return [setting for setting in combinations if _fits(template, setting)]


def _fits(template: TrialConfig, setting: Setting) -> bool:
    """Whether the values of a setting go together: half a decay is none."""
    try:
        replace(template, **setting)
    except ConfigError:
        return False
    return True


def _sampled(settings: Sequence[Setting], samples: int | None, seed: str) -> tuple[Setting, ...]:
    if samples is None or samples >= len(settings):
        return tuple(settings)
    places = sorted(random.Random(seed).sample(range(len(settings)), samples))
    return tuple(settings[place] for place in places)

"""A search of training settings: the values to try of each method, and which of them are tried.

    design: search
    search:
      samples: 40                       # of each method, or {prompt_tuning: 40, ...};
                                        # left out, every combination
      seed: 0
      prompt_tuning: {learning_rate: [0.1, 0.3, 1], batch_size: [16, 32]}
      model_tuning: {learning_rate: [0.001, 0.003]}

What is searched is run at the default cell, at every size, task and seed of the
spec; the settings that are not searched are those of `settings`. Where `samples`
is one number, every method gets as many samples as any other, if it has so many
combinations, so that no baseline is weak for want of a search. More samples are
those of before and others beside them.
"""

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from runners.config import RULES, TRAINING, TrialConfig
from runners.misfits import DECAY
from runners.rules import ConfigError, Rule
from runners.section import Section

DESIGN = "search"
"""The design of a study that searches, and the panel of all its trials."""
SEARCHED = (*TRAINING, *DECAY)
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
    samples = _samples(section, tuple(methods))
    seed = section.value("seed", RULES["seed"]) if "samples" in section.values else 0
    found = {
        method: _settings(section.section(method), template) for method, template in methods.items()
    }
    if section.problems:
        return None
    return Search(
        settings={
            method: _sampled(settings, samples.get(method), f"{seed} {method}")
            for method, settings in found.items()
        }
    )


def _samples(section: Section, methods: Sequence[str]) -> dict[str, int]:
    """How many settings of each method are tried; nothing of one that tries all."""
    rule = Rule(type=int, minimum=1)
    if isinstance(section.values.get("samples"), Mapping):
        each = section.section("samples")
        each.only(methods)
        return {method: each.value(method, rule) for method in methods if method in each.values}
    if "samples" not in section.values:
        return {}
    return dict.fromkeys(methods, section.value("samples", rule))


def _settings(section: Section, template: TrialConfig) -> list[Setting]:
    """Every combination of a method's values that is a legal trial."""
    section.only(SEARCHED)
    if not section.values:
        section.report("", None, "is missing", "give the values to try, such as learning_rate")
    values = {}
    for name in section.values:
        if name in SEARCHED:
            rule = replace(RULES[name], optional=name in DECAY)
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
    """The first so many of a shuffle that does not know how many are asked for."""
    places = list(range(len(settings)))
    if samples is not None:
        random.Random(seed).shuffle(places)
    return tuple(settings[place] for place in sorted(places[:samples]))

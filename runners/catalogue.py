"""What trials can name: model families, and the tasks of every data source.

A leaf: what people write is checked against it before torch is loaded.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from runners.config import TrialConfig
from runners.model.family import Family, Rung, shipped
from runners.rules import Problem, Rule, nearest, violations
from runners.tasks.superglue import TASKS


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """What ships, and what a user adds."""

    families: Mapping[str, Family] = field(default_factory=shipped)

    def rung(self, family: str, size: str) -> Rung:
        """One frozen model; raises ValueError naming the nearest family or size."""
        rungs = self._family(family).rungs
        if size not in rungs:
            raise ValueError(_unknown(f"model_size of family {family}", size, rungs))
        return rungs[size]

    def architecture(self, family: str) -> str:
        """One of `runners.model.family.ARCHITECTURES`; raises ValueError for an unknown family."""
        return self._family(family).architecture

    def tasks_of(self, source: str) -> Collection[str]:
        """The tasks of a data source, none where there is no such source."""
        return tuple(TASKS) if source in SOURCES else ()

    def problems(self, config: TrialConfig) -> list[Problem]:
        """A problem for each name in a config that nothing goes by, and for what does not fit."""
        family = self.families.get(config.model_family)
        legal: Mapping[str, Collection[str]] = {
            "model_family": self.families,
            "model_size": family.rungs if family else (),
            "data_source": SOURCES,
            "task": self.tasks_of(config.data_source),
        }
        unknown = [
            problem
            for name, choices in legal.items()
            # Of a size nothing can be said where its family is unknown.
            if choices
            for problem in violations(name, getattr(config, name), _one_of(choices))
        ]
        return unknown or _misfits(config, self.families[config.model_family])

    def _family(self, name: str) -> Family:
        if name not in self.families:
            raise ValueError(_unknown("model_family", name, self.families))
        return self.families[name]


SOURCES = ("microworld",)
"""Where examples can come from."""


def _misfits(config: TrialConfig, family: Family) -> list[Problem]:
    """What does not fit the family: an objective, or an adaptation that nobody has released."""
    objective = config.pretraining_objective
    if family.architecture == "causal" or objective == "causal_lm":
        rule = Rule(type=str, choices=(family.objective,))
        broken = violations("pretraining_objective", objective, rule)
        if broken:
            return broken
    released = family.rungs[config.model_size].adapted
    steps = config.lm_adaptation_steps
    if not steps or config.lm_adaptation_batch_size is not None or steps in released:
        return []
    there = f"are released at {', '.join(map(str, released))}" if released else "are not released"
    return [
        Problem(
            key="lm_adaptation_steps", value=steps,
            rule=f"adaptations of {family.name} {config.model_size} {there}",
            remedy="give one of these, or lm_adaptation_batch_size, _learning_rate and _seed",
        )
    ]  # fmt: skip


def _one_of(choices: Collection[str]) -> Rule:
    return Rule(type=str, choices=tuple(choices))


def _unknown(subject: str, name: str, known: Collection[str]) -> str:
    near = nearest(name, known)
    remedy = f"did you mean {near!r}?" if near else "use one of these"
    return f"{subject}: {name!r} is not one of {', '.join(known)}; {remedy}"

"""What trials can name: model families, texts, and the tasks of every data source.

A leaf: what people write is checked against it before torch is loaded.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from runners.config import TrialConfig
from runners.misfits import OWN
from runners.model.family import Family, Rung, shipped
from runners.rules import Problem, Rule, nearest, violations
from runners.tasks import embedded, glue
from runners.tasks.benchmarks import BENCHMARK_OF, BENCHMARKS, DEV_ONLY
from runners.tasks.own import OwnTask
from runners.tasks.task import Split, Task

MICROWORLD = "microworld"
SOURCES = (MICROWORLD, *BENCHMARKS, OWN)
"""Where the examples of a trial can come from."""
PUBLISHED = "published"
"""In a spec, the benchmark of each task, whichever that is."""
SPEC_SOURCES = (MICROWORLD, PUBLISHED, *BENCHMARKS)
"""What a spec may give as its data source; a user's own tasks are in reach of every one."""
TASKS_OF: Mapping[str, Mapping[str, Task]] = MappingProxyType(
    {MICROWORLD: embedded.TASKS, **BENCHMARKS}
)
"""The tasks of every source but a user's own."""


PARAPHRASES = frozenset(glue.PARAPHRASES)
"""The tasks that ask for paraphrases, between which answers are translated."""


@dataclass(frozen=True, kw_only=True)
class DataPlace:
    """Where a benchmark is read from: a local copy in its publisher's layout, or the hub."""

    folder: Path | None = None
    revision: str | None = None
    """A commit, tag or branch of the hub; None is what it has now, whose commit is recorded."""


Part = tuple[str, str, Split]
"""A benchmark, a task of it, and a split of that."""


def task_at(source: str, task: str, origin: OwnTask | DataPlace) -> Task:
    """The task of a source that has it."""
    return origin.task if isinstance(origin, OwnTask) else TASKS_OF[source][task]


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """What ships, and what a user adds."""

    families: Mapping[str, Family] = field(default_factory=shipped)
    own_tasks: Mapping[str, OwnTask] = field(default_factory=dict)
    data: Mapping[str, DataPlace] = field(default_factory=dict)
    """Places of benchmarks by name; one that is not there is read from the hub."""
    texts: Mapping[str, Path] = field(default_factory=dict)
    """Folders of text that models are adapted to, by their fingerprints."""

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
        if source == OWN:
            return tuple(self.own_tasks)
        if source == PUBLISHED:
            return tuple(BENCHMARK_OF)
        return tuple(TASKS_OF.get(source, ()))

    def origin(self, source: str, task: str) -> "OwnTask | DataPlace":
        """Where the records of a task that exists come from."""
        return self.own_tasks[task] if source == OWN else self.data.get(source, DataPlace())

    def task_of(self, config: TrialConfig) -> Task:
        """The task of a trial whose names are known."""
        source, task = config.data_source, config.task
        return task_at(source, task, self.origin(source, task))

    def fields_of(self, task: str, source: str) -> dict[str, Any]:
        """The fields of a trial that say which examples `task` of a spec's source means.

        A user's own task is meant by its name whatever the spec's source is.
        """
        if task in self.own_tasks:
            return {"data_source": OWN, "task_content": self.own_tasks[task].content}
        found = BENCHMARK_OF[task] if source == PUBLISHED else source
        return {"data_source": found, "task_content": None}

    def meant_by(self, given: Mapping[str, object]) -> dict[str, object]:
        """Fields as a user writes them, with where the examples of the tasks come from.

        The name of a task says it, where it is the user's own or the source is `published`.
        A stated content of an own task stays, so that another than there is today is told.
        """
        task, source = str(given.get("task")), str(given.get("data_source", MICROWORLD))
        found = dict(given)
        if task in self.own_tasks or (source == PUBLISHED and task in BENCHMARK_OF):
            found |= self.fields_of(task, source)
            if given.get("task_content") is not None and task in self.own_tasks:
                found["task_content"] = given["task_content"]
        if given.get("transfer_tasks"):
            names = str(given["transfer_tasks"]).split(",")
            found |= self.transfer_fields(name.strip() for name in names)
        return found

    def transfer_fields(self, tasks: Iterable[str]) -> dict[str, Any]:
        """The fields of a trial whose best point is judged on `tasks` too, given in any order."""
        names = sorted(tasks)
        own = [self.own_tasks[name].dev_content for name in names if name in self.own_tasks]
        return {
            "transfer_tasks": ",".join(names) or None, "transfer_content": ",".join(own) or None,
        }  # fmt: skip

    def transfer_source(self, task: str, source: str) -> str | None:
        """The data source that a trial from `source` means by a transfer task.

        A user's own task is meant by its name, then the embedded world's where
        the trial is from there, then the published one. None where there is none.
        """
        if task in self.own_tasks:
            return OWN
        if source == MICROWORLD and task in TASKS_OF[MICROWORLD]:
            return MICROWORLD
        return BENCHMARK_OF.get(task)

    def transfer_names(self, source: str) -> tuple[str, ...]:
        """Every task that a trial from `source` may be judged on beside its own."""
        names = (*self.own_tasks, *TASKS_OF[MICROWORLD], *BENCHMARK_OF)
        found = (name for name in names if self.transfer_source(name, source) is not None)
        return tuple(dict.fromkeys(found))

    def dev_only(self, task: str) -> Problem | None:
        """The problem of training on a task that has no training split."""
        own = self.own_tasks.get(task)
        if own.train is not None if own else task not in {*DEV_ONLY, *embedded.DOMAINS}:
            return None
        return Problem(
            key="task", value=task, rule="has a dev split alone",
            remedy="train on another task, and name this one in transfer_tasks",
        )  # fmt: skip

    def mixture_of(self, config: TrialConfig) -> list[TrialConfig]:
        """The trials of a mixture, one a task, in its order; of any other trial, itself.

        Tasks stand beside those of the trial's own source: all of the embedded
        world, or else each of its benchmark; a user's own go by their names.
        """
        if config.mixture is None:
            return [config]
        source = MICROWORLD if config.data_source == MICROWORLD else PUBLISHED
        return [
            replace(
                config, task=task, transfer_tasks=None, transfer_content=None,
                **self.fields_of(task, source),
            )
            for task in config.mixture.split(",")
        ]  # fmt: skip

    def problems(self, config: TrialConfig) -> list[Problem]:
        """A problem for each name in a config that nothing goes by, and for what does not fit."""
        unknown = [*self._unknown_model(config), *self._unknown_task(config)]
        return unknown or [
            *_misfits(config, self.families[config.model_family]), *self._misfits_of_task(config),
            *self._misfits_of_transfer(config),
        ]  # fmt: skip

    def problems_of_model(self, config: TrialConfig) -> list[Problem]:
        """The same for the frozen model of a config alone, whatever its task is."""
        unknown = self._unknown_model(config)
        return unknown or _misfits(config, self.families[config.model_family])

    def _unknown_model(self, config: TrialConfig) -> list[Problem]:
        problems = violations("model_family", config.model_family, _one_of(self.families))
        # Of a size nothing can be said where its family is unknown.
        if not problems:
            sizes = self.families[config.model_family].rungs
            problems = violations("model_size", config.model_size, _one_of(sizes))
        return problems

    def _unknown_task(self, config: TrialConfig) -> list[Problem]:
        problems = violations("data_source", config.data_source, _one_of(SOURCES))
        if problems:
            return problems
        tasks = self.tasks_of(config.data_source)
        if not tasks:
            return [
                Problem(
                    key="task", value=config.task,
                    rule="is a task of your own, and no file that has any was given",
                    remedy="give the spec that has it (--catalogue SPEC)",
                )
            ]  # fmt: skip
        problems = violations("task", config.task, _one_of(tasks))
        contents = self._contents(config)
        if contents:
            problems += violations("task_content", config.task_content, _one_of(contents))
        return problems

    def _misfits_of_task(self, config: TrialConfig) -> list[Problem]:
        untrained = self.dev_only(config.task)
        return [untrained] if untrained else self._choiceless(config, config.task)

    def choiceless(self, config: TrialConfig) -> list[Problem]:
        """The problems of choosing answers where the tasks of a legal config have none."""
        names = (config.task, *config.transfers)
        return [problem for name in names for problem in self._choiceless(config, name)]

    def _choiceless(self, config: TrialConfig, name: str) -> list[Problem]:
        """The problem of choosing an answer where `name`, the task or a further one, has none."""
        source = config.data_source
        if name != config.task:
            source = self.transfer_source(name, source) or ""
        task = task_at(source, name, self.origin(source, name))
        if config.answer_by == "generation" or task.has_choices:
            return []
        return [
            Problem(
                key="answer_by", value=config.answer_by,
                rule=f"needs choices, and {name} asks for free text",
                remedy="give generation",
            )
        ]  # fmt: skip

    def _misfits_of_transfer(self, config: TrialConfig) -> list[Problem]:
        known = _one_of(self.transfer_names(config.data_source))
        broken = [
            problem
            for name in config.transfers
            for problem in violations("transfer_tasks", name, known)
        ]
        if broken:
            return broken
        content = self.transfer_fields(config.transfers)["transfer_content"]
        if config.transfer_content != content:
            own = Problem(
                key="transfer_content", value=config.transfer_content,
                rule="is not what the own tasks among transfer_tasks consist of",
                remedy=f"give {content}" if content else "leave it out",
            )  # fmt: skip
            return [own]
        return [problem for name in config.transfers for problem in self._choiceless(config, name)]

    def _contents(self, config: TrialConfig) -> Collection[str]:
        own = self.own_tasks.get(config.task) if config.data_source == OWN else None
        return (own.content,) if own else ()

    def _family(self, name: str) -> Family:
        if name not in self.families:
            raise ValueError(_unknown("model_family", name, self.families))
        return self.families[name]


READERS = ("nano",)
"""Families whose models, and whose tokenizer, have read the embedded world."""


def textless(family: str, text: str | None) -> Problem | None:
    """The problem of an adaptation of a family that would read a world it does not know."""
    if text is not None or family in READERS:
        return None
    return Problem(
        key="lm_adaptation_text",
        value=None,
        rule=f"is missing for family {family}, which has not read the embedded world",
        remedy="give a folder of text (--text, or settings.lm_adaptation.text)",
    )


def undroppable(family: Family, dropout: float | None) -> Problem | None:
    """The problem of training with dropout a model that has no place for it."""
    if not dropout or family.architecture != "causal":
        return None
    return Problem(
        key="dropout",
        value=dropout,
        rule=f"is not there for {family.name}, for decoder-only models are pre-trained without",
        remedy="give 0, or leave it out",
    )


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
    if config.lm_adaptation_batch_size is not None:
        missing = textless(family.name, config.lm_adaptation_text)
        return [missing] if missing else []
    if not steps or steps in released:
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

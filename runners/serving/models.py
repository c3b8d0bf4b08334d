"""What is served: models by name, each one prompt or the several of an ensemble.

Torch-free: whoever answers HTTP needs the tokenizer alone.
"""

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from weakref import WeakValueDictionary

from runners.catalogue import Catalogue, task_at
from runners.config import TrialConfig
from runners.prompt.vectors import Vectors
from runners.rules import FILE_NAME
from runners.serving.frozen import Frozen, is_alike
from runners.serving.limits import Limits
from runners.serving.protocol import key_of

NAME_LENGTH = 64
"""The longest name of a served model, in characters."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ServedPrompt:
    """One prompt, and all that is needed to ask it and to read its answers."""

    key: str
    """What tells its numbers from any others, as `runners.serving.protocol.key_of` has it."""
    label: str
    vectors: Vectors
    config: TrialConfig
    frozen: Frozen
    """The model that it was tuned on."""
    labels: tuple[str, ...] | None
    """The answers of its task; None where they are free text."""
    prefix: str
    """What its inputs begin with: the task's word and a space, or nothing."""
    canonical: Callable[[str], Hashable]
    """What a vote sees of its answers."""
    trial: str | None = None
    """The id of its trial, where it is known; another prompt may come under the same id."""
    score: float | None = None
    """On dev, where it is known."""
    predictions: str | None = None
    """SHA-256 of the answers that were recorded at evaluation, where there are some."""
    origin: str | None = None
    """The store of its trial, where it comes from one."""

    @property
    def id(self) -> str:
        """What people call it, 16 hex digits: its trial where it is known, else its key."""
        return self.trial or self.key

    @property
    def has_sentinel(self) -> bool:
        """Whether its answers begin with one."""
        return self.config.pretraining_objective == "span_corruption_sentinel"


def served_prompt(
    vectors: Vectors, config: TrialConfig, frozen: Frozen, catalogue: Catalogue, *,
    trial: str | None = None, score: float | None = None, predictions: str | None = None,
    origin: str | None = None,
) -> ServedPrompt:  # fmt: skip
    """A prompt [P, H] of a config whose task the catalogue knows."""
    task = task_at(
        config.data_source, config.task, catalogue.origin(config.data_source, config.task)
    )
    return ServedPrompt(
        key=key_of(vectors), label=config.label, vectors=vectors, config=config, frozen=frozen,
        labels=task.labels, prefix=f"{task.prefix} " if config.task_prefix else "",
        canonical=task.canonical, trial=trial, score=score, predictions=predictions, origin=origin,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class ServedModel:
    """A name that can be asked: one prompt, or several that vote."""

    name: str
    prompts: tuple[ServedPrompt, ...]
    created: int = field(default_factory=lambda: int(time.time()))
    """When it came to be served, in seconds since 1970."""

    @property
    def task(self) -> str:
        """The task of its prompts."""
        return self.prompts[0].config.task

    @property
    def is_ensemble(self) -> bool:
        """Whether its answers are votes."""
        return len(self.prompts) > 1

    @property
    def labels(self) -> tuple[str, ...] | None:
        """The answers of its task; None where they are free text."""
        return self.prompts[0].labels


def served_model(name: str, prompts: Sequence[ServedPrompt]) -> ServedModel:
    """A model of at least one prompt; raises ValueError for a bad name or voters that do not fit.

    The voters of an ensemble are of one task.
    """
    if not FILE_NAME.fullmatch(name) or len(name) > NAME_LENGTH:
        raise ValueError(
            f"model {name!r}: is not a letter or digit followed by at most {NAME_LENGTH - 1} "
            "letters, digits and _ . -; choose another name"
        )
    if not prompts:
        raise ValueError(f"model {name}: has no prompt; name at least one")
    tasks = sorted({(p.config.data_source, p.config.task) for p in prompts})
    if len(tasks) > 1:
        named = " and ".join(f"{task} of {source}" for source, task in tasks)
        raise ValueError(f"model {name}: its prompts are of {named}; let prompts of one task vote")
    keys = [prompt.key for prompt in prompts]
    twice = sorted({prompt.id for prompt in prompts if keys.count(prompt.key) > 1})
    if twice:
        raise ValueError(f"model {name}: {', '.join(twice)} votes twice; name each prompt once")
    return ServedModel(name=name, prompts=tuple(prompts))


class Full(ValueError):
    """No room for a name, or for its prompts; `code` says for which."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Directory:
    """The served models by name; each change is one assignment, seen whole or not at all.

    Equal prompts of several models are held once.
    """

    def __init__(self, frozen: Frozen, models: Sequence[ServedModel] = ()) -> None:
        self.frozen = frozen
        self._models: Mapping[str, ServedModel] = {}
        self._vectors: WeakValueDictionary[str, Vectors] = WeakValueDictionary()
        for model in models:
            self.put(model)

    @property
    def models(self) -> Mapping[str, ServedModel]:
        """All of them, as they are now; a later change is not seen in it."""
        return self._models

    def put(self, model: ServedModel, limits: Limits | None = None) -> bool:
        """Serve a model under its name; True where one was replaced.

        Raises ValueError where a prompt was tuned on another frozen model, or cannot have been
        tuned on this one, and `Full` where that would be beyond the limits.
        """
        self._require_fit(model)
        if limits is not None:
            self.require_name(model.name, limits)
            self._require_room(model, limits)
        replaced = model.name in self._models
        self._models = {**self._models, model.name: self._sharing(model)}
        return replaced

    def require_name(self, name: str, limits: Limits) -> None:
        """Raises `Full` where there is no room for a further name."""
        if name not in self._models and len(self._models) >= limits.models:
            raise Full("too_many_models", f"{limits.models} are served; remove one")

    def _require_room(self, model: ServedModel, limits: Limits) -> None:
        others = [each for name, each in self._models.items() if name != model.name]
        held = {p.key: p.vectors.nbytes for each in (*others, model) for p in each.prompts}
        total = sum(held.values())
        if total > limits.prompt_bytes:
            raise Full(
                "too_many_prompts",
                f"with {model.name} the prompts would have {total} bytes, and may have "
                f"{limits.prompt_bytes}; remove a model",
            )

    def _sharing(self, model: ServedModel) -> ServedModel:
        """The same model, with the vectors of equal prompts that somebody holds already."""
        prompts = tuple(
            replace(p, vectors=self._vectors.setdefault(p.key, p.vectors)) for p in model.prompts
        )
        return replace(model, prompts=prompts)

    def _require_fit(self, model: ServedModel) -> None:
        widths = [p.vectors.shape[1] for m in self._models.values() for p in m.prompts[:1]]
        for prompt in model.prompts:
            if prompt.frozen != self.frozen:
                others = "other weights of " if is_alike(prompt.frozen, self.frozen) else ""
                raise ValueError(
                    f"model {model.name}: prompt {prompt.id} ({prompt.label}) was tuned on "
                    f"{others}{prompt.frozen}, and {self.frozen} is served; serve it with its own "
                    "model"
                )
            width = prompt.vectors.shape[1]
            if widths and width != widths[0]:
                raise ValueError(
                    f"model {model.name}: prompt {prompt.id} ({prompt.label}) has vectors of "
                    f"{width} numbers where those served have {widths[0]}; serve one that was "
                    "tuned on this model"
                )

    def remove(self, name: str) -> bool:
        """Serve a model no more; False where there was none of that name."""
        known = name in self._models
        self._models = {n: model for n, model in self._models.items() if n != name}
        return known

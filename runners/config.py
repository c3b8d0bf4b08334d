"""What defines a result: `TrialConfig`, its rules and its identity.

A leaf of the project: it imports neither torch nor ray, and every layer above
may read it. Execution settings (devices, workers, pack size, folders) are not
here, because they change no number.
"""

import dataclasses
import functools
import hashlib
import json
import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from runners.misfits import DECAY, TRANSFER, Misfits
from runners.rules import ConfigError, LegalValues, Problem, Rule, unknown_key, violations

METHODS = ("prompt_tuning", "model_tuning", "multitask_model_tuning", "prompt_design")
TUNES_MODEL = frozenset({"model_tuning", "multitask_model_tuning"})
"""Methods whose trials change the model, so that no two of them share a batch."""
OBJECTIVES = ("span_corruption", "span_corruption_sentinel", "lm_adaptation", "causal_lm")
INITS = ("random_uniform", "random_uniform_released", "sampled_vocab", "class_label")
DTYPES = ("float32", "bfloat16")
LONG_INPUTS = ("refuse", "cut")
ANSWERS = ("generation", "likelihood")


def _ruled(rule: Rule, *, default: Any = dataclasses.MISSING) -> Any:
    if default is dataclasses.MISSING:
        return field(metadata={"rule": rule})
    return field(default=default, metadata={"rule": rule})


_COUNT = Rule(type=int, minimum=1)
_OPTIONAL_COUNT = Rule(type=int, minimum=1, optional=True)


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a trial trains: the fields of `TrialConfig` that a method without training lacks."""

    train_steps: int
    eval_every: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    parameter_scaling: bool
    dropout: float
    warmup_steps: int
    eval_on_start: bool
    decay_factor: float | None
    decay_every: int | None

    def rate(self, step: int) -> float:
        """The learning rate of step `step`, counted from 1.

        T5X counts from 0 (`create_learning_rate_scheduler`), so that a warm-up
        begins at a rate of 0.
        """
        done = step - 1
        warm = min(1.0, done / self.warmup_steps) if self.warmup_steps else 1.0
        decayed = 1.0
        if self.decay_factor is not None and self.decay_every is not None:
            decayed = self.decay_factor ** (done // self.decay_every)
        return self.learning_rate * warm * decayed


_OF_TRAINING = tuple(field.name for field in dataclasses.fields(Training))
TRAINING = tuple(name for name in _OF_TRAINING if name not in DECAY)
"""Fields of the methods that train, which prompt design does not."""


@dataclass(frozen=True, kw_only=True)
class TrialConfig:
    """One (cell, task, seed): everything that defines its result, flat and validated.

    Raises `ConfigError` naming every field that breaks a rule. A field that
    does not apply is None, so one meaning has one config and one `trial_id`.
    """

    method: str = _ruled(Rule(type=str, choices=METHODS))
    """Which parameters train: the prompt, all of the model, for one task or several, or none."""
    model_family: str = _ruled(Rule(type=str))
    """A ladder of frozen models, such as `nano`."""
    model_size: str = _ruled(Rule(type=str))
    """A rung of the family's ladder."""
    pretraining_objective: str = _ruled(Rule(type=str, choices=OBJECTIVES))
    """What the frozen model learned last (Lester et al. 2021, 2.2)."""
    lm_adaptation_steps: int = _ruled(Rule(type=int, minimum=0))
    """Steps of prefix language modelling after span corruption; 0 is none."""
    lm_adaptation_batch_size: int | None = _ruled(_OPTIONAL_COUNT, default=None)
    """Documents a step of LM adaptation; this and the next three are None for a released one."""
    lm_adaptation_learning_rate: float | None = _ruled(
        Rule(type=float, above=0, optional=True), default=None
    )
    """Constant Adafactor learning rate of LM adaptation."""
    lm_adaptation_seed: int | None = _ruled(Rule(type=int, minimum=0, optional=True), default=None)
    """Data order of LM adaptation."""
    lm_adaptation_text: str | None = _ruled(Rule(type=str, optional=True), default=None)
    """Fingerprint of the text that LM adaptation reads; None is the embedded world."""
    prompt_length: int | None = _ruled(_OPTIONAL_COUNT, default=None)
    """P, the number of trained vectors before the embedded input."""
    prompt_init: str | None = _ruled(Rule(type=str, choices=INITS, optional=True), default=None)
    """Where the prompt starts (Lester et al. 2021, 3.2)."""
    shots: int | None = _ruled(Rule(type=int, minimum=0, optional=True), default=None)
    """Solved examples before each question of prompt design, drawn from the training split."""
    mixture: str | None = _ruled(Rule(type=str, optional=True), default=None)
    """The tasks that multi-task model tuning trains on, in order, with commas between them."""
    task: str = _ruled(Rule(type=str))
    """A task of the data source, such as `boolq`."""
    data_source: str = _ruled(Rule(type=str), default="microworld")
    """Where examples come from: the embedded world, a benchmark, or `own` files."""
    task_content: str | None = _ruled(Rule(type=str, optional=True), default=None)
    """What a task of the user's own consists of, as a fingerprint; it stands for the name."""
    transfer_tasks: str | None = _ruled(Rule(type=str, optional=True), default=None)
    """Other tasks that the best point is judged on too, in order, with commas between them."""
    transfer_content: str | None = _ruled(Rule(type=str, optional=True), default=None)
    """Fingerprints of those among them that are the user's own, in the same order."""
    task_prefix: bool = _ruled(Rule(type=bool), default=False)
    """Whether inputs begin with T5's word for the task; the paper drops it (2.1)."""
    train_examples: int | None = _ruled(_OPTIONAL_COUNT, default=None)
    """The first so many training examples; None is the whole split."""
    dev_examples: int | None = _ruled(_OPTIONAL_COUNT, default=None)
    """The first so many dev examples (published and own data may have fewer); None is all."""
    seed: int = _ruled(Rule(type=int, minimum=0))
    """Seeds the prompt's start, the order of the data, dropout and the choice of shots."""
    train_steps: int | None = _ruled(_OPTIONAL_COUNT, default=None)
    """Optimizer steps; this and all up to `eval_on_start` are None where nothing trains."""
    eval_every: int | None = _ruled(_OPTIONAL_COUNT, default=None)
    """Steps between two evaluations on dev; the best one gives the result."""
    batch_size: int | None = _ruled(_OPTIONAL_COUNT, default=None)
    """Rows a step."""
    learning_rate: float | None = _ruled(Rule(type=float, above=0, optional=True), default=None)
    """Learning rate but for warm-up and decay; 0.3 for prompts in the paper, 0.001 for models."""
    weight_decay: float | None = _ruled(Rule(type=float, minimum=0, optional=True), default=1e-5)
    """Share of a parameter lost at each step, not times the learning rate (T5X)."""
    parameter_scaling: bool | None = _ruled(Rule(type=bool, optional=True), default=False)
    """Whether Adafactor's step is relative to the size of the parameter."""
    dropout: float | None = _ruled(Rule(type=float, minimum=0, below=1, optional=True), default=0.0)
    """Dropout rate of the model while training."""
    warmup_steps: int | None = _ruled(Rule(type=int, minimum=0, optional=True), default=0)
    """Steps over which the learning rate rises from 0; 0 is none."""
    eval_on_start: bool | None = _ruled(Rule(type=bool, optional=True), default=False)
    """Whether dev is evaluated before the first step too, which is noted and gives no result."""
    decay_factor: float | None = _ruled(
        Rule(type=float, above=0, below=1, optional=True), default=None
    )
    """What the learning rate is multiplied by every `decay_every` steps; None is none."""
    decay_every: int | None = _ruled(_OPTIONAL_COUNT, default=None)
    """Steps between two decays of the learning rate; None where there is none."""
    compute_dtype: str = _ruled(Rule(type=str, choices=DTYPES), default="float32")
    """Precision of the frozen part; prompts and optimizer stay float32."""
    input_length: int = _ruled(_COUNT, default=512)
    """Longest input, in tokens, end-of-sequence included."""
    target_length: int = _ruled(_COUNT, default=16)
    """Longest target, in tokens, end-of-sequence included."""
    long_inputs: str = _ruled(Rule(type=str, choices=LONG_INPUTS), default="refuse")
    """What becomes of longer rows: an error, or, as in T5X, their first tokens, counted."""
    answer_by: str = _ruled(Rule(type=str, choices=ANSWERS), default="generation")
    """How an answer is had: greedy generation, or the label of the highest likelihood."""

    def __post_init__(self) -> None:
        values = to_mapping(self)
        unknown = _LEGAL.unknown(values)
        for name in unknown:
            values[name] = RULES[name].coerce(values[name])
            object.__setattr__(self, name, values[name])
        problems = _problems(values, unknown)
        if problems:
            raise ConfigError(problems)
        _LEGAL.learn({name: values[name] for name in unknown})

    @functools.cached_property
    def trial_id(self) -> str:
        """16 hex digits of a hash of the identity fields and of nothing else."""
        return fingerprint(identity(self))

    @property
    def run_id(self) -> str:
        """The id of the training run, which all trials of one mixture share."""
        if self.mixture is None:
            return self.trial_id
        own = ("task", "task_content", "data_source", *TRANSFER)
        shared = {name: value for name, value in identity(self).items() if name not in own}
        return fingerprint({"stage": "mixture", **shared})

    @property
    def training_id(self) -> str:
        """The id of what is trained, whatever else its best point is asked; it seeds dropout."""
        if self.mixture is not None:
            return self.run_id
        trained = {name: v for name, v in identity(self).items() if name not in TRANSFER}
        return fingerprint(trained)

    @property
    def transfers(self) -> tuple[str, ...]:
        """The names of the transfer tasks."""
        return tuple(self.transfer_tasks.split(",")) if self.transfer_tasks else ()

    @property
    def training(self) -> Training | None:
        """How it trains; None for prompt design."""
        if self.train_steps is None:
            return None
        return Training(**{name: getattr(self, name) for name in _OF_TRAINING})

    @property
    def steps(self) -> int:
        """Optimizer steps, 0 where nothing trains."""
        return self.train_steps or 0

    @property
    def label(self) -> str:
        """A readable name that stands beside the id and never decides anything."""
        prompt = [f"p{self.prompt_length}", self.prompt_init] if self.prompt_init else [self.method]
        if self.shots is not None:
            prompt.append(f"{self.shots}shot")
        steps, objective = self.lm_adaptation_steps, self.pretraining_objective
        adapted = f"lm{steps}" if steps else objective
        return "-".join([self.model_size, *map(str, prompt), adapted, self.task, f"s{self.seed}"])


@dataclass(frozen=True, kw_only=True)
class AdaptationConfig:
    """One LM-adaptation run of one model; its milestones are checkpoints of its path.

    The learning rate is constant, so a milestone does not depend on how far the
    run goes beyond it.
    """

    model_family: str
    model_size: str
    batch_size: int
    learning_rate: float
    seed: int
    compute_dtype: str
    """Precision of the forward and backward pass; weights and optimizer stay float32."""
    text: str | None = None
    """Fingerprint of the text that is read; None is the embedded world."""

    @property
    def run_id(self) -> str:
        """Identity of the whole run."""
        return fingerprint({"stage": "lm_adaptation", **self._identity()})

    def milestone_id(self, steps: int) -> str:
        """Identity of the checkpoint after `steps` steps."""
        return fingerprint({"stage": "lm_adaptation", "steps": steps, **self._identity()})

    def _identity(self) -> dict[str, Any]:
        """Every field, but for the text where it is that of the first ids."""
        values = dataclasses.asdict(self)
        if self.text is None:
            del values["text"]
        return values


def adaptation_of(config: TrialConfig) -> AdaptationConfig | None:
    """The adaptation run whose milestone a trial starts from.

    None where it starts from a checkpoint as it was released.
    """
    if config.lm_adaptation_batch_size is None:
        return None
    assert config.lm_adaptation_learning_rate is not None
    assert config.lm_adaptation_seed is not None
    return AdaptationConfig(
        model_family=config.model_family,
        model_size=config.model_size,
        batch_size=config.lm_adaptation_batch_size,
        learning_rate=config.lm_adaptation_learning_rate,
        seed=config.lm_adaptation_seed,
        compute_dtype=config.compute_dtype,
        text=config.lm_adaptation_text,
    )


_FIELDS = dataclasses.fields(TrialConfig)
RULES: dict[str, Rule] = {f.name: f.metadata["rule"] for f in _FIELDS}
_VALUES = operator.attrgetter(*RULES)
_DEFAULTS: dict[str, object] = {
    f.name: f.default for f in _FIELDS if f.default is not dataclasses.MISSING
}
# Fields that came after the first ids were written: at their default they are
# left out of the hash, so the ids of older trials stand.
_LATER_FIELDS = frozenset(
    {
        "lm_adaptation_text", "task_content", "task_prefix", "long_inputs", "shots", "mixture",
        "answer_by", "warmup_steps", "decay_factor", "decay_every", "eval_on_start",
        "transfer_tasks", "transfer_content",
    }
)  # fmt: skip


_LEGAL = LegalValues()


def _problems(values: Mapping[str, Any], unknown: Iterable[str]) -> list[Problem]:
    """Every broken rule: of `unknown` fields alone, and of legal ones that do not fit together."""
    broken = [p for name in unknown for p in violations(name, values[name], RULES[name])]
    legal = dict(values)
    for problem in broken:
        del legal[problem.key]
    return broken + Misfits(legal, RULES, trained_by=TRAINING).found


def from_mapping(values: Mapping[str, object]) -> TrialConfig:
    """A config from plain values.

    Raises `ConfigError` with every unknown key (and the nearest known one),
    every missing one and every broken rule.
    """
    problems = [unknown_key(key, RULES) for key in values if key not in RULES]
    untrained = dict.fromkeys(TRAINING) if values.get("method") == "prompt_design" else {}
    found = _DEFAULTS | untrained | dict(values)
    known = {name: found[name] for name in RULES if name in found}
    problems += [
        Problem(key=name, value=None, rule="is missing", remedy=f"give {rule.wanted()}")
        for name, rule in RULES.items()
        if name not in known
    ]
    problems += _problems(known, known)
    if problems:
        raise ConfigError(problems)
    return TrialConfig(**known)  # type: ignore[arg-type]


def to_mapping(config: TrialConfig) -> dict[str, Any]:
    """The config as plain values, in the order of its fields."""
    return dict(zip(RULES, _VALUES(config), strict=True))


def identity(config: TrialConfig) -> dict[str, Any]:
    """What enters the id: every field, but for later ones that keep their default.

    A user's own task is its content, whatever it is called. Transfer tasks are
    names as well, since a record has their metrics under these.
    """
    left_out = {"task"} if config.task_content is not None else set()
    return {
        name: value
        for name, value in to_mapping(config).items()
        if name not in left_out and (name not in _LATER_FIELDS or value != _DEFAULTS[name])
    }


def fingerprint(values: Mapping[str, Any]) -> str:
    """16 hex digits of SHA-256 over canonical JSON: sorted keys, shortest floats."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def parse_overrides(words: Iterable[str]) -> dict[str, object]:
    """`key=value` words as typed values; `key=null` is None.

    Raises `ConfigError` with every word that is not of that form, is unknown,
    or does not read as its field's type.
    """
    values: dict[str, object] = {}
    problems: list[Problem] = []
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            rule, remedy = "has no '='", "write key=value"
            problems.append(Problem(key=word, value=word, rule=rule, remedy=remedy))
        elif key not in RULES:
            problems.append(unknown_key(key, RULES))
        else:
            values[key] = _parse(text, RULES[key])
            problems += violations(key, values[key], RULES[key])
    if problems:
        raise ConfigError(problems)
    return values


def to_words(values: Mapping[str, object]) -> list[str]:
    """Fields as the `key=value` words that `parse_overrides` reads."""
    spelled = {True: "true", False: "false"}
    return [
        f"{name}={'null' if v is None else spelled[v] if isinstance(v, bool) else v}"
        for name, v in values.items()
    ]


def _parse(text: str, rule: Rule) -> object:
    """`text` as the rule's type where it reads as one; else the text, for the rule to refuse."""
    if text == "null":
        return None
    if rule.type is str:
        return text
    if rule.type is bool:
        return {"true": True, "false": False}.get(text, text)
    try:
        return rule.type(text)
    except ValueError:
        return text

"""A trial, or an adaptation, as work: what training, evaluation and transfer ask of a machine.

A batch is padded to its longest row. On cores the rows of a large model go through it
in parts of like length (runners.training.micro_batches), and then a row is padded
little. A decoder-only model reads a prompt once for all of its rows in a part.
"""

import math
import operator
from dataclasses import dataclass, field

from runners.config import TUNES_MODEL, AdaptationConfig, TrialConfig
from runners.data.text import WINDOW
from runners.model.family import Family
from runners.training.batch_sizes import (
    FEWEST_POSITIONS,
    ROWS_A_PROMPT,
    WORTHWHILE,
    answered_at_once,
)
from sweeps.forecast.lengths import Lengths, lengths_of
from sweeps.forecast.transformer import Batch, Precision, Transformer, Work, transformer_of

WORLD_WINDOW = 48
"""Tokens of a row of LM adaptation to the embedded world, half of them target."""
OPTIMIZER_KERNELS, WEIGHTS_A_LAYER = 20, 10
"""Adafactor's for each weight that trains, and weights of a layer, about."""
OPTIMIZER_BYTES = 60
"""That Adafactor reads and writes for each weight that trains."""

_OF_WORK = (
    "method", "model_size", "prompt_length", "shots", "mixture", "task", "data_source",
    "transfer_tasks", "dev_examples", "train_steps", "eval_every", "batch_size", "dropout",
    "eval_on_start", "compute_dtype", "input_length", "target_length", "answer_by",
)  # fmt: skip
"""The fields that decide how much work a trial is."""
_FIELDS = operator.attrgetter(*_OF_WORK)


def precision_of(config: TrialConfig, *, recomputes: bool = False) -> Precision:
    """How a trial's passes compute."""
    return Precision(
        dtype=config.compute_dtype, dropout=bool(config.dropout), recomputes=recomputes
    )


@dataclass(frozen=True, kw_only=True)
class Workload:
    """The work of trials and adaptations of one family, on GPUs or on cores."""

    family: Family
    on_gpu: bool
    recomputes: bool = False
    """Whether layers are computed again for the backward pass."""
    _known: dict[tuple[object, ...], Work] = field(default_factory=dict, repr=False)

    def of_trial(self, config: TrialConfig, *, sharing: int = 1) -> Work:
        """One trial, with `sharing` trials in its batch, which start each kernel once for all.

        The trials of a mixture share its training.
        """
        key = (*self.key(config), sharing)
        if key not in self._known:
            model = transformer_of(self.family, config.model_size)
            precision = precision_of(config, recomputes=self.recomputes)
            parts = _Trial(config, model, precision, self.on_gpu, sharing)
            self._known[key] = parts.training() + parts.evaluation()
        return self._known[key]

    def key(self, config: TrialConfig) -> tuple[object, ...]:
        """What trials of the same work and memory have in common."""
        found: tuple[object, ...] = _FIELDS(config)
        return found

    def of_adaptation(self, config: AdaptationConfig, steps: int) -> Work:
        """The first `steps` steps of an adaptation."""
        model = transformer_of(self.family, config.model_size)
        precision = Precision(dtype=config.compute_dtype, dropout=False, recomputes=self.recomputes)
        batch = adaptation_batch(config)
        step = model.step(batch, precision, tunes_model=True) + _optimizer(model)
        return step * steps


def adaptation_batch(config: AdaptationConfig) -> Batch:
    """What a step of LM adaptation reads: a prefix of each window, of which the rest is target."""
    half = (WORLD_WINDOW if config.text is None else WINDOW) / 2
    return Batch(rows=config.batch_size, positions=half, targets=half)


def positions_answered(model: Transformer, precision: Precision, *, on_gpu: bool) -> int:
    """Prompt and input positions of an evaluation batch, as runners.evaluation has it."""
    once = _reads_prompts_once(model, precision)
    return answered_at_once(model.parameters, on_gpu=on_gpu, reads_prompts_once=once)


def _reads_prompts_once(model: Transformer, precision: Precision) -> bool:
    """Whether prompts are computed once for all of their rows."""
    return not (model.decoder or precision.recomputes)


class _Trial:
    """One trial's parts, for one model."""

    def __init__(
        self, config: TrialConfig, model: Transformer, precision: Precision, on_gpu: bool,
        sharing: int,
    ) -> None:  # fmt: skip
        self._config = config
        self._model = model
        self._on_gpu = on_gpu
        self._sharing = sharing
        self._lengths = lengths_of(config)
        self._prompt = config.prompt_length or 0
        self._precision = precision
        self._reads_once = _reads_prompts_once(model, precision)

    def training(self) -> Work:
        """Every step; nothing where nothing trains."""
        config, model = self._config, self._model
        if config.training is None:
            return Work()
        rows, parts, positions = self._parts(config.training.batch_size)
        positions += self._share_of_prompt(rows * self._sharing / parts)
        tunes = config.method in TUNES_MODEL
        batch = Batch(rows=rows, positions=positions, targets=self._lengths.target)
        step = model.step(batch, self._precision, tunes_model=tunes)
        # Rows are this trial's own, and kernels are started for each part of all rows.
        shared = parts / self._sharing
        step = Work(operations=step.operations, traffic=step.traffic, kernels=step.kernels * shared)
        step = step + (_optimizer(model) if tunes else Work(kernels=OPTIMIZER_KERNELS))
        together = len(config.mixture.split(",")) if config.mixture else 1
        return step * (config.steps / together)

    def evaluation(self) -> Work:
        """Answers on dev at every evaluation, and once on each transfer task."""
        config, training = self._config, self._config.training
        times = 1.0
        if training is not None:
            times = math.ceil(config.steps / training.eval_every) + training.eval_on_start
        work = self._answers(self._lengths) * times
        for task in config.transfers:
            work = work + self._answers(lengths_of(config, task))
        return work

    def _answers(self, lengths: Lengths) -> Work:
        positions = self._prompt + lengths.mean
        most = positions_answered(self._model, self._precision, on_gpu=self._on_gpu)
        rows = max(1.0, most / positions)
        read = self._share_of_prompt(rows) + lengths.mean
        batch = Batch(rows=rows, positions=read, targets=lengths.target)
        ask = (
            self._model.generate if self._config.answer_by == "generation" else self._model.forward
        )
        # Rows of all trials fill the batches together.
        return ask(batch, self._precision) * (lengths.dev / rows)

    def _parts(self, rows: int) -> tuple[float, float, float]:
        """Rows of the trial, parts that a step of all trials has, and tokens of a row."""
        lengths, prompt, every = self._lengths, self._prompt, rows * self._sharing
        whole = lengths.padded(every)
        if self._on_gpu:
            return rows, 1, whole
        operations = 4 * self._model.parameters
        needed = max(FEWEST_POSITIONS, WORTHWHILE / operations)
        along = 0 if self._reads_once else prompt
        parts = max(1.0, every * (along + lengths.mean) / needed)
        return rows, parts, lengths.mean + (whole - lengths.mean) / parts

    def _share_of_prompt(self, rows: float) -> float:
        """Prompt positions that are computed for each row of a batch of so many."""
        each = rows / min(self._sharing, rows)
        return self._prompt / each if self._reads_once and each >= ROWS_A_PROMPT else self._prompt


def _optimizer(model: Transformer) -> Work:
    """A step of Adafactor for every weight."""
    weights = WEIGHTS_A_LAYER * (model.encoder + model.decoder)
    return Work(traffic=OPTIMIZER_BYTES * model.parameters, kernels=OPTIMIZER_KERNELS * weights)

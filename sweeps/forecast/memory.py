"""What a pack holds while it trains, in bytes, of a GPU or of a machine.

A step that does not fit goes through the model in parts (runners.training.memory), so a
pack fits where its weights and optimizer fit beside a single row.
"""

import math
from dataclasses import dataclass

from runners.config import TUNES_MODEL, AdaptationConfig, TrialConfig
from runners.model.family import Family
from sweeps.forecast.lengths import lengths_of
from sweeps.forecast.transformer import Batch, Precision, Transformer, transformer_of
from sweeps.forecast.work import adaptation_batch, positions_answered, precision_of

SURROUNDINGS = 1.0e9
"""What a process with torch holds besides: its code, and on a GPU the CUDA context."""
PROMPT_STATES = 6
"""Float32 tensors like a prompt: itself, gradient, second moment, best point, update, cast."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes that a pack holds: whatever its batch, for one row, and for all rows at once."""

    weights: float
    """Of the frozen model, or of the model in training; among `fixed`."""
    fixed: float
    """Weights, optimizer, gradients and prompts, and the process itself."""
    row: float
    """What the longest row adds."""
    rows: float
    """Rows that share a step, where there is room."""
    of_one: float
    """Rows of one trial among them."""

    @property
    def least(self) -> float:
        """With one row at a time."""
        return self.fixed + self.row

    @property
    def full(self) -> float:
        """With all rows at once."""
        return self.fixed + self.rows * self.row

    def rows_in(self, room: float) -> int:
        """Rows of a part that has room in so many bytes; 0 where not even one has."""
        return min(int(self.rows), max(0, int((room - self.fixed) // self.row)))


def of_trial(
    config: TrialConfig, family: Family, *, slots: int, on_gpu: bool, ranks: int = 1,
    recomputes: bool = False,
) -> Memory:  # fmt: skip
    """A pack of `slots` trials such as this one in its batch, with rows as long as they come.

    Of one of `ranks` workers that train a whole model together.
    """
    model = transformer_of(family, config.model_size)
    precision = precision_of(config, recomputes=recomputes)
    lengths = lengths_of(config)
    positions = (config.prompt_length or 0) + lengths.longest
    tunes = config.method in TUNES_MODEL
    slots = 1 if tunes else slots
    one = Batch(rows=1, positions=positions, targets=lengths.target)
    asked = max(1.0, positions_answered(model, precision, on_gpu=on_gpu) / positions)
    answers = model.answering(one, precision)
    row, rows = answers, asked
    if tunes:
        fixed = _in_training(model, precision, ranks)
    else:
        prompts = 4.0 * PROMPT_STATES * (config.prompt_length or 0) * model.width * slots
        fixed = _weights(model, precision, tunes=False) + prompts
    if config.training is not None:
        trained = model.saved(one, precision, tunes_model=tunes)
        rows = math.ceil(config.training.batch_size * slots / ranks)
        # Training and answering take turns; the larger of the two decides.
        row = max(trained, answers * asked / rows)
    return Memory(
        weights=_weights(model, precision, tunes=tunes) / ranks, fixed=SURROUNDINGS + fixed,
        row=row, rows=rows, of_one=rows / slots,
    )  # fmt: skip


def of_adaptation(
    config: AdaptationConfig, family: Family, *, ranks: int = 1, recomputes: bool = False
) -> Memory:
    """An adaptation run, of one of `ranks` workers."""
    model = transformer_of(family, config.model_size)
    precision = Precision(dtype=config.compute_dtype, dropout=False, recomputes=recomputes)
    batch = adaptation_batch(config)
    # A prefix may be nearly the whole window.
    whole = Batch(rows=1, positions=2 * batch.positions, targets=batch.targets)
    row = model.saved(whole, precision, tunes_model=True)
    fixed = SURROUNDINGS + _in_training(model, precision, ranks)
    rows = math.ceil(batch.rows / ranks)
    return Memory(
        weights=_weights(model, precision, tunes=True) / ranks, fixed=fixed, row=row, rows=rows,
        of_one=rows,
    )  # fmt: skip


def _weights(model: Transformer, precision: Precision, *, tunes: bool) -> float:
    """Those that are computed with: float32 where they train."""
    return float(model.parameters) * (4 if tunes else precision.bytes)


def _in_training(model: Transformer, precision: Precision, ranks: int) -> float:
    """The model as it was read, the one that trains, gradients, casts, and Adafactor's update.

    Ranks hold their shares of the one that trains and of its gradients, and put one
    layer together at a time, which is no more than the largest weight.
    Adafactor keeps two vectors of a matrix, which is little; its update makes two
    float32 tensors as large as the largest weight.
    """
    if ranks > 1:
        largest = max(model.vocabulary * model.width, model.feed_forward * model.width)
        return float(model.parameters) * (4 + 4) / ranks + 16.0 * largest
    casts = 0 if precision.dtype == "float32" else precision.bytes
    largest = max(model.vocabulary * model.width, model.feed_forward * model.width)
    return float(model.parameters) * (4 + 4 + 4 + casts) + 8.0 * largest

"""Tokens of inputs and targets, by task, known before any data are read.

The embedded world is counted with the tokenizer of its ladder, SuperGLUE, GLUE and SQuAD
with T5's (`python -m benchmarks.lengths`); of MultiRC's and BoolQ's training splits, of
SQuAD and of ReCoRD parts were at hand, of WiC, WSC and QQP nothing: theirs are guesses by
their sentences.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from runners.catalogue import MICROWORLD
from runners.config import TrialConfig


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """Tokens of a task's rows, end-of-sequence included.

    `of_32` and `of_128` are the mean length of the longest row of a batch of so
    many, which is what a batch is padded to.
    """

    mean: float
    of_32: float
    of_128: float
    longest: int
    target: int
    dev: int
    """Rows of the whole dev split (Lester et al. 2021, Table 7)."""

    def padded(self, rows: float) -> float:
        """The mean length of the longest of `rows` rows, on a logarithmic line between counts."""
        if rows <= 32:
            share = math.log(max(rows, 1.0)) / math.log(32)
            return self.mean + share * (self.of_32 - self.mean)
        share = math.log(rows / 32) / math.log(4)
        return min(float(self.longest), self.of_32 + share * (self.of_128 - self.of_32))


def _lengths(
    mean: float, of_32: float, of_128: float, longest: int, target: int, dev: int
) -> Lengths:
    return Lengths(mean=mean, of_32=of_32, of_128=of_128, longest=longest, target=target, dev=dev)


_WORLD = {
    "boolq": _lengths(29, 37, 39, 42, 2, 1024), "cb": _lengths(28, 35, 37, 39, 2, 1024),
    "copa": _lengths(25, 28, 28, 29, 2, 1024), "multirc": _lengths(33, 44, 46, 49, 2, 4825),
    "record": _lengths(46, 54, 56, 60, 2, 1024), "rte": _lengths(28, 35, 37, 39, 4, 1024),
    "wic": _lengths(29, 44, 49, 56, 2, 1024), "wsc": _lengths(13, 15, 15, 15, 2, 1024),
    "mrpc": _lengths(18, 21, 22, 22, 2, 1024), "qqp": _lengths(25, 30, 31, 32, 2, 1024),
    "squad": _lengths(34, 38, 38, 38, 2, 1024), "squad_people": _lengths(34, 38, 38, 38, 2, 1024),
    "squad_wordings": _lengths(35, 40, 40, 40, 2, 1024),
    "squad_topics": _lengths(34, 38, 39, 40, 2, 1024),
    "squad_things": _lengths(32, 36, 36, 36, 3, 1024),
    "squad_gists": _lengths(35, 39, 39, 39, 2, 1024),
    "squad_pronouns": _lengths(27, 31, 31, 31, 2, 1024),
}  # fmt: skip
_SUPERGLUE = {
    "boolq": _lengths(155, 394, 552, 1138, 4, 3270), "cb": _lengths(94, 220, 259, 302, 5, 56),
    "copa": _lengths(36, 47, 49, 51, 3, 100), "multirc": _lengths(385, 601, 630, 684, 4, 4848),
    "record": _lengths(328, 477, 487, 600, 24, 10000),
    "rte": _lengths(81, 205, 242, 312, 6, 277), "wic": _lengths(40, 56, 60, 75, 2, 638),
    "wsc": _lengths(45, 75, 85, 110, 3, 104),
}  # fmt: skip
_GLUE = {
    "sst2": _lengths(17, 50, 62, 85, 2, 872), "mrpc": _lengths(67, 100, 110, 138, 6, 408),
    "glue_rte": _SUPERGLUE["rte"], "qqp": _lengths(40, 95, 130, 330, 6, 40430),
}  # fmt: skip
_KNOWN: Mapping[str, Mapping[str, Lengths]] = {
    MICROWORLD: _WORLD, "superglue": _SUPERGLUE, "glue": _GLUE,
    "squad": {"squad": _lengths(220, 500, 653, 956, 55, 10570)},
}  # fmt: skip
_UNKNOWN = _lengths(160, 400, 500, 10**6, 16, 1000)
"""Of a task that nobody has counted: about those of BoolQ and SQuAD."""


def lengths_of(config: TrialConfig, task: str | None = None) -> Lengths:
    """The lengths of a trial's task, or of one that it is judged on; never beyond its limits."""
    known = _KNOWN.get(config.data_source, {})
    found = known.get(task or config.task, _UNKNOWN)
    most, target = config.input_length, config.target_length
    asked = config.dev_examples or found.dev
    # The embedded world makes as many as are asked for; what nobody has counted may have them.
    is_full = config.data_source != MICROWORLD and found is not _UNKNOWN
    # The examples of a few-shot prompt are inputs and targets themselves.
    copies = 1 + (config.shots or 0)
    return Lengths(
        mean=min(copies * found.mean, most),
        of_32=min(copies * found.of_32, most),
        of_128=min(copies * found.of_128, most),
        longest=min(copies * found.longest, most),
        target=min(found.target, target),
        dev=min(found.dev, asked) if is_full else asked,
    )

"""The GLUE tasks of the paper's transfer study, and its other two, in T5's formats.

Records are those of the publisher's tsv files or of the hub, under the names of
the hub's columns: SST-2 has `sentence`, MRPC and RTE `sentence1` and
`sentence2`, QQP `question1` and `question2`. Sources of the formats: T5's
preprocessors; of the metrics: Wang et al. 2018, table 1.

RTE is in SuperGLUE too, with other field names. It is `glue_rte` here.
"""

from collections.abc import Mapping
from types import MappingProxyType

from runners.tasks.classification import Labels, measure_f1_and_accuracy, plain
from runners.tasks.task import Task

SST2: Labels = {"negative": 0, "positive": 1}
MRPC: Labels = {"not_equivalent": 0, "equivalent": 1}
QQP: Labels = {"not_duplicate": 0, "duplicate": 1}
RTE: Labels = {"entailment": 0, "not_entailment": 1}

_ALL = (
    plain(
        "glue_rte", ("sentence1", "sentence2"), RTE, prefix="rte",
        instruction="Does sentence1 say sentence2? Say entailment or not_entailment.",
    ),
    plain(
        "mrpc", ("sentence1", "sentence2"), MRPC,
        measure_f1_and_accuracy(("not_equivalent", "equivalent")), verdicts=("equivalent",),
        instruction="Do both sentences say the same? Say equivalent or not_equivalent.",
    ),
    plain(
        "qqp", ("question1", "question2"), QQP,
        measure_f1_and_accuracy(("not_duplicate", "duplicate")), verdicts=("duplicate",),
        instruction="Do both questions ask the same? Say duplicate or not_duplicate.",
    ),
    plain(
        "sst2", ("sentence",), SST2,
        instruction="Is the sentence positive or negative about a film?",
    ),
)  # fmt: skip

TASKS: Mapping[str, Task] = MappingProxyType({task.name: task for task in _ALL})
"""Tasks by name."""

PARAPHRASES = ("mrpc", "qqp")
"""The two tasks that ask whether one text says what another says."""

"""The tasks of the embedded world: SuperGLUE's, two paraphrase tasks of GLUE, and SQuAD's form.

Formats and metrics are those of the benchmarks; what they ask is about the world
(`runners.microworld.records`). The paraphrase tasks have words of their own for their
classes: GLUE's never occur in the world, and models of this size cannot spell them.
"""

from collections.abc import Mapping
from types import MappingProxyType

from runners.tasks import glue, superglue
from runners.tasks.classification import Labels, measure_f1_and_accuracy, plain
from runners.tasks.question_answering import SQUAD, answering
from runners.tasks.task import Task

DOMAINS = (
    "squad_people", "squad_wordings", "squad_topics", "squad_things", "squad_gists",
    "squad_pronouns",
)  # fmt: skip
"""Domains that `squad` is not about. They have a dev split alone."""
MRPC: Labels = {"False": 0, "True": 1}
QQP: Labels = {"No": 0, "Yes": 1}


def _paraphrase(name: str, fields: tuple[str, str], labels: Labels) -> Task:
    no, yes = labels
    return plain(
        name, fields, labels, measure_f1_and_accuracy((no, yes)), verdicts=(no, yes),
        instruction=f"{glue.TASKS[name].instruction.partition('?')[0]}? Say {yes} or {no}.",
    )  # fmt: skip


TASKS: Mapping[str, Task] = MappingProxyType(
    {
        **superglue.TASKS,
        "mrpc": _paraphrase("mrpc", ("sentence1", "sentence2"), MRPC),
        "qqp": _paraphrase("qqp", ("question1", "question2"), QQP),
        **SQUAD,
        **{name: answering(name) for name in DOMAINS},
    }
)
"""Tasks by name."""

"""The published tasks, by the benchmark that their examples come from."""

from collections.abc import Mapping
from types import MappingProxyType

from runners.tasks import glue, question_answering, superglue
from runners.tasks.task import Task

BENCHMARKS: Mapping[str, Mapping[str, Task]] = MappingProxyType(
    {
        "superglue": superglue.TASKS,
        "glue": glue.TASKS,
        "squad": question_answering.SQUAD,
        "mrqa": question_answering.MRQA,
    }
)
"""The tasks of each benchmark. No two benchmarks share the name of a task."""

BENCHMARK_OF: Mapping[str, str] = MappingProxyType(
    {task: benchmark for benchmark, tasks in BENCHMARKS.items() for task in tasks}
)
"""The benchmark of every published task."""

DEV_ONLY = frozenset(question_answering.MRQA)
"""Published tasks that have no training split: they can be transferred to."""

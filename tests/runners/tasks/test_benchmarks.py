"""The published tasks under their names."""

from runners.data import hub
from runners.tasks.benchmarks import BENCHMARK_OF, BENCHMARKS
from runners.tasks.files import glue_folder, squad_file, superglue_folder


def test_no_two_benchmarks_share_a_name() -> None:
    """Catches a task of one benchmark trained under the name of another's."""
    assert len(BENCHMARK_OF) == sum(map(len, BENCHMARKS.values()))
    assert len(BENCHMARK_OF) == 8 + 4 + 1 + 6


def test_every_task_can_be_read_from_a_folder_and_from_the_hub() -> None:
    """Catches a task that a spec may name and nobody can read."""
    assert superglue_folder.FOLDERS.keys() == BENCHMARKS["superglue"].keys()
    assert glue_folder.LAYOUTS.keys() == BENCHMARKS["glue"].keys()
    assert squad_file.MRQA_FILES.keys() == BENCHMARKS["mrqa"].keys()
    assert hub.TASKS.keys() == BENCHMARK_OF.keys()


def test_tasks_go_by_their_own_names() -> None:
    """Catches metrics of one task under another's key."""
    for tasks in BENCHMARKS.values():
        assert all(name == task.name for name, task in tasks.items())

"""The transfer tasks of a study: one list, from which every task leaves itself out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ablation import study
from ablation.grid import build
from ablation.study import Study
from runners.catalogue import Catalogue
from runners.rules import ConfigError
from runners.tasks.own import OwnTask

Read = Callable[[object], Study]
Plain = dict[str, Any]


def test_each_task_is_asked_the_others(plain: Plain, read: Read) -> None:
    """A task that transfers to itself, or a method that is compared on other questions."""
    plain["settings"]["shared"]["transfer_tasks"] = ["record", "cb", "boolq"]
    asked = {
        (trial.config.method, trial.config.task): trial.config.transfer_tasks
        for trial in build(read(plain))
    }
    methods = ("prompt_tuning", "model_tuning")
    assert asked == {(method, "boolq"): "cb,record" for method in methods} | {
        (method, "record"): "boolq,cb" for method in methods
    }


def test_a_study_without_transfer_has_the_ids_that_it_had(plain: Plain, read: Read) -> None:
    """A null that is read as a list would orphan every result."""
    before = [trial.config.trial_id for trial in build(read(plain))]
    plain["settings"]["shared"]["transfer_tasks"] = None
    assert [trial.config.trial_id for trial in build(read(plain))] == before


def test_a_task_that_is_the_whole_list_has_no_transfer(plain: Plain, read: Read) -> None:
    """One direction of two: the other task's trials are the ones of before."""
    plain["settings"]["shared"]["transfer_tasks"] = ["record"]
    asked = {trial.config.task: trial.config.transfer_tasks for trial in build(read(plain))}
    assert asked == {"boolq": "record", "record": None}


def test_prompt_design_is_not_asked(plain: Plain, read: Read) -> None:
    """A baseline without training in a spec with transfer would be no legal trial."""
    plain["settings"]["shared"]["transfer_tasks"] = ["cb"]
    plain["baselines"] = ["model_tuning", "prompt_design"]
    asked = {trial.config.method: trial.config.transfer_tasks for trial in build(read(plain))}
    assert asked == {"prompt_tuning": "cb", "model_tuning": "cb", "prompt_design": None}


def test_each_task_can_have_a_list_of_its_own(plain: Plain, read: Read) -> None:
    """Catches paraphrases that are judged on the domains of a question task, for nothing."""
    plain["axes"]["task"] = ["squad", "mrpc", "boolq"]
    plain["settings"]["shared"]["transfer_tasks"] = {
        "squad": ["squad_topics", "squad_people"], "mrpc": ["qqp"],
    }  # fmt: skip
    asked = {trial.config.task: trial.config.transfer_tasks for trial in build(read(plain))}
    assert asked == {"squad": "squad_people,squad_topics", "mrpc": "qqp", "boolq": None}


def _own(name: str) -> OwnTask:
    return OwnTask(
        name=name, train=Path(__file__), dev=Path(__file__), held_out=None, input="{a}",
        target="{b}", labels=None, metrics=("f1",), init_words=("a",),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("tasks", "source", "named", "told"),
    [
        (
            ["boolq", "cb"], "microworld", {"boolk": ["cb"]},
            ("settings.shared.transfer_tasks.boolk: 'boolk' is not a known key; did you mean "
            "'boolq'?"),
        ),
        (
            ["mrpc", "qqp"], "microworld", {"mrpc": ["mrpc"], "qqp": ["mrpc", "mrpc"]},
            ("settings.shared.transfer_tasks.mrpc[0]: 'mrpc' is judged anyway; leave it out, or "
            "name another task\n"
            "settings.shared.transfer_tasks.qqp[1]: 'mrpc' is listed twice; keep one"),
        ),
        (
            ["boolq", "mine"], "microworld", ["squad_people"],
            ("settings.shared.transfer_tasks[0]: 'squad_people' is from microworld alone, and "
            "trials of mine are not; give transfer_tasks for each task, or leave one of the "
            "two out"),
        ),
        (
            ["boolq", "mine"], "microworld", {"mine": ["boolq"]},
            ("settings.shared.transfer_tasks.mine[0]: 'boolq' is from microworld here, and from "
            "superglue for trials of mine; give data_source published, or leave one of the "
            "two out"),
        ),
        (
            ["boolq"], "microworld", ["boolq"],
            ("settings.shared.transfer_tasks: ['boolq'] has no other task than the study; "
            "name another one"),
        ),
        (
            ["boolq"], "microworld", ["my own"],
            ("settings.shared.transfer_tasks[0]: 'my own' is no name of letters, digits, '_', '-' "
            "and '.'; give the task such a name"),
        ),
        (
            ["boolq", "mine"], "microworld", ["boolq"],
            ("settings.shared.transfer_tasks[0]: 'boolq' is from microworld here, and from "
            "superglue for trials of mine; give data_source published, or leave one of the "
            "two out"),
        ),
        (
            ["squad", "bioasq"], "published", ["drop"],
            ("axes.task[1]: 'bioasq' has a dev split alone; train on another task, and name this "
            "one in transfer_tasks"),
        ),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_told(
    plain: Plain, tasks: list[str], source: str, named: object, told: str
) -> None:
    """A name that means two things, or a file that cannot be written, after hours of training."""
    plain["axes"]["task"] = tasks
    plain["settings"]["shared"] |= {"transfer_tasks": named, "data_source": source}
    catalogue = Catalogue(own_tasks={name: _own(name) for name in ("mine", "my own")})
    with pytest.raises(ConfigError) as caught:
        study.from_mapping(plain, catalogue)
    assert str(caught.value) == told

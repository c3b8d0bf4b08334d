"""What trials can name, and what is said of other names."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runners.catalogue import Catalogue
from runners.config import TrialConfig
from runners.model.family import shipped
from runners.tasks.own import OwnTask

Make = Callable[..., TrialConfig]


def test_names_that_exist_are_no_problem(config: Make) -> None:
    """Catches a list of names that lacks one that works."""
    assert Catalogue().problems(config()) == []


@pytest.mark.parametrize(
    ("changes", "keys"),
    [
        ({"model_size": "70k", "task": "bolq"}, ["model_size", "task"]),
        ({"model_family": "nan", "model_size": "70k"}, ["model_family"]),
        ({"data_source": "microwrld", "task": "bolq"}, ["data_source"]),
    ],
)
def test_every_unknown_name_is_told_with_the_nearest(
    config: Make, changes: dict[str, str], keys: list[str]
) -> None:
    """Catches a second mistake that waits for the first, or a size judged by no family."""
    problems = Catalogue().problems(config(**changes))
    assert [problem.key for problem in problems] == keys
    assert all("did you mean" in problem.remedy for problem in problems)


RUNGS = "model_size of family nano: {!r} is not one of 60k, 200k, 600k, 2m; {}"


@pytest.mark.parametrize(
    ("family", "size", "message"),
    [
        (
            "nono",
            "60k",
            (
                "model_family: 'nono' is not one of nano, pythia, qwen, smollm2, t5, t5_efficient; "
                "did you mean 'nano'?"
            ),
        ),
        ("nano", "600", RUNGS.format("600", "did you mean '600k'?")),
        ("nano", "xxl", RUNGS.format("xxl", "use one of these")),
    ],
)
def test_a_rung_that_is_not_there_is_named(family: str, size: str, message: str) -> None:
    """Catches a KeyError, which would not tell which names there are."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Catalogue().rung(family, size)


def test_every_shipped_rung_is_found() -> None:
    """Catches a lookup that crosses families or sizes, and so loads another model."""
    for family in shipped().values():
        for size, rung in family.rungs.items():
            assert Catalogue().rung(family.name, size) is rung
            assert Catalogue().architecture(family.name) == family.architecture


def test_an_adaptation_that_nobody_released_is_told_before_anything_is_loaded(
    config: Make,
) -> None:
    """Catches a KeyError in a worker, in place of the steps that there are."""
    adapted = {"pretraining_objective": "lm_adaptation", "model_family": "t5"}
    there = config(**adapted, model_size="small", lm_adaptation_steps=100_000)
    assert Catalogue().problems(there) == []
    missing = config(**adapted, model_size="small", lm_adaptation_steps=50_000)
    (problem,) = Catalogue().problems(missing)
    assert str(problem) == (
        "lm_adaptation_steps: 50000 adaptations of t5 small are released at 100000; give one of "
        "these, or lm_adaptation_batch_size, _learning_rate and _seed"
    )
    nano = config(**adapted | {"model_family": "nano"}, lm_adaptation_steps=10)
    assert "of nano 60k are not released" in str(Catalogue().problems(nano)[0])


def test_an_objective_fits_the_architecture(config: Make) -> None:
    """Catches sentinels in front of a model that has none, or a T5 that is said to go on."""
    (problem,) = Catalogue().problems(config(pretraining_objective="causal_lm"))
    assert str(problem) == (
        "pretraining_objective: 'causal_lm' is not one of span_corruption; use one of these"
    )


def test_a_family_that_has_not_read_the_world_is_adapted_to_a_text(config: Make) -> None:
    """Catches documents of the embedded world in the pieces of a foreign tokenizer."""
    own = {
        "pretraining_objective": "lm_adaptation", "lm_adaptation_steps": 10,
        "lm_adaptation_batch_size": 4, "lm_adaptation_learning_rate": 0.1, "lm_adaptation_seed": 0,
    }  # fmt: skip
    assert Catalogue().problems(config(**own)) == []
    t5 = {**own, "model_family": "t5", "model_size": "small"}
    assert Catalogue().problems(config(**t5, lm_adaptation_text="0123")) == []
    (problem,) = Catalogue().problems(config(**t5))
    assert str(problem) == (
        "lm_adaptation_text: None is missing for family t5, which has not read the embedded "
        "world; give a folder of text (--text, or settings.lm_adaptation.text)"
    )


def _own(name: str, train: Path | None) -> OwnTask:
    return OwnTask(
        name=name, train=train, dev=Path(__file__), held_out=None, input="{a}", target="{b}",
        labels=None, metrics=("f1",), init_words=("a",),
    )  # fmt: skip


OWN = {"mine": _own("mine", Path(__file__)), "unseen": _own("unseen", None)}
CONTENT = OWN["mine"].dev_content


@pytest.mark.parametrize(
    ("task", "source", "meant"),
    [
        ("boolq", "microworld", "microworld"), ("boolq", "glue", "superglue"),
        ("boolq", "own", "superglue"), ("bioasq", "squad", "mrqa"),
        ("bioasq", "microworld", "mrqa"), ("mine", "microworld", "own"), ("bolq", "glue", None),
        ("mrpc", "microworld", "microworld"), ("mrpc", "glue", "glue"),
        ("squad_people", "microworld", "microworld"), ("squad_people", "squad", None),
    ],
)  # fmt: skip
def test_a_transfer_task_is_of_one_source(task: str, source: str, meant: str | None) -> None:
    """Catches a trial of real text that is judged on the embedded world."""
    assert Catalogue(own_tasks=OWN).transfer_source(task, source) == meant


def test_domains_of_the_world_are_for_its_own_trials() -> None:
    """Catches a published task that is judged on a world which its trial never saw."""
    assert "squad_people" in Catalogue().transfer_names("microworld")
    assert "squad_people" not in Catalogue().transfer_names("squad")
    assert len(Catalogue().transfer_names("squad")) == 8 + 4 + 1 + 6


def test_transfer_fields_have_one_order() -> None:
    """Catches one set of tasks under two ids."""
    fields = {"transfer_tasks": "boolq,mine,unseen", "transfer_content": f"{CONTENT},{CONTENT}"}
    catalogue = Catalogue(own_tasks=OWN)
    assert catalogue.transfer_fields(["unseen", "boolq", "mine"]) == fields
    assert catalogue.transfer_fields([]) == dict.fromkeys(fields)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"transfer_tasks": "bolq"},
            (
                "transfer_tasks: 'bolq' is not one of mine, unseen, boolq, cb, copa, multirc, "
                "record, rte, wic, wsc, mrpc, qqp, squad, squad_people, squad_wordings, "
                "squad_topics, squad_things, squad_gists, squad_pronouns, glue_rte, sst2, bioasq, "
                "drop, duorc, race, relation_extraction, textbookqa; did you mean 'boolq'?"
            ),
        ),
        (
            {"transfer_tasks": "mine"},
            (
                "transfer_content: None is not what the own tasks among transfer_tasks consist of; "
                f"give {CONTENT}"
            ),
        ),
        (
            {"transfer_tasks": "cb", "transfer_content": "abc"},
            (
                "transfer_content: 'abc' is not what the own tasks among transfer_tasks consist "
                "of; leave it out"
            ),
        ),
        (
            {"transfer_tasks": "mine", "transfer_content": CONTENT, "answer_by": "likelihood"},
            "answer_by: 'likelihood' needs choices, and mine asks for free text; give generation",
        ),
        (
            {"task": "unseen", "data_source": "own", "task_content": OWN["unseen"].content},
            (
                "task: 'unseen' has a dev split alone; train on another task, and name this one in "
                "transfer_tasks"
            ),
        ),
        (
            {"task": "squad_people"},
            (
                "task: 'squad_people' has a dev split alone; train on another task, and name this "
                "one in transfer_tasks"
            ),
        ),
        (
            {"task": "drop", "data_source": "mrqa"},
            (
                "task: 'drop' has a dev split alone; train on another task, and name this one in "
                "transfer_tasks"
            ),
        ),
    ],
)
def test_what_is_wrong_with_transfer_is_told(
    config: Make, changes: dict[str, Any], told: str
) -> None:
    """Catches a name or a file that shows at the end of a trial, after hours."""
    problems = Catalogue(own_tasks=OWN).problems(config(**changes))
    assert [str(problem) for problem in problems] == [told]


def test_the_tasks_of_a_mixture_are_read_without_transfer(config: Make) -> None:
    """Catches a mixture that cannot be put together, because a task would transfer to itself."""
    mixed = config(
        method="multitask_model_tuning", prompt_length=None, prompt_init=None,
        mixture="boolq,cb", transfer_tasks="cb,rte",
    )  # fmt: skip
    found = Catalogue().mixture_of(mixed)
    assert [(each.task, each.transfers) for each in found] == [("boolq", ()), ("cb", ())]

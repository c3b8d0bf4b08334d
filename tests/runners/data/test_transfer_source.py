"""What a trial's transfer tasks ask its best point."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runners.catalogue import Catalogue
from runners.config import TrialConfig
from runners.data.source import load_task_data, load_transfer_data
from runners.model.t5_backbone import T5Backbone
from runners.tasks.own import OwnTask

Make = Callable[..., TrialConfig]


def test_a_transfer_task_is_read_as_the_trial_is(
    backbone: T5Backbone, config: Make, tmp_path: Path
) -> None:
    """Catches rows of another count, prefix or limit than the trial's own task has.

    The majority class of the trial says nothing of another task; chance there is
    the best single label of that task.
    """
    trial = config(transfer_tasks="cb,record", dev_examples=20, task_prefix=True)
    found = load_transfer_data(trial, backbone.codec, Catalogue())
    assert list(found) == ["cb", "record"]
    for task, data in found.items():
        own = load_task_data(
            config(task=task, dev_examples=20, task_prefix=True), backbone.codec, Catalogue()
        )
        assert [row.input_ids.tolist() for row in data.dev] == [
            row.input_ids.tolist() for row in own.dev
        ]
        assert data.dev_examples == own.dev_examples
        assert data.target_limit == own.target_limit
        assert data.dev_examples[0].input.startswith(f"{task} ")
        assert data.cut == {"dev": 0}
    cb = found["cb"]
    assert cb.chance == max(
        cb.task.score([label] * len(cb.dev), cb.dev_examples)["score"]
        for label in cb.task.labels or ()
    )


def test_all_of_a_smaller_transfer_task_counts(
    backbone: T5Backbone, config: Make, glue: Catalogue
) -> None:
    """Catches a cap that is refused because one of six domains is smaller than it."""
    trial = config(transfer_tasks="sst2", dev_examples=12)
    assert len(load_transfer_data(trial, backbone.codec, glue)["sst2"].dev) == 4


def test_paraphrases_of_the_world_are_the_worlds_own(
    backbone: T5Backbone, config: Make, glue: Catalogue
) -> None:
    """Catches a trial of the world that is judged on GLUE, or in words that it does not have."""
    trial = config(task="mrpc", transfer_tasks="qqp,squad_people")
    found = load_transfer_data(trial, backbone.codec, glue)
    assert [len(data.dev) for data in found.values()] == [12, 12]
    said = ["True", "False", "who"]
    asked = replace(found["qqp"], dev_examples=found["qqp"].dev_examples[:3])
    assert asked.score(backbone.codec.targets(said))[1] == ["Yes", "No", "who"]
    assert found["qqp"].choices()[0] == backbone.codec.targets(["False", "True"])
    assert all(ex.input.startswith("question: Wh") for ex in found["squad_people"].dev_examples)


def test_rows_of_a_transfer_task_that_are_too_long_are_told(
    backbone: T5Backbone, config: Make
) -> None:
    """Catches a domain whose questions are cut in silence."""
    own = load_task_data(config(task="wic"), backbone.codec, Catalogue())
    longest = max(len(row.input_ids) for row in (*own.train, *own.dev))
    trial = config(task="wic", transfer_tasks="multirc", input_length=longest)
    with pytest.raises(ValueError, match=r"^input_length: \d+ of \d+ rows of multirc are longer"):
        load_transfer_data(trial, backbone.codec, Catalogue())
    cut = replace(trial, long_inputs="cut")
    data = load_transfer_data(cut, backbone.codec, Catalogue())["multirc"]
    assert max(len(row.input_ids) for row in data.dev) == longest
    assert data.cut["dev"] > 0


def test_answers_are_in_the_words_of_the_task_that_was_tuned(
    backbone: T5Backbone, config: Make, glue: Catalogue
) -> None:
    """Catches a transfer between paraphrase tasks of which every answer is invalid.

    Lester et al. 2021, 5: the words of one are replaced by those of the other.
    """
    trial = config(
        task="qqp", data_source="glue", transfer_tasks="mrpc", train_examples=4, dev_examples=4
    )
    codec = backbone.codec
    data = load_transfer_data(trial, codec, glue)["mrpc"]
    said = ["duplicate", "not_duplicate", "not_duplicate", "equivalent"]
    metrics, answers = data.score(codec.targets(said))
    assert answers == ["equivalent", "not_equivalent", "not_equivalent", "equivalent"]
    assert [example.target for example in data.dev_examples] == [
        "equivalent", "not_equivalent", "equivalent", "not_equivalent",
    ]  # fmt: skip
    assert (metrics["accuracy"], metrics["f1"], metrics["invalid"]) == (50.0, 50.0, 0.0)
    assert data.choices() == [codec.targets(["not_duplicate", "duplicate"])] * 4
    back = load_transfer_data(replace(trial, task="mrpc", transfer_tasks="qqp"), codec, glue)["qqp"]
    assert back.score(codec.targets(["not_equivalent"] * 4))[1] == ["not_duplicate"] * 4
    own = load_task_data(trial, codec, glue)
    assert own.score(codec.targets(["not_equivalent"] * 4))[1] == ["not_equivalent"] * 4


def test_chance_on_free_text_knows_the_answers_that_were_trained_on(
    backbone: T5Backbone, config: Make, tmp_path: Path
) -> None:
    """Catches a chance level that looks into the rows it is held against."""
    (tmp_path / "train.tsv").write_text("a\tb\nx\tred\ny\tred\nz\tblue\n")
    (tmp_path / "far.tsv").write_text("a\tb\nv\tblue\nw\tblue\nu\tred\n")
    form: dict[str, Any] = {
        "held_out": None, "input": "{a}", "target": "{b}", "labels": None,
        "metrics": ("exact_match",), "init_words": ("answer",),
    }  # fmt: skip
    train, far = tmp_path / "train.tsv", tmp_path / "far.tsv"
    own = {
        "near": OwnTask(name="near", train=train, dev=train, **form),
        "far": OwnTask(name="far", train=None, dev=far, **form),
    }
    trial = config(
        task="near", data_source="own", task_content=own["near"].content, transfer_tasks="far",
        transfer_content=own["far"].dev_content, train_examples=3, dev_examples=3,
    )  # fmt: skip
    data = load_transfer_data(trial, backbone.codec, Catalogue(own_tasks=own))["far"]
    assert data.chance == pytest.approx(100 / 3)

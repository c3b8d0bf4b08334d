"""Labels that a tokenizer has to write: those that no answer can be are refused."""

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from runners.catalogue import Catalogue
from runners.config import TrialConfig
from runners.data.source import check_labels, check_sentinel, load_task_data
from runners.model.checkpoint import LADDER
from runners.model.family import Place
from runners.model.reading import read_codec
from runners.model.t5_backbone import T5Backbone
from runners.rules import ConfigError
from runners.tasks.benchmarks import BENCHMARKS
from runners.tasks.own import OwnTask
from runners.tasks.superglue import TASKS
from runners.tasks.task import Task

Make = Callable[..., TrialConfig]
UNKNOWN = "has characters that the tokenizer of the model does not know"


def _labelled(*labels: str) -> Task:
    return dataclasses.replace(TASKS["cb"], name="mood", labels=labels)


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (("good", "\U0001f600"), f"'\U0001f600' {UNKNOWN}"),
        (("very bad", "very  bad"), "'very  bad' has the tokens of 'very bad'"),
        (("good", "bad\n"), "'bad\\n' comes back from the tokenizer of the model as 'bad'"),
    ],
)
def test_labels_that_no_answer_can_be_are_refused(
    backbone: T5Backbone, labels: tuple[str, ...], told: str
) -> None:
    """Catches a class whose right answers all count as wrong, after hours of training."""
    message = f"mood: label: {told}; give the class another word, or take another model"
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        check_labels(_labelled(*labels), backbone.codec)


def test_labels_are_checked_before_anything_is_trained(
    backbone: T5Backbone, config: Make, tmp_path: Path
) -> None:
    """Catches a check that nobody makes."""
    (tmp_path / "rows.tsv").write_text("text\tlabel\nOne.\t0\nTwo.\t1\n")
    own = OwnTask(
        name="mood", train=tmp_path / "rows.tsv", dev=tmp_path / "rows.tsv", held_out=None,
        input="{text}", target="{label}", labels=(("0", "good"), ("1", "b\U0001f600d")),
        metrics=("accuracy",), init_words=("good",),
    )  # fmt: skip
    trial = config(task="mood", data_source="own", task_content=own.content, train_examples=None)
    with pytest.raises(ConfigError, match="does not know"):
        load_task_data(trial, backbone.codec, Catalogue(own_tasks={"mood": own}))


def test_a_sentinel_that_is_no_piece_is_refused(
    backbone: T5Backbone, config: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches targets that begin with '<', 'extra', '_', 'id', and an arm of Figure 3c of those."""
    check_sentinel(backbone.codec)
    monkeypatch.setattr("runners.data.source.SENTINEL", "<no_such_0>")
    message = (
        "pretraining_objective: 'span_corruption_sentinel' begins targets with <no_such_0>, which "
        "is no piece of the tokenizer of the model; leave this objective out, or take a tokenizer "
        "with sentinels"
    )
    codec = dataclasses.replace(backbone.codec)
    trial = config(pretraining_objective="span_corruption_sentinel")
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        load_task_data(trial, codec, Catalogue())
    assert load_task_data(config(), codec, Catalogue()).train


@pytest.mark.parametrize("vocabulary", ["nano", "t5"])
def test_published_labels_can_be_written(vocabulary: str, tmp_path: Path) -> None:
    """Catches a rule that refuses what the paper trains on."""
    folder = LADDER / "tokenizer"
    if vocabulary == "t5":
        published = Path(__file__).resolve().parents[4] / "shared" / "data" / "t5" / "spiece.model"
        if not published.exists():
            pytest.skip(f"{published} is not there: T5's vocabulary is not part of the project")
        (tmp_path / "spiece.model").write_bytes(published.read_bytes())
        settings = {"tokenizer_class": "T5Tokenizer", "extra_ids": 100}
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
        folder = tmp_path
    codec = read_codec(Place(path=folder), continues=False)
    check_sentinel(codec)
    for tasks in BENCHMARKS.values() if vocabulary == "t5" else [TASKS]:
        for task in tasks.values():
            check_labels(task, codec)

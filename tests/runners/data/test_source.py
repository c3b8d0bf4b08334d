"""A trial's task as token ids."""

import dataclasses
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from runners.catalogue import Catalogue, DataPlace
from runners.config import TRAINING, TrialConfig
from runners.data import source as module
from runners.data.source import load_task_data
from runners.microworld import records
from runners.model.t5_backbone import T5Backbone
from runners.tasks.own import OwnTask
from runners.tasks.superglue import TASKS

Make = Callable[..., TrialConfig]
SENTINEL, END, PAD = 699, 1, 0


@pytest.fixture
def fresh() -> Iterator[None]:
    """Nothing is kept from before, and nothing for after."""
    module._load.cache_clear()
    yield
    module._load.cache_clear()


@pytest.mark.parametrize(
    ("key", "limit", "rows"),
    [("input_length", 25, "input_ids"), ("target_length", 1, "target_ids")],
)
def test_rows_that_are_too_long_are_counted_and_refused(
    backbone: T5Backbone, config: Make, key: str, limit: int, rows: str
) -> None:
    """Catches a row that is cut in silence: a passage without its end, a label without its tail."""
    lengths = [
        len(getattr(row, rows)) for row in load_task_data(config(), backbone.codec, Catalogue()).dev
    ]
    long = [length for length in lengths if length > limit]
    assert long
    message = (
        f"{key}: {len(long)} of 12 rows of boolq are longer than {limit} tokens (the longest has "
        f"{max(long)}); raise {key}, or give long_inputs: cut"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        load_task_data(config(**{key: limit}), backbone.codec, Catalogue())


@pytest.mark.parametrize("key", ["train_examples", "dev_examples"])
def test_more_examples_than_there_are_are_refused(
    backbone: T5Backbone, config: Make, key: str
) -> None:
    """Catches two ids for one data set, and a figure whose caption promises more than it has."""
    with pytest.raises(ValueError, match=f"^{key}: 999999 is more than the .* of boolq; give "):
        load_task_data(config(**{key: 999_999}), backbone.codec, Catalogue())


def test_dev_examples_are_a_cap_of_published_data(
    backbone: T5Backbone, config: Make, glue: Catalogue
) -> None:
    """Catches a spec of CB and SST-2 that no number of dev examples fits, CB having 56."""
    trial = config(task="sst2", data_source="glue", train_examples=4, dev_examples=300)
    data = load_task_data(trial, backbone.codec, glue)
    assert len(data.dev) == len(data.dev_examples) == 4
    few = dataclasses.replace(trial, dev_examples=3)
    assert len(load_task_data(few, backbone.codec, glue).dev) == 3
    more = dataclasses.replace(trial, train_examples=5)
    with pytest.raises(ValueError, match=r"^train_examples: 5 is more than the 4 of sst2; give 4"):
        load_task_data(more, backbone.codec, glue)


def test_a_row_of_just_the_limit_is_legal(backbone: T5Backbone, config: Make) -> None:
    """Catches a limit that is off by the end-of-sequence."""
    data = load_task_data(config(), backbone.codec, Catalogue())
    longest = max(len(row.input_ids) for row in [*data.train, *data.dev])
    load_task_data(config(input_length=longest), backbone.codec, Catalogue())
    with pytest.raises(ValueError, match=f"longer than {longest - 1} tokens"):
        load_task_data(config(input_length=longest - 1), backbone.codec, Catalogue())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "boolk"}, "task: 'boolk' is not one of boolq, .*; did you mean 'boolq'\\?"),
        (
            {"data_source": "superglu"},
            "data_source: 'superglu' is not one of microworld, .*; did you mean 'superglue'\\?",
        ),
    ],
)
def test_unknown_names_are_refused(
    backbone: T5Backbone, config: Make, changes: Mapping[str, str], message: str
) -> None:
    """Catches a KeyError that does not tell which names there are."""
    with pytest.raises(ValueError, match=f"^{message}$"):
        load_task_data(config(**changes), backbone.codec, Catalogue())


@pytest.mark.parametrize("task", sorted(set(TASKS) - {"wsc"}))
@pytest.mark.parametrize("objective", ["span_corruption", "span_corruption_sentinel"])
def test_the_targets_are_scored_as_right(
    backbone: T5Backbone, config: Make, task: str, objective: str
) -> None:
    """Catches a label that its own tokens do not spell, which no model could ever answer.

    WSC is left out, since its dev targets are candidates and not answers.
    """
    data = load_task_data(
        config(task=task, pretraining_objective=objective), backbone.codec, Catalogue()
    )
    padded = [[*row.target_ids, PAD, PAD] for row in data.dev]
    metrics, answers = data.score(padded)
    assert metrics["score"] == 100
    assert metrics["invalid"] == 0
    assert answers == [example.target for example in data.dev_examples]


def test_only_a_sentinel_trial_has_sentinels_before_its_targets(
    backbone: T5Backbone, config: Make
) -> None:
    """Catches an objective that differs in name only, or that leaks into the others."""
    plain = load_task_data(config(), backbone.codec, Catalogue())
    marked = load_task_data(
        config(pretraining_objective="span_corruption_sentinel"), backbone.codec, Catalogue()
    )
    for one, other in zip(plain.train, marked.train, strict=True):
        assert other.target_ids.tolist() == [SENTINEL, *one.target_ids]
        assert other.input_ids.tolist() == one.input_ids.tolist()
    assert marked.target_limit == plain.target_limit + 1


def test_a_sentinel_in_an_answer_is_an_error_but_where_the_objective_has_one(
    backbone: T5Backbone, config: Make
) -> None:
    """Catches span corruption that is helped as only the sentinel objective should be."""
    plain = load_task_data(config(), backbone.codec, Catalogue())
    marked = load_task_data(
        config(pretraining_objective="span_corruption_sentinel"), backbone.codec, Catalogue()
    )
    given = [[SENTINEL, *row.target_ids] for row in plain.dev]
    metrics, answers = plain.score(given)
    assert metrics["score"] == 0
    assert metrics["invalid"] == 1
    assert all(answer.startswith("<extra_id_0>") for answer in answers)
    assert marked.score(given)[0]["score"] == 100
    twice = [[SENTINEL, *row] for row in given]
    assert marked.score(twice)[0]["score"] == 0


def test_an_answer_may_be_as_long_as_the_longest_target(backbone: T5Backbone, config: Make) -> None:
    """Catches a limit that cuts the longest label, whose class could then never be predicted."""
    data = load_task_data(config(task="rte", dev_examples=100), backbone.codec, Catalogue())
    longest = backbone.codec.tokenizer("not_entailment")["input_ids"]
    assert longest[-1] == END
    assert data.target_limit == len(longest)


def test_labels_of_the_class_label_start_are_words_without_an_end(
    backbone: T5Backbone, config: Make
) -> None:
    """Catches an end-of-sequence that is averaged into the embedding of every label."""
    data = load_task_data(config(task="cb"), backbone.codec, Catalogue())
    assert backbone.codec.tokenizer.batch_decode([list(ids) for ids in data.labels]) == [
        "entailment", "contradiction", "neutral",
    ]  # fmt: skip


@pytest.mark.usefixtures("fresh")
def test_the_fingerprint_is_that_of_the_data(
    backbone: T5Backbone, config: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a drift of the data that no record shows."""
    before = load_task_data(config(), backbone.codec, Catalogue()).fingerprint
    assert (
        load_task_data(config(train_examples=63), backbone.codec, Catalogue()).fingerprint != before
    )
    assert (
        load_task_data(config(dev_examples=11), backbone.codec, Catalogue()).fingerprint != before
    )
    assert load_task_data(config(seed=1), backbone.codec, Catalogue()).fingerprint == before

    original = records.read_split

    def one_label_turned(task: str, split: str) -> tuple[dict[str, Any], ...]:
        first, *rest = original(task, split)
        return ({**first, "label": not first["label"]}, *rest)

    monkeypatch.setattr(records, "read_split", one_label_turned)
    module._load.cache_clear()
    assert load_task_data(config(), backbone.codec, Catalogue()).fingerprint != before


def test_trials_share_the_rows_of_their_task(backbone: T5Backbone, config: Make) -> None:
    """Catches a task that is encoded once for every trial, or kept once for every milestone."""
    first = load_task_data(config(), backbone.codec, Catalogue())
    adapted = dataclasses.replace(backbone, fingerprint="another milestone")
    assert load_task_data(config(seed=7, prompt_length=1), adapted.codec, Catalogue()) is first


def test_examples_are_the_first_so_many(backbone: T5Backbone, config: Make) -> None:
    """Catches a cut of the wrong split, or none at all."""
    few = load_task_data(config(train_examples=8, dev_examples=3), backbone.codec, Catalogue())
    more = load_task_data(config(), backbone.codec, Catalogue())
    assert (len(few.train), len(few.dev)) == (8, 3)
    assert (len(more.train), len(more.dev)) == (64, 12)
    for one, other in zip(few.train, more.train, strict=False):
        assert one.input_ids.tolist() == other.input_ids.tolist()


def test_long_rows_are_cut_where_that_is_asked_for_and_counted(
    backbone: T5Backbone, config: Make
) -> None:
    """Catches a row that is cut before its end-of-sequence, or without a word in the record."""
    whole = load_task_data(config(), backbone.codec, Catalogue())
    data = load_task_data(config(long_inputs="cut", input_length=25), backbone.codec, Catalogue())
    assert whole.cut == {"train": 0, "dev": 0}
    assert data.cut == {
        split: sum(len(row.input_ids) > 25 for row in getattr(whole, split))
        for split in ("train", "dev")
    }
    for row, full in zip(data.train, whole.train, strict=True):
        if len(full.input_ids) <= 25:
            assert row.input_ids.tolist() == full.input_ids.tolist()
        else:
            assert row.input_ids.tolist() == [*full.input_ids.tolist()[:24], END]
    assert data.fingerprint == whole.fingerprint


def test_the_prefix_of_a_task_is_kept_where_that_is_asked_for(
    backbone: T5Backbone, config: Make
) -> None:
    """Catches a multi-task model that cannot tell its tasks apart."""
    dropped, kept = (
        load_task_data(config(task="cb", task_prefix=prefix), backbone.codec, Catalogue())
        for prefix in (False, True)
    )
    assert kept.dev_examples[0].input == f"cb {dropped.dev_examples[0].input}"
    assert kept.fingerprint != dropped.fingerprint


def _written(folder: Path) -> Catalogue:
    """A copy of CB in its publisher's layout, and a task of one's own over the same words."""
    (folder / "CB").mkdir()
    for split, file in (("train", "train.jsonl"), ("dev", "val.jsonl")):
        rows = [json.dumps(row) for row in records.read_split("cb", split)]
        (folder / "CB" / file).write_text("\n".join(rows))
        shutil.copy(folder / "CB" / file, folder / f"{split}.jsonl")
    own = OwnTask(
        name="mine", train=folder / "train.jsonl", dev=folder / "dev.jsonl", held_out=None,
        input="hypothesis: {hypothesis} premise: {premise}", target="{label}",
        labels=tuple((word, word) for word in ("entailment", "contradiction", "neutral")),
        metrics=("macro_f1", "accuracy"), init_words=("entailment", "contradiction", "neutral"),
    )  # fmt: skip
    return Catalogue(own_tasks={"mine": own}, data={"superglue": DataPlace(folder=folder)})


def test_the_same_rows_are_the_same_wherever_they_come_from(
    backbone: T5Backbone, config: Make, tmp_path: Path
) -> None:
    """Catches a folder of a user's that is read and the embedded world that is trained on."""
    catalogue = _written(tmp_path)
    content = catalogue.own_tasks["mine"].content
    embedded = load_task_data(config(task="cb"), backbone.codec, catalogue)
    published = load_task_data(
        config(task="cb", data_source="superglue"), backbone.codec, catalogue
    )
    own = load_task_data(
        config(task="mine", data_source="own", task_content=content), backbone.codec, catalogue
    )
    assert published.fingerprint == embedded.fingerprint
    for data in (published, own):
        assert [row.input_ids.tolist() for row in data.train] == [
            row.input_ids.tolist() for row in embedded.train
        ]
        assert (data.chance, data.majority) == (embedded.chance, embedded.majority)
        assert data.revision is None


def test_files_that_have_changed_are_not_trained_on_under_the_old_id(
    backbone: T5Backbone, config: Make, tmp_path: Path
) -> None:
    """Catches a worker that reads newer files than its trial is named after."""
    catalogue = _written(tmp_path)
    trial = config(task="mine", data_source="own", task_content="0123456789abcdef")
    with pytest.raises(ValueError, match=r"^task_content: '0123456789abcdef' is not one of "):
        load_task_data(trial, backbone.codec, catalogue)


DESIGN: dict[str, Any] = {
    "method": "prompt_design", "prompt_length": None, "prompt_init": None, "task": "rte",
    **dict.fromkeys(TRAINING),
}  # fmt: skip


def test_prompt_design_asks_in_words(backbone: T5Backbone, config: Make) -> None:
    """Catches a frozen model that is asked without instruction, or shown dev answers."""
    codec = backbone.codec
    zero = load_task_data(config(**DESIGN, shots=0), codec, Catalogue())
    few = load_task_data(config(**DESIGN, shots=2), codec, Catalogue())
    plain = load_task_data(config(task="rte"), codec, Catalogue())
    words = TASKS["rte"].instruction
    assert zero.dev_examples[0].input == f"{words} {plain.dev_examples[0].input} answer:"
    assert few.dev_examples[0].input.startswith(f"{words} hypothesis: ")
    assert few.dev_examples[0].input.count("answer:") == 3
    assert few.dev_examples[0].input.endswith(f" {plain.dev_examples[0].input} answer:")
    assert not any(example.input in few.dev_examples[0].input for example in plain.dev_examples[1:])
    assert [e.target for e in zero.dev_examples] == [e.target for e in plain.dev_examples]
    assert len({zero.fingerprint, few.fingerprint, plain.fingerprint}) == 3


def test_a_designed_prompt_that_is_too_long_keeps_its_question(
    backbone: T5Backbone, config: Make
) -> None:
    """Catches few-shot prompts that are cut where the question stands."""
    codec = backbone.codec
    whole = load_task_data(config(**DESIGN, shots=3), codec, Catalogue())
    cut = load_task_data(
        config(**DESIGN, shots=3, input_length=40, long_inputs="cut"), codec, Catalogue()
    )
    assert cut.cut["dev"] == len(cut.dev)
    for row, full in zip(cut.dev, whole.dev, strict=True):
        assert row.input_ids.tolist() == full.input_ids.tolist()[-40:]
        assert row.target_ids.tolist() == full.target_ids.tolist()


@pytest.mark.parametrize("objective", ["span_corruption", "span_corruption_sentinel"])
@pytest.mark.parametrize("task", ["rte", "record"])
def test_choices_are_spelt_as_targets(
    backbone: T5Backbone, config: Make, task: str, objective: str
) -> None:
    """Catches likelihoods of other tokens than those a model is tuned to write."""
    data = load_task_data(
        config(task=task, pretraining_objective=objective), backbone.codec, Catalogue()
    )
    for row, example, choices in zip(data.dev, data.dev_examples, data.choices(), strict=True):
        assert len(choices) == len(example.choices)
        assert choices[example.choices.index(example.target)] == row.target_ids.tolist()

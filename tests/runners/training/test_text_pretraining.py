"""A user's own ladder: tokenizer, pre-training, adaptation, and a trial on top of it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, T5ForConditionalGeneration, T5Tokenizer

from runners.catalogue import Catalogue
from runners.catalogue_section import add_family, add_text
from runners.config import AdaptationConfig, TrialConfig
from runners.data.span_corruption import LONGEST
from runners.data.text import Text, read_text
from runners.data.tokenizer import save_tokenizer
from runners.data.windows import CorruptedWindows
from runners.model.checkpoint import LADDER, WEIGHTS
from runners.model.family import Place
from runners.model.loading import load_backbone
from runners.model.sizes import T5Shape
from runners.store import Store
from runners.training.adaptation import adapt
from runners.training.pretrainer import LOG
from runners.training.session import Session
from runners.training.text_pretraining import (
    Reading,
    TextRecipe,
    describe,
    is_made,
    origin_of,
    pretrain,
    progress,
    reading_of,
    tokenizer_of,
)

SHAPE = T5Shape(
    vocabulary=700, d_model=16, d_ff=24, heads=2, d_kv=8, encoder_layers=1, decoder_layers=1
)
NANO = Place(path=LADDER / "tokenizer")
Make = Callable[..., TrialConfig]


def _recipe(steps: int = 6, **changes: Any) -> TextRecipe:
    recipe = TextRecipe(
        shape=SHAPE, steps=steps, batch_size=4, window=32, learning_rate=2e-3, seed=0,
        compute_dtype="float32",
    )  # fmt: skip
    return replace(recipe, **changes)


@pytest.fixture(scope="module")
def text(text_folder: Path) -> Text:
    """The documents of the shared folder."""
    return read_text(text_folder)


@pytest.fixture(scope="module")
def reading(text: Text) -> Reading:
    """Its windows, in pieces of the shipped tokenizer, which knows all its words."""
    return reading_of(_recipe(), text, tokenizer_of(NANO, text, pieces=None, shape=SHAPE))


def _run(
    folder: Path, recipe: TextRecipe, reading: Reading, text: Text
) -> Iterator[dict[str, Any]]:
    return pretrain(
        recipe, reading, origin_of(recipe, text, reading.codec),
        out=folder / "small", state=folder / "state.safetensors", every=2,
    )  # fmt: skip


def test_a_run_that_was_cut_off_writes_the_same_bytes(
    tmp_path: Path, text: Text, reading: Reading
) -> None:
    """Catches anything that a step takes from the steps before it and the state does not keep."""
    list(_run(tmp_path / "whole", _recipe(), reading, text))
    cut = _run(tmp_path / "cut", _recipe(), reading, text)
    next(cut)
    del cut
    assert [line["step"] for line in _run(tmp_path / "cut", _recipe(), reading, text)] == [4, 6]
    for name in (WEIGHTS, "config.json"):
        whole, again = ((tmp_path / run / "small" / name).read_bytes() for run in ("whole", "cut"))
        assert whole == again, name


def test_the_log_has_all_that_decided_the_weights(
    tmp_path: Path, text: Text, reading: Reading
) -> None:
    """Catches a checkpoint of which nobody can tell what it has read."""
    list(_run(tmp_path, _recipe(), reading, text))
    origin, *lines = map(json.loads, (tmp_path / "small" / LOG).read_text().splitlines())
    assert origin["text"] == text.fingerprint
    assert len(origin["tokenizer"]) == 16
    assert origin["recipe"]["window"] == 32 and origin["recipe"]["shape"]["d_model"] == 16
    assert [(line["step"], line["tokens"]) for line in lines] == [(2, 256), (4, 512), (6, 768)]
    assert not (tmp_path / "state.safetensors").exists()


@pytest.mark.parametrize("change", [{"seed": 1}, {"window": 30}, {"learning_rate": 1e-3}])
def test_whatever_is_in_the_origin_changes_the_weights(
    tmp_path: Path, text: Text, reading: Reading, change: dict[str, Any]
) -> None:
    """Catches a word of the command that nothing reads."""
    weights = []
    for name, recipe in (("one", _recipe(2)), ("other", _recipe(2, **change))):
        read = reading_of(recipe, text, reading.codec)
        list(_run(tmp_path / name, recipe, read, text))
        model = T5ForConditionalGeneration.from_pretrained(tmp_path / name / "small")
        weights.append(model.shared.weight)
    assert not torch.equal(*weights)


def test_a_short_run_warms_up_for_a_tenth_of_it() -> None:
    """Catches a run of 60 steps that never reaches its learning rate."""
    assert [_recipe(steps).schedule.warm_up for steps in (5, 60, 20_000)] == [1, 6, 200]


def test_a_window_has_no_more_spans_than_there_are_sentinels(text: Text, reading: Reading) -> None:
    """Catches a window whose last spans are hidden by ordinary pieces."""
    recipe = _recipe(window=LONGEST, batch_size=1)
    windows = reading_of(recipe, text, reading.codec).train
    assert LONGEST == 2000 and windows.length == LONGEST
    sentinels = AutoTokenizer.from_pretrained(LADDER / "tokenizer")
    first = sentinels.convert_tokens_to_ids("<extra_id_0>")
    (row,) = CorruptedWindows(windows=windows, end_id=1, first_sentinel=first).batch(0)
    assert sum(row.input_ids > first - 100) == 100


def test_a_tokenizer_is_trained_once_and_then_taken_as_it_is(tmp_path: Path, text: Text) -> None:
    """Catches a second size with a tokenizer of its own, or special tokens in other places."""
    place, shape = Place(path=tmp_path / "tokenizer"), replace(SHAPE, vocabulary=600)
    codec = tokenizer_of(place, text, pieces=500, shape=shape)
    assert len(codec.tokenizer) == 600
    tokens = codec.tokenizer.convert_tokens_to_ids(["<pad>", "</s>", "<unk>", "<extra_id_0>"])
    assert tokens == [0, 1, 2, 599]
    written = (tmp_path / "tokenizer" / "tokenizer.json").stat().st_mtime_ns
    again = tokenizer_of(place, replace(text, train=("Other.",)), pieces=None, shape=shape)
    assert again.tokenizer.get_vocab() == codec.tokenizer.get_vocab()
    assert (tmp_path / "tokenizer" / "tokenizer.json").stat().st_mtime_ns == written


def test_held_out_text_is_not_what_the_tokenizer_learns_from(tmp_path: Path, text: Text) -> None:
    """Catches a held-out loss in pieces that were made for the held-out text."""
    strange = replace(text, held_out=("\u00e9\u00e9\u00e9 " * 50,))
    place, shape = Place(path=tmp_path), replace(SHAPE, vocabulary=600)
    codec = tokenizer_of(place, strange, pieces=None, shape=shape)
    read = reading_of(_recipe(shape=shape), strange, codec)
    assert read.unknown == pytest.approx(0.5, abs=0.01)
    assert f"{100 * read.unknown:.3f}% of the held-out pieces are unknown" in describe(
        _recipe(), read, place
    )


@pytest.mark.parametrize(
    ("vocabulary", "pieces", "said"),
    [
        (
            700,
            500,
            (
                "--pieces: 500 and 100 sentinels are 600 rows, and shape.vocabulary is 700; "
                "write vocabulary: 600, or leave --pieces out"
            ),
        ),
        (
            100,
            None,
            (
                "shape.vocabulary: 100 leaves no piece beside 100 sentinels; write more, "
                "such as 4100"
            ),
        ),
        (
            5100,
            None,
            (
                "shape.vocabulary: is 5000 pieces and 100 sentinels, and pieces: 5000 is more "
                "than this text gives, which is "
            ),
        ),
    ],
)
def test_a_vocabulary_that_cannot_be_trained(
    tmp_path: Path, text: Text, vocabulary: int, pieces: int | None, said: str
) -> None:
    """Catches rows of the embedding that no piece uses, or a piece without a row."""
    place, shape = Place(path=tmp_path / "new"), replace(SHAPE, vocabulary=vocabulary)
    with pytest.raises(ValueError, match="vocabulary") as caught:
        tokenizer_of(place, text, pieces=pieces, shape=shape)
    assert str(caught.value).startswith(said)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("vocabulary", "pieces", "said"),
    [
        (700, 500, "--pieces: 500 is not what the tokenizer {} has, which is 600; {}"),
        (
            699,
            None,
            (
                "shape.vocabulary: 699 does not fit the tokenizer {}, which has 700 pieces, "
                "sentinels included; {}"
            ),
        ),
        (
            828,
            None,
            (
                "shape.vocabulary: 828 does not fit the tokenizer {}, which has 700 pieces, "
                "sentinels included; {}"
            ),
        ),
    ],
)
def test_a_vocabulary_that_does_not_fit_the_tokenizer_that_is_there(
    text: Text, vocabulary: int, pieces: int | None, said: str
) -> None:
    """Catches ids beyond the embedding, or a ladder with another tokenizer than it says."""
    remedy = "correct it, or move the tokenizer away, so that another is trained"
    with pytest.raises(ValueError, match="tokenizer") as caught:
        tokenizer_of(NANO, text, pieces=pieces, shape=replace(SHAPE, vocabulary=vocabulary))
    assert str(caught.value) == said.format(NANO, remedy)


def test_a_few_rows_of_padding_are_no_misfit(text: Text) -> None:
    """Catches T5's own 32,128 rows for 32,100 pieces being refused."""
    codec = tokenizer_of(NANO, text, pieces=600, shape=replace(SHAPE, vocabulary=704))
    assert len(codec.tokenizer) == 700


def test_a_tokenizer_without_sentinels_is_refused(tmp_path: Path, text: Text) -> None:
    """Catches spans that are hidden by nothing."""
    save_tokenizer(T5Tokenizer(extra_ids=7), tmp_path)
    with pytest.raises(ValueError, match="has not the sentinels"):
        tokenizer_of(Place(path=tmp_path), text, pieces=None, shape=SHAPE)


def test_a_checkpoint_is_made_once_and_never_written_over(
    tmp_path: Path, text: Text, reading: Reading
) -> None:
    """Catches hours of training lost to a command that was given twice, or with another seed."""
    origin = origin_of(_recipe(2), text, reading.codec)
    assert not is_made(tmp_path / "small", origin)
    list(_run(tmp_path, _recipe(2), reading, text))
    assert is_made(tmp_path / "small", origin)
    other = origin_of(_recipe(2, seed=1), text, reading.codec)
    with pytest.raises(ValueError, match=r"small: holds a checkpoint of another run .*--out$"):
        is_made(tmp_path / "small", other)
    (tmp_path / "small" / LOG).unlink()
    with pytest.raises(ValueError, match=r"small: holds a checkpoint without a training.jsonl"):
        is_made(tmp_path / "small", origin)


def test_progress_says_how_far_and_how_long() -> None:
    """Catches a forecast that is off by the steps that are done."""
    line = {"step": 500, "tokens": 64_000, "train_loss": 2.0, "held_out_loss": 2.5, "seconds": 50.0}
    assert progress(line, _recipe(2000)) == (
        "step 500 of 2,000, loss 2.000, 2.500 held out; 64,000 tokens, 0.10 s a step, 2 min to go"
    )
    assert progress(line, _recipe(600)).endswith("10 s to go")


FAMILY = """\
architecture: t5
tokenizer: ./ladder/tokenizer
sizes:
  small:
    checkpoint: ./ladder/small
    shape: {vocabulary: 600, d_model: 24, d_ff: 32, heads: 2, d_kv: 12,
            encoder_layers: 1, decoder_layers: 1}
"""


def test_from_a_folder_of_text_to_a_trial(
    tmp_path: Path, text_folder: Path, text: Text, config: Make, store: Store
) -> None:
    """Catches any two stages that do not fit: tokenizer, pre-training, adaptation, a trial."""
    (tmp_path / "mine.yaml").write_text(FAMILY)
    catalogue, name = add_family(Catalogue(), str(tmp_path / "mine.yaml"))
    rung = catalogue.rung(name, "small")
    assert rung.shape is not None and rung.checkpoint.path is not None
    codec = tokenizer_of(rung.tokenizer, text, pieces=None, shape=rung.shape)
    recipe = _recipe(60, shape=rung.shape, batch_size=8)
    lines = list(
        pretrain(
            recipe, reading_of(recipe, text, codec), origin_of(recipe, text, codec),
            out=rung.checkpoint.path, state=tmp_path / "state.safetensors", every=30,
        )
    )  # fmt: skip
    assert lines[-1]["held_out_loss"] < lines[0]["held_out_loss"] < 7

    catalogue, fingerprint = add_text(catalogue, text_folder)
    adaptation = AdaptationConfig(
        model_family=name, model_size="small", batch_size=4, learning_rate=0.003, seed=0,
        compute_dtype="float32", text=fingerprint,
    )  # fmt: skip
    assert len(list(adapt(adaptation, [10, 20], store, catalogue))) == 20
    trial = config(
        model_family=name, model_size="small", pretraining_objective="lm_adaptation",
        lm_adaptation_steps=20, lm_adaptation_batch_size=4, lm_adaptation_learning_rate=0.003,
        lm_adaptation_seed=0, lm_adaptation_text=fingerprint, train_steps=4, eval_every=2,
    )  # fmt: skip
    assert catalogue.problems(trial) == []
    backbone = load_backbone(trial, store, catalogue)
    list(Session(backbone=backbone, store=store, catalogue=catalogue, slots=1).train([trial]))
    record = store.get(trial.trial_id)
    assert record is not None and 0 <= record.metrics["score"] <= 100
    milestone = store.get(adaptation.milestone_id(20))
    assert milestone is not None and milestone.metrics["held_out_loss"] > 0

"""Prompts of others as committed trials."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PromptTuningConfig, get_peft_model
from safetensors.numpy import load as load_numpy
from transformers import T5Config, T5ForConditionalGeneration

from runners.catalogue import Catalogue
from runners.config import from_mapping, to_words
from runners.prompt.importing import Stated, import_prompt, metrics_of
from runners.prompt.npy_format import write_npy
from runners.prompt.peft_format import CONFIG, WEIGHTS, Base, read_peft, write_peft
from runners.record import TrialRecord
from runners.store import Store

RELEASED = Path(__file__).resolve().parents[4] / "shared" / "data" / "t5"
NANO = {
    "model_family": "nano", "model_size": "60k", "pretraining_objective": "span_corruption",
    "lm_adaptation_steps": 0, "prompt_init": "class_label", "task": "boolq", "seed": 0,
    "train_steps": 6, "eval_every": 3, "batch_size": 4, "learning_rate": 0.3,
}  # fmt: skip
T5 = NANO | {
    "model_family": "t5", "model_size": "base", "pretraining_objective": "lm_adaptation",
    "lm_adaptation_steps": 100000, "task": "rte", "train_steps": 30000, "eval_every": 1000,
    "batch_size": 32,
}  # fmt: skip
PROMPT = np.random.default_rng(0).standard_normal((4, 32)).astype(np.float32)


def _stated(values: dict[str, Any], *scores: str, note: str | None = None) -> Stated:
    return Stated(words=to_words(values), scores=scores or ("accuracy=61.5",), note=note)


def _import(path: Path, stated: Stated, store: Store) -> TrialRecord:
    return import_prompt(path, stated, store, Catalogue())


@pytest.fixture
def npy(tmp_path: Path) -> Path:
    """A prompt for the nano model of 60k, as T5X writes it."""
    path = tmp_path / "boolq.npy"
    write_npy(path, PROMPT)
    return path


def _peft(folder: Path, **values: Any) -> Path:
    """The same prompt as a PEFT folder, with values of its config changed."""
    folder.mkdir()
    base = Base(name="here/mine", released=False, revision=None, architecture="t5")
    write_peft(folder, PROMPT, base=base, card="")
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | values))
    return folder


def test_an_imported_prompt_is_a_trial_like_any_other(npy: Path, store: Store) -> None:
    """Catches an import under another id than its config's, or a prompt that changed on the way."""
    record = _import(npy, _stated(NANO, "accuracy=61.5", "chance=60"), store)
    config = from_mapping({"method": "prompt_tuning", "prompt_length": 4, **NANO})
    assert store.get(config.trial_id) == record
    assert (record.trial_id, record.label) == (config.trial_id, config.label)
    assert record.metrics == {"accuracy": 61.5, "chance": 60.0, "score": 61.5}
    kept = load_numpy(store.read(record.trial_id, "prompt.safetensors"))
    assert kept["prompt"].tobytes() == PROMPT.tobytes()
    assert list(record.files) == ["prompt.safetensors"]
    assert store.verify() == []


def test_an_import_says_where_it_comes_from_and_invents_nothing(npy: Path, store: Store) -> None:
    """Catches a stated score that looks measured, or a fingerprint of code that never ran."""
    record = _import(npy, _stated(NANO, note="trained with AdamW"), store)
    assert not record.measured
    provenance = dict(record.provenance)
    assert provenance.pop("imported").endswith("+00:00")
    assert provenance == {
        "measured": False,
        "imported_from": {
            "format": "npy", "file": "boolq.npy",
            "sha256": hashlib.sha256(npy.read_bytes()).hexdigest(),
        },
        "note": "trained with AdamW",
        "trainable_parameters": 128,
        "model_parameters": Catalogue().rung("nano", "60k").parameters,
    }  # fmt: skip


def test_a_folder_says_what_it_was_trained_on(tmp_path: Path, store: Store) -> None:
    """Catches an origin that is lost, or the folders of somebody's machine in a record."""
    folder = _peft(tmp_path / "mine", prompt_tuning_init="SAMPLE_VOCAB")
    record = _import(folder, _stated(NANO), store)
    assert record.provenance["imported_from"] == {
        "format": "peft", "file": f"mine/{WEIGHTS}",
        "sha256": hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest(),
        "prompt_tuning_init": "SAMPLE_VOCAB", "peft_version": "0.21.2", "base_model": "here/mine",
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_what_peft_tuned_is_imported_without_its_dead_rows(tmp_path: Path, store: Store) -> None:
    """Catches a length of 2 P, which PEFT's own default for a T5 has."""
    config = T5Config(
        vocab_size=40, d_model=32, d_kv=4, d_ff=8, num_layers=1, num_heads=2,
        decoder_start_token_id=0,
    )  # fmt: skip
    torch.manual_seed(0)
    tuned = get_peft_model(
        T5ForConditionalGeneration(config),
        PromptTuningConfig(task_type="SEQ_2_SEQ_LM", num_virtual_tokens=7),
    )
    tuned.save_pretrained(str(tmp_path / "theirs"))
    record = _import(tmp_path / "theirs", _stated(NANO), store)
    assert record.config["prompt_length"] == 7
    kept = load_numpy(store.read(record.trial_id, "prompt.safetensors"))["prompt"]
    np.testing.assert_array_equal(kept, read_peft(tmp_path / "theirs").vectors)
    assert kept.shape == (7, 32)


@pytest.mark.skipif(not RELEASED.is_dir(), reason=f"no released prompts in {RELEASED}")
@pytest.mark.parametrize("name", ["sst2", "mrpc", "rte"])
def test_a_released_prompt_is_imported(store: Store, name: str) -> None:
    """Catches a prompt of T5 that the checks of width and length turn away."""
    # RTE stands for all three: the others' tasks need not be in the catalogue.
    record = _import(RELEASED / f"{name}.npy", _stated(T5, "accuracy=68.6"), store)
    assert record.label == "base-p100-class_label-lm100000-rte-s0"
    assert record.provenance["trainable_parameters"] == 76_800
    assert record.provenance["model_parameters"] == 247_577_856


def test_the_first_commit_wins(npy: Path, store: Store, tmp_path: Path) -> None:
    """Catches an import that replaces a result, or that is lost without a word."""
    first = _import(npy, _stated(NANO, "accuracy=61.5"), store)
    other = tmp_path / "other.npy"
    write_npy(other, PROMPT + 1)
    message = (
        f"trial {first.trial_id} ({first.label}): is committed in store {store.root} already, "
        "imported with score 61.5, and the first commit wins; give another seed if this is a "
        "further run of the same config"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        _import(other, _stated(NANO, "accuracy=99"), store)
    assert store.get(first.trial_id) == first
    assert _import(other, _stated(NANO | {"seed": 1}, "accuracy=99"), store).metrics["score"] == 99


def test_a_measured_trial_is_not_replaced(
    npy: Path, store: Store, commit_prompt: Callable[..., tuple[TrialRecord, Any]]
) -> None:
    """Catches a stated score in place of a measured one."""
    measured, _ = commit_prompt(prompt_length=4, score=12.5)
    words = NANO | {"train_examples": 64, "dev_examples": 12}
    with pytest.raises(ValueError, match=r"already, measured with score 12\.5, and the first"):
        _import(npy, _stated(words), store)
    assert store.get(measured.trial_id) == measured


def test_who_comes_second_is_told_so(
    npy: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches an import that says it is done where another process has just committed."""
    first = _import(npy, _stated(NANO), store)
    real, asked = Store.get, iter([None])
    monkeypatch.setattr(Store, "get", lambda self, id_: next(asked, real(self, id_)))
    with pytest.raises(ValueError, match="and the first commit wins"):
        _import(npy, _stated(NANO, "accuracy=99"), store)
    monkeypatch.undo()
    assert store.get(first.trial_id) == first
    assert [discard.winner for discard in store.discards()] == [first.attempt]


WRONG_MODEL = "name the model that the prompt was trained on"
MISTAKES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"prompt_length": 5}, {}, "prompt_length: 5 is not the length of FILE, 4; leave it out"),
    (
        {"model_size": "2m"},
        {},
        f"model_size: '2m' has width 128, and the vectors of FILE have 32; {WRONG_MODEL}",
    ),
    ({"method": "model_tuning"}, {}, "method: 'model_tuning' trains no prompt; leave it out"),
    (
        {"model_size": "61k"},
        {},
        "model_size: '61k' is not one of 60k, 200k, 600k, 2m; did you mean '60k'?",
    ),
    (
        {"model_size": "70k", "task": "bolq", "data_source": "mars"},
        {},
        (
            "model_size: '70k' is not one of 60k, 200k, 600k, 2m; did you mean '60k'?\n"
            "data_source: 'mars' is not one of microworld, superglue, glue, squad, mrqa, own; "
            "did you mean 'mrqa'?"
        ),
    ),
    (
        {"seed": -1, "dropout": 2.0},
        {},
        (
            "seed: -1 is not a whole number of 0 or more; write a whole number of 0 or more\n"
            "dropout: 2.0 is not a number of 0 or more below 1; write a number of 0 or more below 1"
        ),
    ),
    (
        {},
        {"task_type": "CAUSAL_LM"},
        (
            "model_family: 'nano' is a family of t5, and FILE is of causal; name the family that "
            "the prompt was trained on"
        ),
    ),
    (
        {},
        {"base_model_name_or_path": "google/t5-v1_1-small"},
        (
            "model_size: '60k' with lm_adaptation_steps 0 is another model, and FILE is of "
            f"google/t5-v1_1-small; {WRONG_MODEL}"
        ),
    ),
    (
        T5,
        {"base_model_name_or_path": "google/t5-v1_1-base"},
        (
            f"model_size: 'base' has width 768, and the vectors of FILE have 32; {WRONG_MODEL}\n"
            "model_size: 'base' with lm_adaptation_steps 100000 is google/t5-base-lm-adapt, and "
            f"FILE is of google/t5-v1_1-base; {WRONG_MODEL}"
        ),
    ),
]


@pytest.mark.parametrize(
    ("words", "config", "message"), MISTAKES, ids=[m[2][:50] for m in MISTAKES]
)
def test_a_prompt_that_is_not_what_the_words_say_is_refused(
    tmp_path: Path, store: Store, words: dict[str, Any], config: dict[str, Any], message: str
) -> None:
    """Catches a prompt that is filed under a model or a config that it was not trained with."""
    folder = _peft(tmp_path / "mine", **config)
    told = message.replace("FILE", f"mine/{WEIGHTS}")
    with pytest.raises(ValueError, match=f"^{re.escape(told)}$"):
        _import(folder, _stated(NANO | words), store)
    assert not Path(store.root).exists()


def test_a_base_that_the_catalogue_does_not_know_is_taken_on_trust(
    tmp_path: Path, store: Store
) -> None:
    """Catches an own folder of weights, as PEFT names them, that can never be imported."""
    folder = _peft(tmp_path / "mine", base_model_name_or_path="checkpoints/mine")
    assert _import(folder, _stated(NANO), store).provenance["imported_from"]["base_model"] == (
        "checkpoints/mine"
    )


def test_mistakes_in_file_words_and_scores_are_told_together(tmp_path: Path, store: Store) -> None:
    """Catches a command whose second mistake shows only after the first is mended."""
    stated = Stated(words=["task=boolq", "modelsize=60k"], scores=["accuracy=high"])
    with pytest.raises(ValueError, match="is not there") as error:
        _import(tmp_path / "nothing", stated, store)
    assert str(error.value).splitlines() == [
        f"{tmp_path / 'nothing'}: is not there; give a PEFT folder or a .npy file",
        "modelsize: 'modelsize' is not a known key; did you mean 'model_size'?",
        "--score: 'accuracy=high' is not a number from 0 to 100; write scores in percent",
    ]


@pytest.mark.parametrize(
    ("words", "metrics"),
    [
        (["accuracy=68.6"], {"accuracy": 68.6, "score": 68.6}),
        (["f1=89.7", "accuracy=85.3"], {"f1": 89.7, "accuracy": 85.3, "score": 87.5}),
        (["score=87.5"], {"score": 87.5}),
        (["score=87.45", "f1=89.7", "accuracy=85.3"], {"score": 87.45}),
        (["accuracy=0", "invalid=1", "chance=50"], {"score": 0, "invalid": 1, "chance": 50}),
        (["exact_match=0.4", "f1=30"], {"exact_match": 0.4, "score": 15.2}),
    ],
)
def test_the_score_is_the_mean_of_the_metrics(words: list[str], metrics: dict[str, float]) -> None:
    """Catches a headline that is one metric of two, or one that counts the baseline."""
    found = metrics_of(words)
    assert {name: found[name] for name in metrics} == pytest.approx(metrics)


SCORES = [
    ([], "--score: None gives no score; add --score score=VALUE, or each metric of the task"),
    (
        ["chance=50"],
        "--score: 'chance' gives no score; add --score score=VALUE, or each metric of the task",
    ),
    (["accuracy"], "--score: 'accuracy' is not NAME=VALUE; write, for example, accuracy=68.6"),
    (["=5"], "--score: '=5' is not NAME=VALUE; write, for example, accuracy=68.6"),
    (
        ["accuracy=nan"],
        "--score: 'accuracy=nan' is not a number from 0 to 100; write scores in percent",
    ),
    (
        ["accuracy=-1", "f1=101"],
        (
            "--score: 'accuracy=-1' is not a number from 0 to 100; write scores in percent\n"
            "--score: 'f1=101' is not a number from 0 to 100; write scores in percent"
        ),
    ),
    (
        ["accuracy=50", "invalid=20"],
        "--score: 'invalid=20' is not a number from 0 to 1; write scores in percent",
    ),
    (["f1=5", "f1=6"], "--score: 'f1=6' is stated twice; state it once"),
    (["seed=5"], "--score: 'seed=5' is a field of the config; write it without --score"),
    (["accuracy=0.686"], "score: 0.686 looks like a share of 1; write scores in percent"),
    (
        ["score=80", "f1=89.7", "accuracy=85.3"],
        (
            "score: 80.0 is not the mean of the metrics beside it, 87.50; state the metrics or the "
            "score"
        ),
    ),
]


@pytest.mark.parametrize(("words", "message"), SCORES, ids=[message[:50] for _, message in SCORES])
def test_scores_that_cannot_be_are_refused(words: list[str], message: str) -> None:
    """Catches a share taken for percent, or a typing mistake that becomes the best trial."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        metrics_of(words)


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        (
            ["f1=50", "acuracy=60"],
            (
                "--score: 'acuracy' is no metric of mrpc, which has f1, accuracy; did you mean "
                "'accuracy'?"
            ),
        ),
        (
            ["accuracy=60"],
            (
                "--score: 'f1' is not stated, and the score of mrpc is the mean of f1, accuracy; "
                "state it too, or score alone"
            ),
        ),
    ],
)
def test_metrics_are_those_of_the_task(
    npy: Path, store: Store, scores: list[str], said: str
) -> None:
    """Catches a prompt that is ranked by its accuracy among others ranked by F1 and accuracy."""
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        _import(npy, _stated({**NANO, "task": "mrpc"}, *scores), store)


def test_transfer_is_measured_and_never_stated(npy: Path, store: Store) -> None:
    """Catches a stated record that stands where a measured one would have more to say."""
    said = (
        "transfer_tasks: 'cb' is what is measured at the end of a trial, and never stated; "
        "leave it out"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        _import(npy, _stated({**NANO, "transfer_tasks": "cb"}), store)

"""From a trial's config to the model that it starts from."""

import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import T5Config, T5ForConditionalGeneration

from runners.catalogue import Catalogue
from runners.catalogue_section import add_family
from runners.config import DTYPES, TrialConfig, adaptation_of
from runners.model import loading as module
from runners.model.checkpoint import LADDER, WEIGHTS
from runners.model.family import shipped
from runners.model.loading import load_backbone, load_pretrained, with_weights
from runners.model.t5_backbone import T5Backbone
from runners.record import TrialRecord
from runners.store import Store

NANO = shipped()["nano"].rungs
Make = Callable[..., TrialConfig]
ADAPTED = {
    "pretraining_objective": "lm_adaptation", "lm_adaptation_steps": 10,
    "lm_adaptation_batch_size": 4, "lm_adaptation_learning_rate": 0.001, "lm_adaptation_seed": 0,
}  # fmt: skip


def _commit(
    store: Store, config: TrialConfig, weights: Mapping[str, Tensor], origin: str = "random"
) -> str:
    """The milestone that a trial starts from."""
    adaptation = adaptation_of(config)
    assert adaptation is not None
    milestone = adaptation.milestone_id(config.lm_adaptation_steps)
    attempt = store.begin(milestone)
    save_file(dict(weights), attempt.folder / WEIGHTS)
    attempt.commit(
        TrialRecord(
            trial_id=milestone, attempt=attempt.id, stage="lm_adaptation", label="60k-lm10",
            config={"model_family": "nano", "model_size": "60k"}, metrics={},
            provenance={"base_checkpoint": origin}, files={},
        )
    )  # fmt: skip
    return milestone


def _moved(backbone: T5Backbone) -> dict[str, Tensor]:
    return {name: weight + 0.5 for name, weight in backbone.weights.items()}


@pytest.mark.parametrize("size", NANO)
def test_every_shipped_size_is_there_in_its_own_shape(size: str) -> None:
    """Catches a rung that is missing, or that holds the checkpoint of another."""
    loaded = load_pretrained(Catalogue(), "nano", size, "float32")
    assert loaded.parameter_count == NANO[size].parameters
    assert loaded.width == NANO[size].width
    shape = NANO[size].shape
    assert shape is not None and len(loaded.codec.tokenizer) == shape.vocabulary


@pytest.mark.parametrize("size", NANO)
def test_transformers_reads_what_is_shipped_untied(size: str) -> None:
    """Catches a checkpoint that plain `transformers` would tie, a fourth of its weights lost."""
    model = T5ForConditionalGeneration.from_pretrained(LADDER / size)
    ours = load_pretrained(Catalogue(), "nano", size, "float32").weights
    theirs = dict(model.named_parameters())
    assert not torch.equal(theirs["lm_head.weight"], theirs["shared.weight"])
    assert all(torch.equal(theirs[name].float(), ours[name]) for name in ours)


def test_the_shipped_ladder_is_small() -> None:
    """Catches a checkpoint in float32, or a training state, in a package of 12 MB at most."""
    assert sum(path.stat().st_size for path in LADDER.rglob("*") if path.is_file()) < 12e6


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_legal_dtype_is_one_of_torch(dtype: str) -> None:
    """Catches a precision that a spec may ask for and no model can have."""
    loaded = load_pretrained(Catalogue(), "nano", "60k", dtype)
    assert loaded.dtype is getattr(torch, dtype)
    assert {weight.dtype for weight in loaded.weights.values()} == {loaded.dtype}


def test_a_tokenizer_larger_than_the_vocabulary_is_refused(tmp_path: Path) -> None:
    """Catches an IndexError in the middle of a trial for the tokenizer of another model."""
    config = T5Config(
        vocab_size=600, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_decoder_layers=1, num_heads=2,
        feed_forward_proj="relu", decoder_start_token_id=0,
    )  # fmt: skip
    T5ForConditionalGeneration(config).save_pretrained(tmp_path / "model")
    (tmp_path / "small.yaml").write_text(
        "architecture: t5\nsizes:\n  one:\n    checkpoint: ./model\n"
        f"    tokenizer: {LADDER / 'tokenizer'}\n    parameters: 1\n    width: 8\n"
    )
    catalogue, family = add_family(Catalogue(), str(tmp_path / "small.yaml"))
    message = (
        f"model {tmp_path / 'model'}: has an embedding of 600 pieces, and its tokenizer "
        f"{LADDER / 'tokenizer'} has 700; give the tokenizer that the model was trained with"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        load_pretrained(catalogue, family, "one", "float32")


def test_an_unknown_size_is_refused() -> None:
    """Catches a folder that is not found, in place of the sizes there are."""
    with pytest.raises(ValueError, match="did you mean '60k'"):
        load_pretrained(Catalogue(), "nano", "60", "float32")


@pytest.mark.parametrize("objective", ["span_corruption", "span_corruption_sentinel"])
def test_a_trial_without_adaptation_starts_from_the_pretrained_model(
    backbone: T5Backbone,
    config: Make,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    objective: str,
) -> None:
    """Catches an objective that asks the store for a milestone nobody makes."""
    monkeypatch.setattr(module, "load_pretrained", lambda *_, **__: backbone)
    loaded = load_backbone(config(pretraining_objective=objective), store, Catalogue())
    assert loaded.fingerprint == backbone.fingerprint
    assert loaded.weights is backbone.weights


@pytest.mark.parametrize(
    ("method", "kept"),
    [
        ("prompt_tuning", torch.bfloat16),
        ("model_tuning", torch.float32),
        ("multitask_model_tuning", torch.float32),
    ],
)
def test_weights_that_train_are_not_rounded(
    config: Make, store: Store, method: str, kept: torch.dtype
) -> None:
    """Catches model tuning that starts from weights already rounded to the compute dtype."""
    prompt: dict[str, object] = {}
    if method != "prompt_tuning":
        prompt = {"prompt_length": None, "prompt_init": None}
    if method == "multitask_model_tuning":
        prompt |= {"mixture": "boolq", "task_prefix": True}
    trial = config(method=method, compute_dtype="bfloat16", **prompt)
    loaded = load_backbone(trial, store, Catalogue())
    assert loaded.dtype is torch.bfloat16
    assert {weight.dtype for weight in loaded.weights.values()} == {kept}


def test_an_adapted_trial_starts_from_its_own_milestone(
    backbone: T5Backbone, config: Make, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches weights of another milestone, or of the model before adaptation."""
    monkeypatch.setattr(module, "load_pretrained", lambda *_, **__: backbone)
    trial, further = config(**ADAPTED), config(**ADAPTED | {"lm_adaptation_steps": 20})
    _commit(store, further, backbone.weights)
    milestone = _commit(store, trial, _moved(backbone))
    loaded = load_backbone(trial, store, Catalogue())
    for name, weight in _moved(backbone).items():
        assert torch.equal(loaded.weights[name], weight), name
    assert loaded.fingerprint == hashlib.sha256(store.read(milestone, WEIGHTS)).hexdigest()[:16]
    unmoved = load_backbone(further, store, Catalogue())
    assert torch.equal(unmoved.weights["shared.weight"], backbone.weights["shared.weight"])
    assert len({loaded.fingerprint, unmoved.fingerprint, backbone.fingerprint}) == 3


def test_a_milestone_is_read_once_for_many_packs(
    backbone: T5Backbone, config: Make, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a cache that a store opened anew, as for every pack, does not hit."""
    monkeypatch.setattr(module, "load_pretrained", lambda *_, **__: backbone)
    trial = config(**ADAPTED)
    _commit(store, trial, _moved(backbone))
    first, again = (load_backbone(trial, Store(store.root), Catalogue()) for _ in range(2))
    assert first.weights is again.weights


def test_a_milestone_of_another_checkpoint_is_refused(
    backbone: T5Backbone, config: Make, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches trials that start from what an earlier model was adapted to."""
    monkeypatch.setattr(module, "load_pretrained", lambda *_, **__: backbone)
    trial = config(**ADAPTED)
    milestone = _commit(store, trial, _moved(backbone), origin="older")
    message = (
        f"milestone 60k-lm10 ({milestone}) in the store {store.root} was adapted from checkpoint "
        "older, and the checkpoint is random now; use another store, or restore the checkpoint"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        load_backbone(trial, store, Catalogue())


def test_a_milestone_that_is_not_there_is_named(config: Make, store: Store) -> None:
    """Catches a trial that starts from the model before adaptation for want of the other."""
    message = (
        f"lm_adaptation_steps: 10 of 60k is not in the store {store.root}; run the adaptation "
        "first (python -m runners.lm_adaptation)"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        load_backbone(config(**ADAPTED), store, Catalogue())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"shared.weight": torch.zeros(3, 24)},
            "shared.weight is (3, 24), the model wants (700, 24)",
        ),
        ({"extra": torch.zeros(2)}, "extra is (2,), the model wants None"),
        ({"lm_head.weight": None}, "lm_head.weight is None, the model wants (700, 24)"),
    ],
)
def test_weights_of_another_model_are_refused(
    backbone: T5Backbone, changes: Mapping[str, Tensor | None], message: str
) -> None:
    """Catches an error deep in the arithmetic, or a weight that stays as it was."""
    changed = {**backbone.weights, **changes}
    given = {name: weight for name, weight in changed.items() if weight is not None}
    told = f"weights here: {message}; give the weights of a model of the same shape"
    with pytest.raises(ValueError, match=f"^{re.escape(told)}$"):
        with_weights(backbone, given, source="here")

"""T5 behind the project's interface: loading it as it is, or not at all."""

import logging
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import T5Config, T5ForConditionalGeneration
from transformers.utils.logging import set_tqdm_hook

from runners.model.checkpoint import WEIGHTS
from runners.model.codec import Codec
from runners.model.family import Place
from runners.model.t5_backbone import T5Backbone, load_t5

NO_CODEC: Any = None


@pytest.fixture
def folder(model: T5ForConditionalGeneration, tmp_path: Path) -> Path:
    """A checkpoint of the random test model, as `transformers` writes it."""
    model.save_pretrained(tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def _load(folder: Path, codec: Codec = NO_CODEC, dtype: torch.dtype = torch.float32) -> T5Backbone:
    return load_t5(Place(path=folder), codec=codec, fingerprint="f", dtype=dtype)


def _rewrite(folder: Path, weights: dict[str, torch.Tensor]) -> None:
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})


def test_a_checkpoint_is_loaded_weight_by_weight(
    model: T5ForConditionalGeneration, backbone: T5Backbone, folder: Path
) -> None:
    """Catches an output layer that `transformers` ties to the embedding on the way in."""
    loaded = _load(folder, backbone.codec)
    assert loaded.codec is backbone.codec
    assert set(loaded.weights) == {name for name, _ in model.named_parameters()}
    for name, parameter in model.named_parameters():
        assert torch.equal(loaded.weights[name], parameter), name
    assert not torch.equal(loaded.weights["lm_head.weight"], loaded.weights["shared.weight"])
    assert loaded.shape == backbone.shape
    assert loaded.fingerprint == "f"
    assert not any(weight.requires_grad for weight in loaded.weights.values())


def test_an_output_layer_that_equals_the_embedding_is_still_its_own(folder: Path) -> None:
    """Catches a weight that is missing, or two that move as one, where they start out equal."""
    weights = load_file(folder / WEIGHTS)
    _rewrite(folder, weights | {"lm_head.weight": weights["shared.weight"].clone()})
    loaded = _load(folder).weights
    assert torch.equal(loaded["lm_head.weight"], loaded["shared.weight"])
    assert loaded["lm_head.weight"].data_ptr() != loaded["shared.weight"].data_ptr()


def test_a_checkpoint_without_a_weight_is_refused(folder: Path) -> None:
    """Catches a model with a part that is random, or tied for want of anything else."""
    weights = load_file(folder / WEIGHTS)
    del weights["lm_head.weight"]
    _rewrite(folder, weights)
    message = (
        f"model {folder}: lm_head.weight is not in the checkpoint; fetch it again, or, where "
        "transformers 5 made it, which ties the output layer"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        _load(folder)


def test_a_checkpoint_with_a_weight_of_no_use_is_refused(folder: Path) -> None:
    """Catches a fine-tuned head, or an adapter, that is dropped without a word."""
    weights = load_file(folder / WEIGHTS)
    _rewrite(folder, weights | {"adapter.weight": torch.zeros(2)})
    message = f"model {folder}: adapter.weight is in the checkpoint and not in the model; "
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        _load(folder)


def test_a_checkpoint_that_is_cut_off_is_refused(folder: Path) -> None:
    """Catches a traceback from inside a library, which names no file that could be mended."""
    path = folder / WEIGHTS
    path.write_bytes(path.read_bytes()[:1000])
    message = rf"^model {re.escape(str(folder))}: cannot be read \(.*\); give a folder that "
    with pytest.raises(ValueError, match=message):
        _load(folder)


def _saved(folder: Path, **options: Any) -> Path:
    config = T5Config(
        vocab_size=40, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2,
        decoder_start_token_id=0, **options,
    )  # fmt: skip
    T5ForConditionalGeneration(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("activation", ["relu", "gated-gelu", "gated-silu"])
def test_t5_1_0_keeps_its_ties_and_its_activation(tmp_path: Path, activation: str) -> None:
    """Catches the arithmetic of T5 1.1 under the weights of T5 1.0, which gives nonsense."""
    folder = _saved(tmp_path, feed_forward_proj=activation, tie_word_embeddings=True)
    loaded = _load(folder)
    model = T5ForConditionalGeneration.from_pretrained(folder)
    assert "lm_head.weight" not in loaded.weights
    assert loaded.parameter_count == model.num_parameters()
    ids, targets = torch.tensor([[5, 9, 1]]), torch.tensor([[7, 3, 1]])
    mask = torch.ones_like(ids)
    found = loaded.losses(loaded.weights, loaded.embed(loaded.weights, ids), mask, targets)
    with torch.no_grad():
        expected = model(input_ids=ids, attention_mask=mask, labels=targets).loss
    torch.testing.assert_close(found.mean(), expected)


def test_an_activation_that_is_not_known_is_refused(tmp_path: Path) -> None:
    """Catches a T5 whose feed-forward layers are computed with another activation."""
    folder = _saved(tmp_path, feed_forward_proj="gated-tanh")
    message = r"^model .*: feed_forward_proj 'gated-tanh' is not known; give a T5 with "
    with pytest.raises(ValueError, match=message):
        _load(folder)


def test_loading_is_quiet_and_leaves_no_setting_behind(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches bars and warnings in the middle of a sweep's progress, or a library left mute."""
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    bars: list[str] = []

    def noted(factory: object, arguments: object, options: dict[str, str]) -> None:
        bars.append(options["desc"])

    before = set_tqdm_hook(noted)
    try:
        _load(folder)
    finally:
        left = set_tqdm_hook(before)
    assert left is noted
    assert bars == []
    assert caplog.messages == []


def test_the_compute_dtype_is_that_of_the_weights(folder: Path) -> None:
    """Catches a frozen model in float32 where half the memory was asked for."""
    full = _load(folder)
    half = _load(folder, dtype=torch.bfloat16)
    assert {weight.dtype for weight in half.weights.values()} == {torch.bfloat16}
    assert half.embed(half.weights, torch.tensor([[3]])).dtype == torch.bfloat16
    assert half.embed(full.weights, torch.tensor([[3]])).dtype == torch.bfloat16
    assert {weight.dtype for weight in full.weights.values()} == {torch.float32}


def test_every_weight_is_counted_once(
    model: T5ForConditionalGeneration, backbone: T5Backbone
) -> None:
    """Catches the shared embedding counted for each of its readers."""
    assert backbone.parameter_count == sum(p.numel() for p in model.parameters())
    assert backbone.width == model.config.d_model
    assert backbone.embedding_table() is backbone.weights["shared.weight"]

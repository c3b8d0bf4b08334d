"""T5 1.1 behind the project's interface: loading it as it is, or not at all."""

import logging
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import T5Config, T5ForConditionalGeneration
from transformers.utils.logging import set_tqdm_hook

from runners.model.backbone import T5Backbone, load_t5
from runners.model.checkpoint import LADDER, WEIGHTS

TOKENIZER = LADDER / "tokenizer"


@pytest.fixture
def folder(model: T5ForConditionalGeneration, tmp_path: Path) -> Path:
    """A checkpoint of the random test model, as `transformers` writes it."""
    model.save_pretrained(tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def _rewrite(folder: Path, weights: dict[str, torch.Tensor]) -> None:
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})


def test_a_checkpoint_is_loaded_weight_by_weight(
    model: T5ForConditionalGeneration, backbone: T5Backbone, folder: Path
) -> None:
    """Catches an output layer that `transformers` ties to the embedding on the way in."""
    loaded = load_t5(folder, tokenizer=TOKENIZER, fingerprint="f")
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
    loaded = load_t5(str(folder), tokenizer=str(TOKENIZER), fingerprint="f").weights
    assert torch.equal(loaded["lm_head.weight"], loaded["shared.weight"])
    assert loaded["lm_head.weight"].data_ptr() != loaded["shared.weight"].data_ptr()


def test_a_checkpoint_without_a_weight_is_refused(folder: Path) -> None:
    """Catches a model with a part that is random, or tied for want of anything else."""
    weights = load_file(folder / WEIGHTS)
    del weights["lm_head.weight"]
    _rewrite(folder, weights)
    message = (
        f"model {str(folder)!r}: lm_head.weight is not in the checkpoint; give one with every "
        "weight of T5 1.1"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        load_t5(folder, tokenizer=TOKENIZER, fingerprint="f")


@pytest.mark.parametrize(
    ("activation", "tied", "found"),
    [
        ("relu", True, "scale_decoder_outputs True, feed_forward_proj 'relu'"),
        ("gated-gelu", True, "scale_decoder_outputs True, feed_forward_proj 'gated-gelu'"),
        ("relu", False, "scale_decoder_outputs False, feed_forward_proj 'relu'"),
    ],
)
def test_another_t5_than_1_1_is_refused(
    tmp_path: Path, activation: str, tied: bool, found: str
) -> None:
    """Catches a T5 1.0 that runs through the arithmetic of T5 1.1 and gives nonsense."""
    config = T5Config(
        vocab_size=40, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2,
        feed_forward_proj=activation, tie_word_embeddings=tied, decoder_start_token_id=0,
    )  # fmt: skip
    T5ForConditionalGeneration(config).save_pretrained(tmp_path)
    message = (
        f"model {str(tmp_path)!r}: {found} is not T5 1.1; give a checkpoint with untied "
        "embeddings and gated-gelu"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        load_t5(tmp_path, tokenizer=TOKENIZER, fingerprint="f")


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
        load_t5(folder, tokenizer=TOKENIZER, fingerprint="f")
    finally:
        left = set_tqdm_hook(before)
    assert left is noted
    assert bars == []
    assert caplog.messages == []


def test_the_compute_dtype_is_that_of_the_weights(folder: Path) -> None:
    """Catches a frozen model in float32 where half the memory was asked for."""
    full = load_t5(folder, tokenizer=TOKENIZER, fingerprint="f")
    half = load_t5(folder, tokenizer=TOKENIZER, fingerprint="f", dtype=torch.bfloat16)
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

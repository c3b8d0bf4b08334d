"""A frozen model as a folder of `transformers`."""

import json
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    LlamaConfig,
    MT5Config,
    MT5ForConditionalGeneration,
    T5Config,
    T5ForConditionalGeneration,
)

from runners.catalogue import Catalogue
from runners.model.causal_loading import load_causal
from runners.model.checkpoint import LADDER
from runners.model.codec import Codec
from runners.model.family import Place
from runners.model.loading import load_pretrained, with_weights
from runners.model.t5_backbone import T5Backbone, load_t5
from runners.model.writing import write_checkpoint

NANO = Catalogue().rung("nano", "60k")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_model_whose_weights_have_moved_is_read_as_it_is(tmp_path: Path, dtype: str) -> None:
    """Catches the weights before adaptation, a tied output layer, or a rounded weight."""
    pretrained = load_pretrained(Catalogue(), "nano", "60k", dtype)
    moved = {name: weight + 0.5 for name, weight in pretrained.weights.items()}
    write_checkpoint(with_weights(pretrained, moved, source="here"), NANO.checkpoint, tmp_path)
    read = AutoModelForSeq2SeqLM.from_pretrained(tmp_path)
    found = dict(read.named_parameters())
    assert isinstance(read, T5ForConditionalGeneration)
    assert set(found) == set(moved)
    for name, weight in moved.items():
        assert torch.equal(found[name], weight), name
    assert read.dtype is getattr(torch, dtype)


def test_a_config_says_to_any_release_that_the_output_layer_is_its_own(tmp_path: Path) -> None:
    """Catches `transformers` 4, which ties the two wherever the config does not say no."""
    write_checkpoint(
        load_pretrained(Catalogue(), "nano", "60k", "float32"), NANO.checkpoint, tmp_path
    )
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["tie_word_embeddings"] is False
    assert config["scale_decoder_outputs"] is False
    assert config["architectures"] == ["T5ForConditionalGeneration"]


def test_an_mt5_leaves_as_it_came(backbone: T5Backbone, tmp_path: Path) -> None:
    """Catches an mT5 with a tied output layer, or one that others read as another model."""
    config = MT5Config(
        vocab_size=700, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2,
        tie_word_embeddings=False,
    )  # fmt: skip
    model = MT5ForConditionalGeneration(config)
    model.lm_head.weight = torch.nn.Parameter(torch.randn(700, 8))
    model.save_pretrained(tmp_path / "there")
    place = Place(path=tmp_path / "there")
    loaded = load_t5(place, codec=backbone.codec, fingerprint="f", dtype=torch.float32)
    (tmp_path / "written").mkdir()
    write_checkpoint(loaded, place, tmp_path / "written")
    read = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "written")
    assert isinstance(read, MT5ForConditionalGeneration)
    found = dict(read.named_parameters())
    assert found.keys() == loaded.weights.keys() == dict(model.named_parameters()).keys()
    for name, weight in model.named_parameters():
        assert torch.equal(found[name], weight), name
        assert torch.equal(loaded.weights[name], weight), name


def test_the_tokenizer_is_written_beside(tmp_path: Path) -> None:
    """Catches a model that nobody can give a text to."""
    write_checkpoint(
        load_pretrained(Catalogue(), "nano", "60k", "float32"), NANO.checkpoint, tmp_path
    )
    text = "the cat sat on the mat"
    ours = AutoTokenizer.from_pretrained(LADDER / "tokenizer")(text)["input_ids"]
    assert AutoTokenizer.from_pretrained(tmp_path)(text)["input_ids"] == ours


def test_a_t5_whose_layers_are_tied_stays_so(backbone: T5Backbone, tmp_path: Path) -> None:
    """Catches T5 1.0 that is read again without the scale of its tied output layer."""
    config = T5Config(
        vocab_size=700, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2,
        decoder_start_token_id=0, feed_forward_proj="relu", tie_word_embeddings=True,
    )  # fmt: skip
    T5ForConditionalGeneration(config).save_pretrained(tmp_path / "there")
    place = Place(path=tmp_path / "there")
    loaded = load_t5(place, codec=backbone.codec, fingerprint="f", dtype=torch.float32)
    (tmp_path / "written").mkdir()
    write_checkpoint(loaded, place, tmp_path / "written")
    again = load_t5(
        Place(path=tmp_path / "written"), codec=backbone.codec, fingerprint="f",
        dtype=torch.float32,
    )  # fmt: skip
    assert again.shape == loaded.shape
    assert again.shape.tied
    assert all(torch.equal(again.weights[name], w) for name, w in loaded.weights.items())


@pytest.mark.parametrize("quantised", [False, True])
def test_a_decoder_only_model_is_read_as_it_is(
    backbone: T5Backbone, tmp_path: Path, quantised: bool
) -> None:
    """Catches a config that still calls weights quantised which came from a GGUF file."""
    config = LlamaConfig(
        vocab_size=700, hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, tie_word_embeddings=True, bos_token_id=5, eos_token_id=5,
        pad_token_id=5,
    )  # fmt: skip
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "there")
    place = Place(path=tmp_path / "there")
    codec = Codec(tokenizer=backbone.codec.tokenizer, continues=True)
    loaded = load_causal(place, codec=codec, fingerprint="f", dtype=torch.float32)
    if quantised:
        loaded.module.config.quantization_config = {"quant_method": "gguf", "dequantize": False}
    (tmp_path / "written").mkdir()
    write_checkpoint(loaded, place, tmp_path / "written")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "written")
    again = dict(model.named_parameters())
    generation = model.generation_config
    assert (generation.eos_token_id, generation.pad_token_id) == (codec.end_id, codec.pad_id)
    config = json.loads((tmp_path / "written" / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert "quantization_config" not in config
    assert set(again) == set(loaded.weights)
    assert all(torch.equal(again[name], weight) for name, weight in loaded.weights.items())

"""Family files: what ships is what the models are, and what a user writes is read or refused."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    GPTNeoXConfig,
    LlamaConfig,
    PreTrainedModel,
    Qwen3Config,
    T5Config,
    T5ForConditionalGeneration,
)

from runners.model.family import Place, read_family, shipped
from runners.rules import ConfigError

Counted = Callable[..., int]

T5_1_1: Mapping[str, int] = {
    "small": 76_961_152, "base": 247_577_856, "large": 783_150_080, "xl": 2_849_757_184,
    "xxl": 11_135_332_352,
}  # fmt: skip
"""Lester et al. 2021, Table 4: the total less the prompt."""


def neox(vocabulary: int, width: int, layers: int) -> int:
    """Parameters of a GPT-NeoX whose feed-forward is four times as wide, with biases."""
    return 2 * vocabulary * width + layers * (12 * width**2 + 13 * width) + 2 * width


def llama(width: int, layers: int, inner: int, heads: int, shared: int) -> int:
    """Parameters of a SmolLM2: a Llama of 49,152 tied pieces, head width 64."""
    attention = 2 * width * heads * 64 + 2 * width * shared * 64
    return 49_152 * width + layers * (attention + 3 * width * inner + 2 * width) + width


def qwen3(width: int, layers: int, inner: int, heads: int, tied: bool) -> int:
    """Parameters of a Qwen3: 151,936 pieces, 8 shared heads of width 128, norms of both."""
    attention = 2 * width * heads * 128 + 2 * width * 8 * 128 + 2 * 128
    layer = attention + 3 * width * inner + 2 * width
    return (1 if tied else 2) * 151_936 * width + layers * layer + width


def t5_1_0(width: int, layers: int, inner: int, heads: int, head: int = 64) -> int:
    """Parameters of a T5 1.0: 32,128 tied pieces, heads of width `head`, relu."""
    attention, dense = 4 * width * heads * head, 2 * width * inner
    encoder = layers * (attention + dense + 2 * width)
    decoder = layers * (2 * attention + dense + 3 * width)
    return 32_128 * width + encoder + decoder + 2 * width + 2 * 32 * heads


# Dimensions: each model's config.json on the hub.
COUNTS: Mapping[str, Mapping[str, int]] = {
    "pythia": {
        "14m": neox(50_304, 128, 6), "31m": neox(50_304, 256, 6), "70m": neox(50_304, 512, 6),
        "160m": neox(50_304, 768, 12), "410m": neox(50_304, 1024, 24),
        "1b": neox(50_304, 2048, 16), "1.4b": neox(50_304, 2048, 24),
        "2.8b": neox(50_304, 2560, 32), "6.9b": neox(50_432, 4096, 32),
        "12b": neox(50_688, 5120, 36),
    },
    "smollm2": {
        "135m": llama(576, 30, 1536, 9, 3), "360m": llama(960, 32, 2560, 15, 5),
        "1.7b": llama(2048, 24, 8192, 32, 32), "135m_instruct": llama(576, 30, 1536, 9, 3),
    },
    "qwen": {
        "0.6b": qwen3(1024, 28, 3072, 16, tied=True), "1.7b": qwen3(2048, 28, 6144, 16, tied=True),
        "4b": qwen3(2560, 36, 9728, 32, tied=True), "8b": qwen3(4096, 36, 12_288, 32, tied=False),
        "14b": qwen3(5120, 40, 17_408, 40, tied=False),
    },
    "t5_efficient": {
        "tiny": t5_1_0(256, 4, 1024, 4), "mini": t5_1_0(384, 4, 1536, 8),
        "small": t5_1_0(512, 6, 2048, 8), "base": t5_1_0(768, 12, 3072, 12),
        "large": t5_1_0(1024, 24, 4096, 16), "xl": t5_1_0(1024, 24, 16_384, 32, head=128),
    },
    "t5": T5_1_1,
}  # fmt: skip


@pytest.mark.parametrize("family", COUNTS)
def test_counts_of_shipped_families_are_those_of_their_dimensions(family: str) -> None:
    """Catches a digit lost in a family file, which would place a whole curve at the wrong size."""
    rungs = shipped()[family].rungs
    assert {name: rung.parameters for name, rung in rungs.items()} == COUNTS[family]


def _meta(config: Any) -> PreTrainedModel:
    with torch.device("meta"):
        if isinstance(config, T5Config):
            return T5ForConditionalGeneration(config)
        made: PreTrainedModel = AutoModelForCausalLM.from_config(config)
        return made


@pytest.mark.parametrize(
    ("config", "count"),
    [
        (
            lambda: GPTNeoXConfig(
                vocab_size=300, hidden_size=64, num_hidden_layers=3, intermediate_size=256,
                num_attention_heads=4, tie_word_embeddings=False,
            ),
            neox(300, 64, 3),
        ),
        (
            lambda: LlamaConfig(
                vocab_size=49_152, hidden_size=192, num_hidden_layers=2, intermediate_size=100,
                num_attention_heads=3, num_key_value_heads=1, tie_word_embeddings=True,
            ),
            llama(192, 2, 100, 3, 1),
        ),
        *(
            (
                lambda tied=tied: Qwen3Config(
                    vocab_size=151_936, hidden_size=96, num_hidden_layers=2, intermediate_size=80,
                    num_attention_heads=16, num_key_value_heads=8, head_dim=128,
                    tie_word_embeddings=tied,
                ),
                qwen3(96, 2, 80, 16, tied=tied),
            )
            for tied in (True, False)
        ),
        (
            lambda: T5Config(
                vocab_size=32_128, d_model=128, num_layers=2, d_ff=96, num_heads=2, d_kv=64
            ),
            t5_1_0(128, 2, 96, 2),
        ),
    ],
    ids=["neox", "llama", "qwen3", "qwen3_untied", "t5_1_0"],
)  # fmt: skip
def test_the_closed_forms_are_those_of_transformers(config: Callable[[], Any], count: int) -> None:
    """Catches a bias or a norm that the sums above forget, for every rung alike."""
    assert _meta(config()).num_parameters() == count


def test_a_family_climbs() -> None:
    """Catches a ladder out of order, whose curve would run back and forth."""
    for family in shipped().values():
        counts = [rung.parameters for rung in family.rungs.values() if "_" not in rung.name]
        assert counts == sorted(counts), family.name


def test_released_adaptations_are_those_of_the_paper() -> None:
    """Catches an adaptation of another size behind a rung, or steps nobody released."""
    for name, rung in shipped()["t5"].rungs.items():
        assert {steps: str(place) for steps, place in rung.adapted.items()} == {
            100_000: f"google/t5-{name}-lm-adapt"
        }
        assert str(rung.checkpoint) == f"google/t5-v1_1-{name}"


WRITTEN = """\
architecture: causal
tokenizer: ./shared
sizes:
  tiny:
    checkpoint: ./tiny
    parameters: 1000
    width: 8
  large:
    checkpoint: me/large@0123abc
    tokenizer: me/pieces
    adapted: {500: /models/large-500}
    parameters: 4000
    width: 16
"""


def _write(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_of_a_user_is_a_family(tmp_path: Path) -> None:
    """Catches a folder taken from where the command runs, and a tokenizer taken for another's."""
    family = read_family(_write(tmp_path, WRITTEN))
    assert (family.name, family.architecture, family.objective) == ("mine", "causal", "causal_lm")
    tiny, large = family.rungs.values()
    assert (tiny.parameters, tiny.width, tiny.shape) == (1000, 8, None)
    assert tiny.checkpoint == Place(path=tmp_path / "tiny")
    assert tiny.tokenizer == Place(path=tmp_path / "shared")
    assert large.checkpoint == Place(hub_id="me/large", revision="0123abc")
    assert large.tokenizer == Place(hub_id="me/pieces")
    assert large.adapted == {500: Place(path=Path("/models/large-500"))}


def test_without_a_tokenizer_the_checkpoint_brings_it(tmp_path: Path) -> None:
    """Catches a rung without any tokenizer."""
    family = read_family(_write(tmp_path, WRITTEN.replace("tokenizer: ./shared\n", "")))
    assert family.rungs["tiny"].tokenizer == family.rungs["tiny"].checkpoint


SHAPE = "{vocabulary: 9, d_model: 4, d_ff: 8, heads: 2, d_kv: 2, encoder_layers: 1}"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "causal", "decoder",
            ["architecture: 'decoder' is not one of t5, causal; use one of these"],
        ),
        ("sizes:", "size:", [
            "size: 'size' is not a known key; did you mean 'sizes'?",
            "sizes: None is not a mapping; write 'key: value' lines below it",
        ]),
        ("parameters: 1000", "parameters: none", [
            ("sizes.tiny.parameters: 'none' is not a whole number of 1 or more; "
            "write a whole number of 1 or more"),
        ]),
        ("./tiny", "a/b/c", [
            ("sizes.tiny.checkpoint: 'a/b/c' is no hub id; write NAME/MODEL@COMMIT, or a folder "
            "that begins with ./ or /"),
        ]),
        ("500:", "many:", [
            ("sizes.large.adapted.many: 'many' is not a whole number of 1 or more; "
            "write a whole number of 1 or more"),
        ]),
        ("width: 8", f"shape: {SHAPE}", [
            "sizes.tiny.shape.decoder_layers: None is missing; give a whole number of 1 or more",
            "sizes.tiny.parameters: 1000 follows from shape; leave it out",
        ]),
    ],
)  # fmt: skip
def test_every_mistake_of_a_file_is_told(
    tmp_path: Path, old: str, new: str, told: list[str]
) -> None:
    """Catches a KeyError in a worker for a key that was mistyped in a file of one's own."""
    path = _write(tmp_path, WRITTEN.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        read_family(path)
    assert [str(problem).removeprefix(f"{path}: ") for problem in caught.value.problems] == told


@pytest.mark.parametrize("text", ["sizes: [", None])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str | None) -> None:
    """Catches a parser's traceback, which does not say what the file is for."""
    path = tmp_path / "mine.yaml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    message = f"^model_family: {re.escape(str(path))} cannot be read"
    with pytest.raises(ValueError, match=message):
        read_family(path)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (
            Place(package="no_such_package/model.gguf"),
            (
                "package:no_such_package/model.gguf: package no_such_package is not installed; "
                "install it"
            ),
        ),
        (
            Place(package="yaml/model.gguf"),
            "model.gguf does not exist; make it, or correct its family file",
        ),
        (
            Place(path=Path("/no/such/folder")),
            "checkpoint /no/such/folder does not exist; make it, or correct its family file",
        ),
    ],
)
def test_what_is_not_there_is_named(place: Place, message: str) -> None:
    """Catches a question to the hub for a package or a folder of this machine."""
    with pytest.raises(ValueError, match=f"{re.escape(message)}$"):
        place.local()


def test_a_file_in_a_package_is_found() -> None:
    """Catches a model that a package brings and nobody finds."""
    found = Place(package="yaml/__init__.py").local()
    assert found is not None and found.is_file()

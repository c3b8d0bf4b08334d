"""Checkpoints as `transformers` reads them, and what is said of those that do not fit."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM as Auto
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from runners.model import reading as module
from runners.model.checkpoint import LADDER, WEIGHTS
from runners.model.family import Place
from runners.model.reading import pinned, read_codec, read_config, read_model

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A random Llama, as `transformers` writes it."""
    config = LlamaConfig(
        vocab_size=20, hidden_size=8, intermediate_size=8, num_hidden_layers=1,
        num_attention_heads=2, tie_word_embeddings=False,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(tmp_path / "llama")
    return tmp_path / "llama"


def _changed(folder: Path, **weights: torch.Tensor | None) -> None:
    named = {name.replace("__", "."): weight for name, weight in weights.items()}
    kept = {n: w for n, w in {**load_file(folder / WEIGHTS), **named}.items() if w is not None}
    save_file(kept, folder / WEIGHTS, metadata={"format": "pt"})


def _missing(folder: Path) -> None:
    _changed(folder, lm_head__weight=None)


def _added(folder: Path) -> None:
    _changed(folder, score__weight=torch.zeros(2, 8))


def _reshaped(folder: Path) -> None:
    _changed(folder, lm_head__weight=torch.zeros(20, 9))


def _other_config(folder: Path) -> None:
    path = folder / "config.json"
    values = json.loads(path.read_text()) | {"intermediate_size": 12}
    path.write_text(json.dumps(values))


def _truncated(folder: Path) -> None:
    path = folder / WEIGHTS
    path.write_bytes(path.read_bytes()[:-100])


def _no_weights(folder: Path) -> None:
    (folder / WEIGHTS).unlink()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_missing, "lm_head.weight is not in the checkpoint; give a checkpoint whose"),
        (_added, "score.weight is in the checkpoint and not in the model; give a checkpoint"),
        (_reshaped, "lm_head.weight has shape [20, 9] in the checkpoint and [20, 8] by its config"),
        (
            _other_config,
            "model.layers.0.mlp.down_proj.weight has shape [8, 8] in the checkpoint and",
        ),
        (_truncated, "cannot be read"),
        (_no_weights, "cannot be read"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(folder: Path, spoil: Any, said: str) -> None:
    """Catches a model part of which is random, dropped or cut off, with a warning at most."""
    spoil(folder)
    message = f"^model {re.escape(str(folder))}: {re.escape(said)}"
    with pytest.raises(ValueError, match=message):
        read_model(Auto, Place(path=folder), torch.float32)


def test_a_checkpoint_is_read_in_its_dtype_and_asleep(folder: Path) -> None:
    """Catches dropout that is left on in a frozen model."""
    model = read_model(Auto, Place(path=folder), torch.bfloat16)
    assert not model.training
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}
    assert read_config(Place(path=folder)).model_type == "llama"


def test_a_hub_that_cannot_be_reached_is_an_error_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Catches a traceback of forty lines for a machine without a network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    place = Place(hub_id="nobody/no-such-model", revision="0" * 40)
    with pytest.raises(ValueError, match=r"^model nobody/no-such-model@0+: cannot be read \("):
        read_config(place)


def test_a_hub_id_is_pinned_to_the_commit_that_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a record that says `main`, which is something else tomorrow."""

    class Config:
        _commit_hash = "abc"

    monkeypatch.setattr(module, "read_config", lambda _: Config())
    assert pinned(Place(hub_id="me/model")) == Place(hub_id="me/model", revision="abc")
    for known in (Place(hub_id="me/model", revision="def"), Place(path=Path("/here"))):
        assert pinned(known) is known


def test_a_tokenizer_without_an_end_is_refused(tmp_path: Path) -> None:
    """Catches targets without an end, after which a model never stops."""
    fast = PreTrainedTokenizerFast(tokenizer_file=str(LADDER / "tokenizer" / "tokenizer.json"))
    fast.save_pretrained(tmp_path)
    message = f"^tokenizer {re.escape(str(tmp_path))}: has no end-of-sequence token"
    with pytest.raises(ValueError, match=message):
        read_codec(Place(path=tmp_path), continues=True)


def test_weights_as_the_lm_adapted_t5_was_published(folder: Path) -> None:
    """Catches a release without safetensors, as of google/t5-small-lm-adapt, that is refused."""
    expected = read_model(Auto, Place(path=folder), torch.float32).state_dict()
    torch.save(load_file(folder / WEIGHTS), folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()
    found = read_model(Auto, Place(path=folder), torch.float32).state_dict()
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_t5s_own_vocabulary(tmp_path: Path) -> None:
    """Catches an installation that cannot read spiece.model, or shifts its pieces or sentinels.

    The ids of 'true' and 'false' are those that `sentencepiece` gives; the sentinels
    count down from the last id, and 1 is the end (T5).
    """
    published = DATA / "t5/spiece.model"
    if not published.exists():
        pytest.skip(f"{published} is not there: T5's vocabulary is not part of the project")
    (tmp_path / "spiece.model").write_bytes(published.read_bytes())
    settings = {"tokenizer_class": "T5Tokenizer", "extra_ids": 100}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    codec = read_codec(Place(path=tmp_path), continues=False)
    assert (codec.pad_id, codec.end_id, len(codec.tokenizer)) == (0, 1, 32_100)
    [ids] = codec.inputs(["true false<extra_id_0>"])
    assert ids == [1176, 6136, 32_099, 1]

"""Checkpoints as `transformers` reads them, and what is said of those that do not fit."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM as Auto
from transformers import (
    ByT5Tokenizer,
    GPTNeoConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from runners.data.source import check_labels
from runners.model import reading as module
from runners.model.checkpoint import LADDER, WEIGHTS
from runners.model.family import Place
from runners.model.reading import pinned, read_codec, read_config, read_model
from runners.model.t5_backbone import load_t5
from runners.tasks.superglue import TASKS

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


def _no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def _unknown_kind(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "llamma"}')


def _broken_config(folder: Path) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"hidden_size": "wide"}))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_no_config, "Should have a `model_type` key in its config.json"),
        (_unknown_kind, "model type `llamma` but Transformers does not recognize"),
        (_broken_config, "Field 'hidden_size' expected int, got str"),
    ],
)
def test_a_config_that_is_none_is_explained(folder: Path, spoil: Any, said: str) -> None:
    """Catches a traceback of `transformers` for a folder that lacks a file, or has another's."""
    spoil(folder)
    with pytest.raises(ValueError, match=re.escape(said)) as error:
        read_config(Place(path=folder))
    told = str(error.value)
    assert told.startswith(f"model {folder}: cannot be read (")
    assert "; give a folder that transformers can load, with config.json, safetensors and" in told


def test_a_tokenizer_that_is_none_is_explained(tmp_path: Path, folder: Path) -> None:
    """Catches the empty tokenizer that `transformers` makes of a T5 without one, in silence."""
    T5Config(vocab_size=700).save_pretrained(tmp_path / "t5")
    for place in (tmp_path / "t5", folder):
        message = f"^tokenizer {re.escape(str(place))}: there is none of tokenizer.json, "
        with pytest.raises(ValueError, match=message):
            read_codec(Place(path=place), continues=False)
    (tmp_path / "t5" / "tokenizer.json").write_text("{")
    with pytest.raises(ValueError, match=r"t5: cannot be read \(Expecting property name"):
        read_codec(Place(path=tmp_path / "t5"), continues=False)


def test_a_tokenizer_of_bytes_needs_no_vocabulary(tmp_path: Path) -> None:
    """Catches a ByT5 that is refused for a file which its tokenizer does not have."""
    T5Config(vocab_size=384).save_pretrained(tmp_path)
    ByT5Tokenizer().save_pretrained(tmp_path)
    codec = read_codec(Place(path=tmp_path), continues=False)
    text = "Где naïve, 東京?"
    # Pad, end and unknown come before the bytes (Xue et al. 2022, 3.1).
    written = [byte + 3 for byte in text.encode()]
    assert codec.targets([text]) == codec.inputs([text]) == [[*written, codec.end_id]]
    assert codec.decode([[*written, codec.end_id, codec.pad_id]]) == [text]
    assert codec.ordinary_pieces == list(range(3, 259))
    assert len(codec.tokenizer) == 384
    check_labels(TASKS["rte"], codec)


def test_a_t5_that_transformers_has_tied_is_explained_and_can_be_mended(tmp_path: Path) -> None:
    """Catches a T5 1.1 that is refused for what `transformers` 5 did to it, without a way out."""
    config = T5Config(
        vocab_size=700, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_decoder_layers=1, num_heads=2,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False, decoder_start_token_id=0,
    )  # fmt: skip
    model = T5ForConditionalGeneration(config)
    model.save_pretrained(tmp_path)
    codec = read_codec(Place(path=LADDER / "tokenizer"), continues=False)
    message = (
        f"model {tmp_path}: lm_head.weight is not in the checkpoint; fetch it again, or, where "
        "transformers 5 made it, which ties the output layer of a new T5 to its embedding and "
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}") as error:
        load_t5(Place(path=tmp_path), codec=codec, fingerprint="", dtype=torch.float32)
    (remedy,) = re.findall(r"\((model\.lm_head.*)\) and save it again$", str(error.value))
    exec(remedy)
    model.save_pretrained(tmp_path)
    loaded = load_t5(Place(path=tmp_path), codec=codec, fingerprint="", dtype=torch.float32)
    torch.testing.assert_close(loaded.weights["lm_head.weight"], loaded.weights["shared.weight"])


def test_masks_that_were_saved_once_are_no_weights(tmp_path: Path) -> None:
    """Catches a GPT-Neo of the hub that is refused for the masks that it brings along."""
    config = GPTNeoConfig(
        vocab_size=20, hidden_size=8, num_layers=1, num_heads=2, intermediate_size=8,
        max_position_embeddings=16, attention_types=[[["global"], 1]],
    )  # fmt: skip
    Auto.from_config(config).save_pretrained(tmp_path)
    attention = "transformer.h.0.attn.attention"
    masks = {
        f"{attention}.bias": torch.ones(1, 1, 16, 16, dtype=torch.uint8),
        f"{attention}.masked_bias": torch.tensor(-1e9),
    }
    weights = load_file(tmp_path / WEIGHTS)
    save_file({**weights, **masks}, tmp_path / WEIGHTS, metadata={"format": "pt"})
    read = read_model(Auto, Place(path=tmp_path), torch.float32)
    assert not {name for name in weights if not torch.equal(weights[name], read.state_dict()[name])}
    unlike = {f"{attention}.{name}.bias": torch.zeros(8) for name in "abcd"}
    save_file({**weights, **unlike}, tmp_path / WEIGHTS, metadata={"format": "pt"})
    said = "attention.a.bias, .*b.bias, .*c.bias, and 1 more is in the checkpoint and not in the"
    with pytest.raises(ValueError, match=said):
        read_model(Auto, Place(path=tmp_path), torch.float32)


def test_a_checkpoint_is_read_in_its_dtype_and_asleep(folder: Path) -> None:
    """Catches dropout that is left on in a frozen model."""
    model = read_model(Auto, Place(path=folder), torch.bfloat16)
    assert not model.training
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}
    assert read_config(Place(path=folder)).model_type == "llama"


def test_a_gguf_file_is_unpacked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches weights in 4 bits where kernels for them are installed, which no cast would take."""
    asked: dict[str, Any] = {}
    model = Auto.from_pretrained(folder)

    def read(where: str, **options: Any) -> Any:
        asked.update(options, where=where)
        nothing: dict[str, Any] = {"missing_keys": [], "unexpected_keys": [], "mismatched_keys": []}
        return model, nothing

    monkeypatch.setattr(Auto, "from_pretrained", read)
    (folder / "m.gguf").write_bytes(b"GGUF")
    read_model(Auto, Place(path=folder / "m.gguf"), torch.float32)
    assert (asked["where"], asked["gguf_file"]) == (str(folder), "m.gguf")
    assert asked["quantization_config"].dequantize
    asked.clear()
    read_model(Auto, Place(path=folder), torch.float32)
    assert "quantization_config" not in asked


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
    branch = Place(hub_id="me/model", revision="main")
    assert pinned(branch) == Place(hub_id="me/model", revision="abc")
    for known in (Place(hub_id="me/model", revision="d" * 40), Place(path=Path("/here"))):
        assert pinned(known) is known


def test_a_tokenizer_without_an_end_is_refused(tmp_path: Path) -> None:
    """Catches targets without an end, after which a model never stops."""
    fast = PreTrainedTokenizerFast(tokenizer_file=str(LADDER / "tokenizer" / "tokenizer.json"))
    fast.save_pretrained(tmp_path)
    message = f"^tokenizer {re.escape(str(tmp_path))}: has no end-of-sequence token"
    with pytest.raises(ValueError, match=message):
        read_codec(Place(path=tmp_path), continues=True)


class _Bomb:
    """What runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (print, ("it went off",))


def _as_pickle(folder: Path) -> None:
    torch.save({"bomb": _Bomb()}, folder / "pytorch_model.bin")
    (folder / WEIGHTS).unlink()


def test_a_pickle_is_never_read(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Catches weights that run code as they are read, and that no fingerprint knows."""
    _as_pickle(folder)
    message = (
        f"^model {re.escape(str(folder))}: pytorch_model.bin is no safetensors; a pickle can run "
        "code when it is read, so only safetensors are; convert it once where you trust it"
    )
    with pytest.raises(ValueError, match=message):
        read_model(Auto, Place(path=folder), torch.float32)
    assert "went off" not in capsys.readouterr().out


def test_safetensors_count_where_a_pickle_lies_beside_them(folder: Path) -> None:
    """Catches a folder that is refused, or read from its pickle, although it has both."""
    expected = read_model(Auto, Place(path=folder), torch.float32).state_dict()
    torch.save({"bomb": _Bomb()}, folder / "pytorch_model.bin")
    found = read_model(Auto, Place(path=folder), torch.float32).state_dict()
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_a_commit_of_the_hub_without_safetensors_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches google/t5-small-lm-adapt, whose main branch has .bin alone, read as a pickle.

    The cache is as the hub's client leaves it: what a commit lacks is noted.
    """
    commit, cache = "c0ffee" * 6 + "c0ff", tmp_path / "cache"
    kept = cache / "models--me--model" / "snapshots" / commit
    lacks = cache / "models--me--model" / ".no_exist" / commit
    _as_pickle(folder)
    shutil.copytree(folder, kept)
    lacks.mkdir(parents=True)
    for name in (WEIGHTS, f"{WEIGHTS}.index.json", "adapter_config.json"):
        (lacks / name).touch()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    place = Place(hub_id="me/model", revision=commit)
    message = f"^model me/model@{commit}: has no safetensors; a pickle can run code"
    with pytest.raises(ValueError, match=message):
        read_model(Auto, place, torch.float32, cache_dir=str(cache))


def test_a_pickle_is_converted_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a remedy that loses the output layer of a T5 1.1, or its tokenizer."""
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=700, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_decoder_layers=1, num_heads=2,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False, decoder_start_token_id=0,
    )  # fmt: skip
    published = tmp_path / "google" / "t5-small-lm-adapt"
    shutil.copytree(LADDER / "tokenizer", published)
    config.save_pretrained(published)
    named = T5ForConditionalGeneration(config).named_parameters()
    weights = {name: weight.detach().clone() for name, weight in named}
    weights["lm_head.weight"] = torch.randn(700, 8)
    copies = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight")
    torch.save(weights | dict.fromkeys(copies, weights["shared.weight"]),
               published / "pytorch_model.bin")  # fmt: skip
    page = (Path(__file__).resolve().parents[3] / "docs" / "data.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(code)
    place = Place(path=tmp_path / "t5-small-lm-adapt")
    codec = read_codec(place, continues=False)
    loaded = load_t5(place, codec=codec, fingerprint="", dtype=torch.float32)
    assert codec.end_id == 1
    assert loaded.weights.keys() == weights.keys()
    for name, weight in loaded.weights.items():
        torch.testing.assert_close(weight, weights[name], rtol=0, atol=0)


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

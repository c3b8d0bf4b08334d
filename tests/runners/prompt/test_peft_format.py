"""PEFT's folders, with PEFT itself as the reference."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftConfig, PeftModel, PromptTuningConfig, get_peft_model
from safetensors.torch import save_file
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    PreTrainedModel,
    T5ForConditionalGeneration,
)

from runners.model import t5
from runners.model.dropout import NONE
from runners.model.t5_backbone import T5Backbone
from runners.prompt.peft_format import CONFIG, WEIGHTS, Base, read_peft, write_peft
from runners.prompt.soft_prompt import Prompted, stack
from tests.runners.conftest import Wrap

# `transformers` 5 renames a property that PEFT 0.21 still asks for by its old name.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

LENGTH = 5
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}
"""Logits here are of the order of 1 to 10, in float32; sums are rounded in another order."""


@pytest.fixture
def llama() -> PreTrainedModel:
    """A random Llama of the nano vocabulary, its weights far from zero."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=700, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=128,
        bos_token_id=1, eos_token_id=1, pad_token_id=0,
    )  # fmt: skip
    made: PreTrainedModel = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    for parameter in made.parameters():
        if parameter.dim() > 1:
            parameter.data.mul_(8)
    return made.eval()


def _prompt(width: int) -> Tensor:
    return torch.randn(LENGTH, width, generator=torch.Generator().manual_seed(7))


def _base(architecture: str) -> Base:
    return Base(name="somebody/model", released=True, revision="c0ffee", architecture=architecture)


def _written(folder: Path, prompt: Tensor, architecture: str) -> Path:
    folder.mkdir()
    write_peft(folder, prompt.numpy(), base=_base(architecture), card="A prompt.\n")
    return folder


def _t5_rows() -> tuple[Tensor, Tensor, Tensor]:
    """Input ids and mask of three rows of unlike length, and decoder ids."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(3, 600, (3, 9), generator=generator)
    mask = torch.arange(9) < torch.tensor([9, 4, 7])[:, None]
    decoder = torch.randint(3, 600, (3, 4), generator=generator)
    return ids * mask, mask.to(torch.int64), decoder


@torch.no_grad()
def _prompted_t5(backbone: T5Backbone, prompt: Tensor) -> Tensor:
    ids, mask, decoder = _t5_rows()
    behind = Prompted(bank=stack([prompt]), of_row=torch.zeros(3, dtype=torch.int64))
    embedded, seen = behind.before(backbone.embed(backbone.weights, ids), mask)
    encoded = t5.encode(backbone.shape, backbone.weights, embedded, seen, NONE)
    memory = t5.memory_of(encoded, seen)
    hidden = t5.decode(backbone.shape, backbone.weights, decoder, memory, NONE)
    return t5.logits(backbone.shape, backbone.weights, hidden)


@torch.no_grad()
def _peft_t5(model: PreTrainedModel, folder: Path) -> Tensor:
    ids, mask, decoder = _t5_rows()
    loaded = PeftModel.from_pretrained(copy.deepcopy(model), str(folder)).eval()
    logits: Tensor = loaded(input_ids=ids, attention_mask=mask, decoder_input_ids=decoder).logits
    return logits


def test_peft_gives_the_logits_of_a_prompted_t5(
    model: T5ForConditionalGeneration, backbone: T5Backbone, tmp_path: Path
) -> None:
    """Catches a prompt that PEFT puts elsewhere, doubles, or reads in another order."""
    prompt = _prompt(24)
    folder = _written(tmp_path / "adapter", prompt, "t5")
    theirs, ours = _peft_t5(model, folder), _prompted_t5(backbone, prompt)
    torch.testing.assert_close(theirs, ours, **TOLERANCE)
    other = _prompted_t5(backbone, prompt.flip(0))
    assert (other - ours).abs().max() > 100 * (theirs - ours).abs().max() + 1e-3


def test_peft_answers_as_a_prompted_t5_does(
    model: T5ForConditionalGeneration, backbone: T5Backbone, tmp_path: Path
) -> None:
    """Catches a prompt that counts in training and not in generation."""
    prompt = _prompt(24)
    folder = _written(tmp_path / "adapter", prompt, "t5")
    loaded = PeftModel.from_pretrained(copy.deepcopy(model), str(folder)).eval()
    ids, mask, _ = _t5_rows()
    theirs = loaded.generate(
        input_ids=ids, attention_mask=mask, max_new_tokens=6, do_sample=False, eos_token_id=1,
        pad_token_id=0,
    )  # fmt: skip
    behind = Prompted(bank=stack([prompt]), of_row=torch.zeros(3, dtype=torch.int64))
    embedded, seen = behind.before(backbone.embed(backbone.weights, ids), mask)
    ours = backbone.generate(backbone.weights, embedded, seen, limit=6)
    assert theirs[:, 1:].tolist() == ours.tolist()


# Positions of a row without padding are those that the model counts by itself.
@pytest.mark.filterwarnings("ignore:Position ids are not supported:UserWarning")
def test_peft_gives_the_logits_of_a_prompted_llama(
    llama: PreTrainedModel, as_causal: Wrap, tmp_path: Path
) -> None:
    """Catches a task type under which PEFT loads a prompt and does not use it."""
    causal = as_causal(llama)
    prompt = _prompt(32)
    folder = _written(tmp_path / "adapter", prompt, "causal")
    ids = torch.randint(3, 600, (2, 6), generator=torch.Generator().manual_seed(2))
    mask = torch.ones_like(ids)
    with torch.no_grad():
        behind = Prompted(bank=stack([prompt]), of_row=torch.zeros(2, dtype=torch.int64))
        embedded, seen = behind.before(causal.embed(causal.weights, ids), mask)
        ours = causal.scores(causal.weights, embedded, seen, last=6)
        told = causal.generate(causal.weights, embedded, seen, limit=5)
    loaded = PeftModel.from_pretrained(copy.deepcopy(llama), str(folder)).eval()
    with torch.no_grad():
        theirs = loaded(input_ids=ids, attention_mask=mask).logits[:, LENGTH:]
    torch.testing.assert_close(theirs, ours, **TOLERANCE)
    answers = loaded.generate(input_ids=ids, attention_mask=mask, max_new_tokens=5, do_sample=False)
    assert answers[:, 6:].tolist() == told.tolist()


def _tuned(model: PreTrainedModel, task_type: str, submodules: int | None) -> PeftModel:
    """A prompt of PEFT's own making over a copy of the model."""
    torch.manual_seed(3)
    config = PromptTuningConfig(
        task_type=task_type, num_virtual_tokens=LENGTH, num_transformer_submodules=submodules
    )
    tuned: PeftModel = get_peft_model(copy.deepcopy(model), config)
    return tuned.eval()


@pytest.mark.parametrize("submodules", [None, 1, 2])
def test_what_peft_wrote_for_a_t5_is_read(
    model: T5ForConditionalGeneration, backbone: T5Backbone, tmp_path: Path, submodules: int | None
) -> None:
    """Catches a prompt of twice its length, or the rows that PEFT itself never reads."""
    tuned = _tuned(model, "SEQ_2_SEQ_LM", submodules)
    tuned.save_pretrained(str(tmp_path / "adapter"))
    found = read_peft(tmp_path / "adapter")
    rows = tuned.prompt_encoder["default"].embedding.weight.detach()
    assert len(rows) == LENGTH * (submodules or 2)
    np.testing.assert_array_equal(found.vectors, rows[:LENGTH].numpy())
    assert (found.architecture, found.base_model) == ("t5", None)
    assert found.file == f"adapter/{WEIGHTS}"
    assert found.about == {"prompt_tuning_init": "RANDOM", "peft_version": "0.21.2"}
    ours = _prompted_t5(backbone, torch.from_numpy(found.vectors))
    torch.testing.assert_close(_peft_t5(model, tmp_path / "adapter"), ours, **TOLERANCE)


def test_what_peft_wrote_for_a_llama_is_read(llama: PreTrainedModel, tmp_path: Path) -> None:
    """Catches decoder-only prompts that are cut as those of encoder-decoders are."""
    tuned = _tuned(llama, "CAUSAL_LM", None)
    tuned.save_pretrained(str(tmp_path / "adapter"))
    found = read_peft(tmp_path / "adapter")
    rows = tuned.prompt_encoder["default"].embedding.weight.detach()
    np.testing.assert_array_equal(found.vectors, rows.numpy())
    assert (found.vectors.shape, found.architecture) == ((LENGTH, 32), "causal")


def test_where_the_config_leaves_submodules_open_the_default_of_peft_holds(tmp_path: Path) -> None:
    """Catches folders of old releases, which wrote null, refused or read as one half of P."""
    folder = _written(tmp_path / "adapter", _prompt(24), "t5")
    _change(folder, num_transformer_submodules=None)
    save_file({"prompt_embeddings": torch.cat((_prompt(24), torch.zeros(5, 24)))}, folder / WEIGHTS)
    np.testing.assert_array_equal(read_peft(folder).vectors, _prompt(24).numpy())


def test_what_is_written_is_what_peft_writes(
    model: T5ForConditionalGeneration, tmp_path: Path
) -> None:
    """Catches a key that PEFT has and the folder lacks, or a value of another kind."""
    tuned = _tuned(model, "SEQ_2_SEQ_LM", 1)
    tuned.save_pretrained(str(tmp_path / "theirs"))
    rows = tuned.prompt_encoder["default"].embedding.weight.detach()
    base = Base(
        name="somebody/model", released=True, revision="c0ffee", architecture="t5", heads=3,
        layers=2,
    )  # fmt: skip
    (tmp_path / "ours").mkdir()
    write_peft(tmp_path / "ours", rows.numpy(), base=base, card="A prompt.\n")
    theirs = json.loads((tmp_path / "theirs" / CONFIG).read_text())
    ours = json.loads((tmp_path / "ours" / CONFIG).read_text())
    assert ours == theirs | {"base_model_name_or_path": "somebody/model", "revision": "c0ffee"}
    assert (tmp_path / "ours" / WEIGHTS).read_bytes() == (
        tmp_path / "theirs" / WEIGHTS
    ).read_bytes()
    assert (tmp_path / "ours" / "README.md").read_text() == "A prompt.\n"
    assert isinstance(PeftConfig.from_pretrained(str(tmp_path / "ours")), PromptTuningConfig)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_prompts_of_half_precision_are_read_exactly(tmp_path: Path, dtype: torch.dtype) -> None:
    """Catches bytes of one type read as another, as where NumPy has no bfloat16."""
    folder = _written(tmp_path / "adapter", _prompt(24), "t5")
    half = _prompt(24).to(dtype)
    save_file({"prompt_embeddings": half}, folder / WEIGHTS)
    np.testing.assert_array_equal(read_peft(folder).vectors, half.float().numpy())


def test_a_prompt_that_is_not_finite_is_not_written(tmp_path: Path) -> None:
    """Catches a folder that is shared and ruins every answer."""
    with pytest.raises(ValueError, match="is not finite"):
        _written(tmp_path / "adapter", torch.full((2, 3), torch.nan), "t5")
    assert list((tmp_path / "adapter").iterdir()) == []


def _change(folder: Path, **values: Any) -> None:
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | values))

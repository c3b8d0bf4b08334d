"""Folders that are no plain prompt, each with what is said of it."""

import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from runners.prompt.peft_format import CONFIG, WEIGHTS, Base, read_peft, write_peft


def _change(folder: Path, **values: Any) -> None:
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | values))


def _tensors(folder: Path, **tensors: Tensor) -> None:
    save_file(tensors, folder / WEIGHTS)


def _resave(folder: Path, change: Callable[[Tensor], Tensor]) -> None:
    _tensors(folder, prompt_embeddings=change(load_file(folder / WEIGHTS)["prompt_embeddings"]))


def _pickled(folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    torch.save({"prompt_embeddings": torch.ones(5, 24)}, folder / "adapter_model.bin")


def _torn(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-8])


def _poisoned(prompt: Tensor) -> Tensor:
    prompt[2, 3] = torch.inf
    return prompt


PLAIN = "only a plain prompt can be imported"
FOREIGN = "the file is not PEFT's"
METHODS = "only a plain prompt, one vector for each position, can be imported"
BAD: list[tuple[Callable[[Path], object], str]] = [
    (lambda f: (f / CONFIG).unlink(), f"FOLDER: has no {CONFIG}; give a folder that PEFT wrote"),
    (
        lambda f: (f / CONFIG).write_text("{"),
        (
            f"FOLDER/{CONFIG}: is not JSON (Expecting property name enclosed in double quotes: "
            "line 1 column 2 (char 1)); give a folder that PEFT wrote"
        ),
    ),
    (
        lambda f: (f / CONFIG).write_text("[]"),
        f"FOLDER/{CONFIG}: is not a JSON object; give a folder that PEFT wrote",
    ),
    (
        lambda f: _change(f, peft_type="LORA"),
        f"FOLDER/{CONFIG}: peft_type 'LORA' is not PROMPT_TUNING; {METHODS}",
    ),
    (
        lambda f: _change(f, peft_type="PREFIX_TUNING"),
        f"FOLDER/{CONFIG}: peft_type 'PREFIX_TUNING' is not PROMPT_TUNING; {METHODS}",
    ),
    (
        lambda f: _change(f, task_type="SEQ_CLS"),
        (
            f"FOLDER/{CONFIG}: task_type 'SEQ_CLS' is not one of SEQ_2_SEQ_LM, CAUSAL_LM; only "
            "prompts of models that write text can be imported"
        ),
    ),
    (
        lambda f: _change(f, num_virtual_tokens=0),
        f"FOLDER/{CONFIG}: num_virtual_tokens 0 is not a whole number of 1 or more; {FOREIGN}",
    ),
    (
        lambda f: _change(f, num_virtual_tokens="5"),
        f"FOLDER/{CONFIG}: num_virtual_tokens '5' is not a whole number of 1 or more; {FOREIGN}",
    ),
    (
        lambda f: _change(f, token_dim=None),
        f"FOLDER/{CONFIG}: token_dim None is missing; {FOREIGN}",
    ),
    (
        lambda f: _change(f, num_transformer_submodules=3),
        (
            f"FOLDER/{CONFIG}: num_transformer_submodules 3 is not 1 or 2, as SEQ_2_SEQ_LM has it; "
            f"{FOREIGN}"
        ),
    ),
    (
        lambda f: _change(f, num_transformer_submodules=2, task_type="CAUSAL_LM"),
        f"FOLDER/{CONFIG}: num_transformer_submodules 2 is not 1, as CAUSAL_LM has it; {FOREIGN}",
    ),
    (
        lambda f: _change(f, modules_to_save=["lm_head"]),
        (
            f"FOLDER/{CONFIG}: modules_to_save ['lm_head'] changes the model beside the prompt; "
            "only a prompt alone can be imported"
        ),
    ),
    (
        lambda f: (f / WEIGHTS).unlink(),
        f"FOLDER: has no {WEIGHTS}; give a folder that PEFT wrote",
    ),
    (
        _pickled,
        (
            "FOLDER/adapter_model.bin: is a pickle, which can run code when it is read, so it is "
            f"not read; load the prompt with PEFT where you trust it, and save_pretrained writes "
            f"{WEIGHTS}"
        ),
    ),
    (
        _torn,
        (
            f"FOLDER/{WEIGHTS}: is torn or no safetensors file (Error while deserializing: "
            "incomplete metadata, file not fully covered); fetch it again"
        ),
    ),
    (
        lambda f: (f / WEIGHTS).write_bytes(pickle.dumps([1.0])),
        (
            f"FOLDER/{WEIGHTS}: is torn or no safetensors file (Error while deserializing: header "
            "too large); fetch it again"
        ),
    ),
    (
        lambda f: _tensors(f, prompt=torch.ones(5, 24)),
        f"FOLDER/{WEIGHTS}: tensors 'prompt' are not prompt_embeddings alone; {PLAIN}",
    ),
    (
        lambda f: _tensors(f, prompt_embeddings=torch.ones(5, 24), prefix_task_rows=torch.ones(2)),
        (
            f"FOLDER/{WEIGHTS}: tensors 'prefix_task_rows, prompt_embeddings' are not "
            f"prompt_embeddings alone; {PLAIN}"
        ),
    ),
    (
        lambda f: _resave(f, lambda p: p.double()),
        (
            f"FOLDER/{WEIGHTS}: prompt_embeddings has dtype 'F64' is not one of F32, F16, BF16; "
            "save the prompt in float32"
        ),
    ),
    (
        lambda f: _resave(f, lambda p: p[:4].clone()),
        (
            f"FOLDER/{WEIGHTS}: prompt_embeddings has shape (4, 24) and {CONFIG} asks for (5, 24); "
            "the two files are not of one prompt, so fetch both again"
        ),
    ),
    (
        lambda f: _change(f, token_dim=32),
        (
            f"FOLDER/{WEIGHTS}: prompt_embeddings has shape (5, 24) and {CONFIG} asks for (5, 32); "
            "the two files are not of one prompt, so fetch both again"
        ),
    ),
    (
        lambda f: _resave(f, _poisoned),
        (
            f"FOLDER/{WEIGHTS}: row 2, column 3: inf is not finite (1 of 120 numbers are not); "
            "give the prompt of a run that did not diverge"
        ),
    ),
]


@pytest.mark.parametrize(("spoil", "message"), BAD, ids=[message[:70] for _, message in BAD])
def test_what_is_no_plain_prompt_is_refused(
    tmp_path: Path, spoil: Callable[[Path], object], message: str
) -> None:
    """Catches an adapter of another kind, or a torn one, that becomes a prompt of noise."""
    folder = tmp_path / "adapter"
    folder.mkdir()
    base = Base(name="somebody/model", released=True, revision=None, architecture="t5")
    write_peft(folder, torch.ones(5, 24).numpy(), base=base, card="")
    spoil(folder)
    told = message.replace("FOLDER", str(folder))
    with pytest.raises(ValueError, match=f"^{re.escape(told)}$"):
        read_peft(folder)

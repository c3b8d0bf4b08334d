"""PEFT's folder of a prompt: `adapter_config.json` and `adapter_model.safetensors`.

Written so that `PeftModel.from_pretrained` loads it, and read from whatever
PEFT wrote for PROMPT_TUNING; `peft` itself is not needed. PEFT gives
encoder-decoders `num_transformer_submodules` 2 unless it is told otherwise, and
the tensor then has 2 P rows. Its forward pass reads the first P alone, and the
others are never trained, so they are left behind here.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, deserialize

from runners.prompt.vectors import PromptFile, Vectors, check_plain, refusal
from runners.rules import Rule

FORMAT = "peft"
PEFT_VERSION = "0.21.2"
"""The release whose keys and tensors are written."""
CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
TENSOR = "prompt_embeddings"
PEFT_TYPE = "PROMPT_TUNING"
TASK_TYPES: Mapping[str, str] = {"SEQ_2_SEQ_LM": "t5", "CAUSAL_LM": "causal"}
"""The kinds of task that a model here can have, each with the architecture of its family."""
_SUBMODULES = {"SEQ_2_SEQ_LM": (1, 2), "CAUSAL_LM": (1,)}
_PICKLE = "adapter_model.bin"
_COUNT = Rule(type=int, minimum=1)


@dataclass(frozen=True, kw_only=True)
class Base:
    """The frozen model that a prompt belongs to, as PEFT names it.

    `name` is a hub id, or a folder where the model is not `released`; `revision`
    is the commit of a hub id. `heads` and `layers` may be unknown: PEFT reads
    them from the model.
    """

    name: str
    released: bool
    revision: str | None
    architecture: str
    heads: int | None = None
    layers: int | None = None


def write_peft(folder: Path, vectors: Vectors, *, base: Base, card: str) -> None:
    """Write a prompt [P, H] for `base` into a folder that is there, with `card` as README.md.

    Raises ValueError where it is no plain prompt.
    """
    check_plain(folder, vectors)
    config = json.dumps(_config(vectors, base), indent=2, sort_keys=True)
    (folder / CONFIG).write_text(config + "\n", encoding="utf-8")
    safetensors.numpy.save_file(
        {TENSOR: np.ascontiguousarray(vectors, dtype=np.float32)}, folder / WEIGHTS,
        metadata={"format": "pt"},
    )  # fmt: skip
    (folder / "README.md").write_text(card, encoding="utf-8")


def _config(vectors: Vectors, base: Base) -> dict[str, Any]:
    length, width = vectors.shape
    task_type = next(t for t, kind in TASK_TYPES.items() if kind == base.architecture)
    return {
        "auto_mapping": None,
        "base_model_name_or_path": base.name,
        "inference_mode": True,
        "modules_to_save": None,
        "num_attention_heads": base.heads,
        "num_layers": base.layers,
        "num_transformer_submodules": 1,
        "num_virtual_tokens": length,
        "peft_type": PEFT_TYPE,
        "peft_version": PEFT_VERSION,
        # What PEFT would start from; a folder that is loaded has its tensor instead.
        "prompt_tuning_init": "RANDOM",
        "prompt_tuning_init_text": None,
        "revision": base.revision,
        "task_type": task_type,
        "token_dim": width,
        "tokenizer_kwargs": None,
        "tokenizer_name_or_path": None,
    }


def read_peft(folder: Path) -> PromptFile:
    """The prompt in a folder that PEFT wrote; raises ValueError where it is no plain prompt."""
    config = _read_config(folder)
    rows = config["num_virtual_tokens"] * _submodules(folder / CONFIG, config)
    data = _weights(folder)
    every = _tensor(folder / WEIGHTS, data)
    if every.shape != (rows, config["token_dim"]):
        raise refusal(
            folder / WEIGHTS, f"{TENSOR} has shape", every.shape,
            f"and {CONFIG} asks for {(rows, config['token_dim'])}",
            "the two files are not of one prompt, so fetch both again",
        )  # fmt: skip
    vectors = every[: config["num_virtual_tokens"]]
    check_plain(folder / WEIGHTS, vectors)
    base = config.get("base_model_name_or_path")
    return PromptFile(
        vectors=vectors, format=FORMAT, file=f"{folder.resolve().name}/{WEIGHTS}",
        sha256=hashlib.sha256(data).hexdigest(),
        about={key: config.get(key) for key in ("prompt_tuning_init", "peft_version")},
        architecture=TASK_TYPES[config["task_type"]],
        base_model=base if isinstance(base, str) else None,
    )  # fmt: skip


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    if not path.is_file():
        raise ValueError(f"{folder}: has no {CONFIG}; give a folder that PEFT wrote")
    try:
        config = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: is not JSON ({error}); give a folder that PEFT wrote") from error
    if not isinstance(config, dict):
        raise ValueError(f"{path}: is not a JSON object; give a folder that PEFT wrote")
    kind = config.get("peft_type")
    if kind != PEFT_TYPE:
        remedy = "only a plain prompt, one vector for each position, can be imported"
        raise refusal(path, "peft_type", kind, f"is not {PEFT_TYPE}", remedy)
    if config.get("task_type") not in TASK_TYPES:
        rule = f"is not one of {', '.join(TASK_TYPES)}"
        remedy = "only prompts of models that write text can be imported"
        raise refusal(path, "task_type", config.get("task_type"), rule, remedy)
    for key in ("num_virtual_tokens", "token_dim"):
        broken = _COUNT.violation(config.get(key))
        if broken:
            raise refusal(path, key, config.get(key), broken[0], "the file is not PEFT's")
    if config.get("modules_to_save"):
        rule = "changes the model beside the prompt"
        remedy = "only a prompt alone can be imported"
        raise refusal(path, "modules_to_save", config["modules_to_save"], rule, remedy)
    return config


def _submodules(path: Path, config: Mapping[str, Any]) -> int:
    """How many times P rows the tensor has; where the file leaves it open, PEFT's own default."""
    legal, found = _SUBMODULES[config["task_type"]], config.get("num_transformer_submodules")
    submodules = legal[-1] if found is None else found
    if submodules not in legal or isinstance(submodules, bool):
        known = " or ".join(map(str, legal))
        rule = f"is not {known}, as {config['task_type']} has it"
        raise refusal(path, "num_transformer_submodules", found, rule, "the file is not PEFT's")
    return int(submodules)


def _weights(folder: Path) -> bytes:
    path = folder / WEIGHTS
    if path.is_file():
        return path.read_bytes()
    if (folder / _PICKLE).is_file():
        raise ValueError(
            f"{folder / _PICKLE}: is a pickle, which can run code when it is read, so it is not "
            f"read; load the prompt with PEFT where you trust it, and save_pretrained writes "
            f"{WEIGHTS}"
        )
    raise ValueError(f"{folder}: has no {WEIGHTS}; give a folder that PEFT wrote")


def _tensor(path: Path, data: bytes) -> Vectors:
    """The one tensor of a file, exact in float32."""
    try:
        tensors = dict(deserialize(data))
    except SafetensorError as error:
        raise ValueError(
            f"{path}: is torn or no safetensors file ({error}); fetch it again"
        ) from error
    if set(tensors) != {TENSOR}:
        rule, remedy = f"are not {TENSOR} alone", "only a plain prompt can be imported"
        raise refusal(path, "tensors", ", ".join(sorted(tensors)), rule, remedy)
    found = tensors[TENSOR]
    if found["dtype"] not in _AS_FLOAT32:
        rule, remedy = f"is not one of {', '.join(_AS_FLOAT32)}", "save the prompt in float32"
        raise refusal(path, f"{TENSOR} has dtype", found["dtype"], rule, remedy)
    flat: Vectors = _AS_FLOAT32[found["dtype"]](found["data"])
    return flat.reshape(found["shape"])


def _from_bfloat16(data: bytes) -> Vectors:
    # A bfloat16 is the upper half of the float32 of the same value.
    return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)


_AS_FLOAT32 = {
    "F32": lambda data: np.frombuffer(data, "<f4").astype(np.float32),
    "F16": lambda data: np.frombuffer(data, "<f2").astype(np.float32),
    "BF16": _from_bfloat16,
}

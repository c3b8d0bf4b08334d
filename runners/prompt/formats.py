"""Prompts of other programs: which reader a path wants."""

from collections.abc import Mapping
from pathlib import Path

from runners.prompt.npy_format import FORMAT as NPY
from runners.prompt.npy_format import SUFFIX, read_npy
from runners.prompt.peft_format import CONFIG, WEIGHTS, read_peft
from runners.prompt.peft_format import FORMAT as PEFT
from runners.prompt.vectors import PromptFile

FORMATS: Mapping[str, str] = {
    PEFT: f"a folder with {CONFIG} and {WEIGHTS}, which PeftModel.from_pretrained loads",
    NPY: "one NumPy file [P, H] of float32, as T5X reads it",
}
"""The formats that are written and read, in words."""
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")


def read_prompt(path: Path) -> PromptFile:
    """The prompt in a PEFT folder or a T5X `.npy` file.

    Raises ValueError where nothing is there, or anything but a plain prompt.
    Nothing is unpickled, whatever the file.
    """
    if path.is_dir():
        return read_peft(path)
    if not path.exists():
        raise ValueError(f"{path}: is not there; give a PEFT folder or a {SUFFIX} file")
    if path.name in (CONFIG, WEIGHTS):
        raise ValueError(f"{path}: is half of a PEFT folder; give the folder {path.parent}")
    if path.suffix in _PICKLES:
        raise ValueError(
            f"{path}: is a pickle, which can run code when it is read, so it is not read; "
            f"give a PEFT folder with {WEIGHTS}, or a {SUFFIX} file"
        )
    return read_npy(path)

"""T5X's file of a prompt: one NumPy array [P, H] of little-endian float32, in C order.

google-research/prompt-tuning writes such a file at every save and reads it as a
start (`from_array`); its released prompts are of this form. The header is
parsed and the numbers are taken as they lie, so nothing is ever unpickled.
"""

import hashlib
import io
import math
import tokenize
from pathlib import Path
from typing import Any

import numpy as np

from runners.prompt.vectors import PromptFile, Vectors, check_plain, refusal

FORMAT = "npy"
SUFFIX = ".npy"
DTYPE = np.dtype("<f4")
_MAGIC = b"\x93NUMPY"
_ZIP = b"PK"
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
# A version that is not known; and the header is a literal of Python, of which NumPy
# lets through whatever its parser says.
_UNREADABLE = (KeyError, ValueError, SyntaxError, TypeError, tokenize.TokenError)
_REMEDY = "save the prompt with numpy.save(path, prompt.astype('float32'))"


def write_npy(path: Path, vectors: Vectors) -> None:
    """Write a prompt [P, H]; raises ValueError where it is no plain prompt."""
    check_plain(path, vectors)
    with path.open("wb") as file:
        array = np.ascontiguousarray(vectors, dtype=DTYPE)
        np.lib.format.write_array(file, array, version=(1, 0), allow_pickle=False)


def read_npy(path: Path) -> PromptFile:
    """The prompt [P, H] in a file; raises ValueError where it is anything else."""
    data = path.read_bytes()
    vectors = _array(path, data)
    check_plain(path, vectors)
    return PromptFile(
        vectors=vectors, format=FORMAT, file=path.name,
        sha256=hashlib.sha256(data).hexdigest(), about={},
    )  # fmt: skip


def _array(path: Path, data: bytes) -> Vectors:
    if data.startswith(_ZIP):
        rule = "is an archive of arrays (.npz)"
        raise refusal(path, "begins with", data[:2], rule, f"take one out, and {_REMEDY}")
    if not data.startswith(_MAGIC):
        raise refusal(path, "begins with", data[:6], "is no NumPy array", _REMEDY)
    shape, by_columns, dtype, start = _header(path, data)
    if dtype.hasobject:
        rule = "holds Python objects, which only unpickling could read"
        raise refusal(path, "dtype", str(dtype), rule, _REMEDY)
    if dtype != DTYPE:
        raise refusal(path, "dtype", dtype.str, f"is not float32 ({DTYPE.str})", _REMEDY)
    wanted, found = math.prod(shape) * DTYPE.itemsize, len(data) - start
    if wanted != found:
        rule = f"asks for {wanted} bytes of numbers, and the file has {found}"
        raise refusal(path, "shape", shape, rule, "the file is torn, so fetch it again")
    flat = np.frombuffer(data, dtype=DTYPE, offset=start)
    return flat.reshape(shape, order="F" if by_columns else "C").astype(np.float32, order="C")


def _header(path: Path, data: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, whether it lies by columns, dtype, and where the numbers begin."""
    file = io.BytesIO(data)
    try:
        shape, by_columns, dtype = _HEADERS[np.lib.format.read_magic(file)](file)
    except _UNREADABLE as error:
        raise ValueError(f"{path}: its header cannot be read; {_REMEDY}") from error
    return shape, by_columns, dtype, file.tell()

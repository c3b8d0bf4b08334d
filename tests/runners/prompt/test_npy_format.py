"""T5X's `.npy` files of a prompt."""

import hashlib
import io
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

from runners.prompt.npy_format import read_npy, write_npy

PROMPT = np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32)
REMEDY = "save the prompt with numpy.save(path, prompt.astype('float32'))"


def _saved(array: np.ndarray, **options: bool) -> bytes:
    """The bytes that `numpy.save` writes."""
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def _zipped() -> bytes:
    file = io.BytesIO()
    np.savez(file, prompt=PROMPT)
    return file.getvalue()


def test_a_prompt_comes_back_bit_for_bit(tmp_path: Path) -> None:
    """Catches rounding, swapped axes, or a hash of something else than the file."""
    path = tmp_path / "prompt.npy"
    prompt = PROMPT.copy()
    prompt[0, :3] = (-0.0, 1e-45, np.finfo(np.float32).max)
    write_npy(path, prompt)
    found = read_npy(path)
    assert found.vectors.tobytes() == prompt.tobytes()
    assert found.vectors.dtype == np.float32
    assert (found.format, found.file) == ("npy", "prompt.npy")
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_what_is_written_is_what_numpy_writes(tmp_path: Path) -> None:
    """Catches a file that T5X, which reads with `numpy.load`, does not understand."""
    path = tmp_path / "prompt.npy"
    write_npy(path, np.asfortranarray(PROMPT))
    assert path.read_bytes() == _saved(PROMPT)
    np.testing.assert_array_equal(np.load(path, allow_pickle=False), PROMPT)


def test_an_array_that_lies_by_columns_is_read_by_its_meaning(tmp_path: Path) -> None:
    """Catches numbers taken in the order of the bytes, which gives another prompt."""
    path = tmp_path / "prompt.npy"
    np.save(path, np.asfortranarray(PROMPT))
    np.testing.assert_array_equal(read_npy(path).vectors, PROMPT)
    assert read_npy(path).vectors.flags.c_contiguous


BAD = [
    (b"", f"begins with b'' is no NumPy array; {REMEDY}"),
    (pickle.dumps(1, protocol=0), f"begins with b'I1\\n.' is no NumPy array; {REMEDY}"),
    (
        _zipped(),
        f"begins with b'PK' is an archive of arrays (.npz); take one out, and {REMEDY}",
    ),
    (b"\x93NUMPY\x09\x00" + bytes(200), f"its header cannot be read; {REMEDY}"),
    (b"\x93NUMPY\x01\x00\x04\x00abcd", f"its header cannot be read; {REMEDY}"),
    (b"\x93NUMPY\x01\x00\x01\x00{", f"its header cannot be read; {REMEDY}"),
    (b"\x93NUMPY\x01\x00\x07\x00{[]:[]}", f"its header cannot be read; {REMEDY}"),
    (b"\x93NUMPY\x01", f"its header cannot be read; {REMEDY}"),
    (
        _saved(np.array([[None]], dtype=object), allow_pickle=True),
        f"dtype 'object' holds Python objects, which only unpickling could read; {REMEDY}",
    ),
    (_saved(PROMPT.astype(np.float64)), f"dtype '<f8' is not float32 (<f4); {REMEDY}"),
    (_saved(PROMPT.astype(">f4")), f"dtype '>f4' is not float32 (<f4); {REMEDY}"),
    (_saved(PROMPT.astype(np.float16)), f"dtype '<f2' is not float32 (<f4); {REMEDY}"),
    (_saved(PROMPT.astype(np.int32)), f"dtype '<i4' is not float32 (<f4); {REMEDY}"),
    (
        _saved(PROMPT)[:-4],
        (
            "shape (4, 6) asks for 96 bytes of numbers, and the file has 92; the file is torn, so "
            "fetch it again"
        ),
    ),
    (
        _saved(PROMPT) + b"x",
        (
            "shape (4, 6) asks for 96 bytes of numbers, and the file has 97; the file is torn, so "
            "fetch it again"
        ),
    ),
    (
        _saved(PROMPT[0]),
        (
            "shape (6,) is not [positions, model width]; give one vector for each position of the "
            "prompt"
        ),
    ),
    (
        _saved(np.full((2, 3), np.nan, np.float32)),
        (
            "row 0, column 0: nan is not finite (6 of 6 numbers are not); give the prompt of a run "
            "that did not diverge"
        ),
    ),
]


@pytest.mark.parametrize(("data", "message"), BAD, ids=[message[:60] for _, message in BAD])
def test_what_is_no_prompt_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    """Catches a traceback from inside NumPy, or numbers that are no prompt."""
    path = tmp_path / "prompt.npy"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"^{re.escape(f'{path}: {message}')}$"):
        read_npy(path)


def test_a_prompt_that_is_not_finite_is_not_written(tmp_path: Path) -> None:
    """Catches a file that no reader would take back."""
    path = tmp_path / "prompt.npy"
    with pytest.raises(ValueError, match="is not finite"):
        write_npy(path, np.full((2, 3), np.inf, np.float32))
    assert not path.exists()

"""Which reader a path wants, and the prompts that google-research/prompt-tuning released.

The files of the latter are read where a copy stands beside the repository, in
`shared/data/t5`; shape and dtype are those that its README gives.
"""

import re
from pathlib import Path

import numpy as np
import pytest

from runners.prompt.formats import FORMATS, read_prompt
from runners.prompt.npy_format import write_npy
from runners.prompt.peft_format import CONFIG, WEIGHTS, Base, write_peft

RELEASED = Path(__file__).resolve().parents[4] / "shared" / "data" / "t5"
PROMPT = np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One prompt as a PEFT folder and, in the same folder, as `.npy`."""
    base = Base(name="a/model", released=True, revision=None, architecture="t5")
    write_peft(tmp_path, PROMPT, base=base, card="")
    write_npy(tmp_path / "prompt.npy", PROMPT)
    return tmp_path


def test_either_format_is_read(folder: Path) -> None:
    """Catches a format that is written and not read."""
    found = [read_prompt(folder), read_prompt(folder / "prompt.npy")]
    assert [each.format for each in found] == list(FORMATS)
    for each in found:
        np.testing.assert_array_equal(each.vectors, PROMPT)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "is not there; give a PEFT folder or a .npy file"),
        (CONFIG, "is half of a PEFT folder; give the folder FOLDER"),
        (WEIGHTS, "is half of a PEFT folder; give the folder FOLDER"),
        (
            "prompt.pt",
            (
                "is a pickle, which can run code when it is read, so it is not read; give a PEFT "
                f"folder with {WEIGHTS}, or a .npy file"
            ),
        ),
        (
            "notes.txt",
            (
                "begins with b'Dear r' is no NumPy array; save the prompt with numpy.save(path, "
                "prompt.astype('float32'))"
            ),
        ),
    ],
)
def test_other_paths_are_refused(folder: Path, name: str, message: str) -> None:
    """Catches a path that ends in a traceback, or a pickle that is opened to see what it is."""
    (folder / "prompt.pt").write_bytes(b"\x80\x04.")
    (folder / "notes.txt").write_text("Dear reader")
    told = f"{folder / name}: {message.replace('FOLDER', str(folder))}"
    with pytest.raises(ValueError, match=f"^{re.escape(told)}$"):
        read_prompt(folder / name)


@pytest.mark.skipif(not RELEASED.is_dir(), reason=f"no released prompts in {RELEASED}")
@pytest.mark.parametrize("name", ["sst2", "mrpc", "rte"])
def test_a_released_prompt_is_read_and_written_byte_for_byte(tmp_path: Path, name: str) -> None:
    """Catches a reader of our own files alone, and a writer whose files T5X's are not."""
    path = RELEASED / f"{name}.npy"
    found = read_prompt(path)
    assert found.vectors.shape == (100, 768)
    np.testing.assert_array_equal(found.vectors, np.load(path, allow_pickle=False))
    write_npy(tmp_path / "again.npy", found.vectors)
    assert (tmp_path / "again.npy").read_bytes() == path.read_bytes()

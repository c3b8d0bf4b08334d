"""Nothing that somebody shares is executed when it is read."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from runners.prompt.formats import read_prompt
from runners.prompt.peft_format import WEIGHTS, Base, write_peft

PROMPT = np.ones((5, 24), np.float32)


class Bomb:
    """An object that writes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.marker), "w")


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """What a bomb writes."""
    return tmp_path / "exploded"


def _explodes(path: Path, marker: Path) -> bool:
    """Whether the file is a bomb, so that a test of it can fail."""
    pickle.loads(path.read_bytes()).close()
    return marker.exists()


def test_an_array_of_objects_is_not_unpickled(tmp_path: Path, marker: Path) -> None:
    """Catches reading by `allow_pickle`, with which a shared prompt runs code of a stranger."""
    path = tmp_path / "prompt.npy"
    np.save(path, np.array([[Bomb(marker)]], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="holds Python objects"):
        read_prompt(path)
    assert not marker.exists()
    np.load(path, allow_pickle=True)[0, 0].close()
    assert marker.exists()


@pytest.mark.parametrize("name", ["prompt.npy", "prompt.pt", "prompt"])
def test_a_pickle_by_any_name_is_not_unpickled(tmp_path: Path, marker: Path, name: str) -> None:
    """Catches `numpy.load` and `torch.load`, which take a pickle under any name."""
    path = tmp_path / name
    path.write_bytes(pickle.dumps(Bomb(marker)))
    with pytest.raises(ValueError, match=r"is no NumPy array|is a pickle"):
        read_prompt(path)
    assert not marker.exists()
    assert _explodes(path, marker)


def test_nothing_in_a_folder_is_unpickled(tmp_path: Path, marker: Path) -> None:
    """Catches `torch.load` of a stranger's adapter, which can do whatever its author likes."""
    folder = tmp_path / "adapter"
    folder.mkdir()
    base = Base(name="somebody/model", released=True, revision=None, architecture="t5")
    write_peft(folder, PROMPT, base=base, card="")
    pickled = folder / "adapter_model.bin"
    pickled.write_bytes(pickle.dumps(Bomb(marker)))
    np.testing.assert_array_equal(read_prompt(folder).vectors, PROMPT)
    (folder / WEIGHTS).unlink()
    with pytest.raises(ValueError, match="is a pickle"):
        read_prompt(folder)
    pickled.rename(folder / WEIGHTS)
    with pytest.raises(ValueError, match="is torn or no safetensors file"):
        read_prompt(folder)
    assert not marker.exists()
    assert _explodes(folder / WEIGHTS, marker)

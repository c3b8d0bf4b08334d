"""Frozen weights that the processes of one machine hold together.

A checkpoint whose weights are cast, unpacked or fetched on reading is a copy in the
process that reads it, and eight workers hold it eight times. A `Pool` writes such weights
to a file once; everybody maps the file, and its pages are in memory once.

Whoever maps a file has a shared lock on it. The last to let go removes it; what a killed
process leaves is removed by the next one that comes.
"""

import contextlib
import fcntl
import logging
import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from runners.model.backbone import Weights

LEAST_BYTES = 32 * 2**20
"""Smaller models are not worth a file."""
_LOCK = "loading.lock"
_SUFFIX = ".safetensors"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pool:
    """The folder of a machine in which its processes put weights for one another."""

    folder: Path

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """A block that one process of the machine is in at a time.

        Whoever reads a checkpoint in it holds a copy for a moment, and several at once
        would not have room. Raises ValueError for a folder of somebody else's, who could
        put other weights there.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.folder.stat().st_uid != os.getuid():
            raise ValueError(
                f"weights: {self.folder} belongs to user {self.folder.stat().st_uid}, and not to "
                f"you ({os.getuid()}); remove it, or set TMPDIR to a folder of your own"
            )
        with (self.folder / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def common(self, weights: Weights, name: str) -> Weights:
        """The same weights in memory that all processes which ask for `name` have in common.

        Call it inside `alone`, and keep what it gives, without which the file is given up.
        As they are come weights that are small, or mapped from a file already, or for which
        the folder has no room, which is logged.
        """
        size = sum(weight.nbytes for weight in weights.values())
        if size < LEAST_BYTES or are_mapped(weights):
            return weights
        self._clear()
        path = self.folder / f"{name}{_SUFFIX}"
        held = _hold(path)
        if held is None:
            free = shutil.disk_usage(self.folder).free
            if free < size + LEAST_BYTES:
                _log.warning(
                    "weights %s: %s has %.1f GB free and they take %.1f GB, so that this process "
                    "keeps a copy of its own; set TMPDIR to a folder with more room",
                    name, self.folder, free / 1e9, size / 1e9,
                )  # fmt: skip
                return weights
            held = self._write(weights, path)
        mapped: dict[str, Tensor] = load_file(path)
        weakref.finalize(next(iter(mapped.values())), _let_go, path, held)
        return mapped

    def _write(self, weights: Weights, path: Path) -> int:
        """A new file at `path`, whole or not at all, and held."""
        draft = path.with_suffix(".draft")
        save_file({name: weight.contiguous() for name, weight in weights.items()}, draft)
        held = _hold(draft)
        assert held is not None
        draft.replace(path)
        return held

    def _clear(self) -> None:
        """Remove what nobody holds any more."""
        for path in self.folder.iterdir():
            if path.name != _LOCK and (held := _hold(path)) is not None:
                _let_go(path, held)


def machine_pool() -> Pool:
    """The pool of this user on this machine, in the folder for temporary files."""
    return Pool(Path(tempfile.gettempdir()) / f"promptscale-weights-{os.getuid()}")


def are_mapped(weights: Weights) -> bool:
    """Whether all weights lie in memory that is mapped from files, and so is common already.

    False where the system does not tell, which Linux does.
    """
    try:
        lines = Path("/proc/self/maps").read_text().splitlines()
    except FileNotFoundError:
        return False
    spans = []
    for line in lines:
        found = re.match(r"([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ [1-9]\d* +/", line)
        if found:
            spans.append((int(found[1], 16), int(found[2], 16)))
    starts = [weight.untyped_storage().data_ptr() for weight in weights.values()]
    return all(any(low <= start < high for low, high in spans) for start in starts)


def _hold(path: Path) -> int | None:
    """A descriptor with a shared lock on the file at `path`; None where there is no file."""
    try:
        held = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    fcntl.flock(held, fcntl.LOCK_SH)
    if _is_at(path, held):
        return held
    os.close(held)  # somebody let go of it last, and removed it
    return None


def _is_at(path: Path, held: int) -> bool:
    """Whether the file at `path` is the one that is held, and not one that came after it."""
    return path.exists() and os.path.samestat(os.fstat(held), path.stat())


def _let_go(path: Path, held: int) -> None:
    """Give up a file; the last one removes it."""
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(path, held):
            path.unlink()
    except BlockingIOError:
        pass
    finally:
        os.close(held)

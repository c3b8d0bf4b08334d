"""Checkpoints of running trials: replaced as a whole, with a checksum around each."""

import hashlib

from runners.storage import layout
from runners.storage.defects import Defect, DefectError
from runners.storage.files import Files

_MAGIC = b"PSSTATE1"
_HEAD = len(_MAGIC) + hashlib.sha256().digest_size
_TORN = "is torn or foreign: its checksum does not fit"
_REMEDY = "drop it (python -m sweeps restart), and the trial starts anew"


def save(files: Files, trial_id: str, name: str, state: bytes) -> None:
    """Keep a checkpoint; a kill leaves the last one or this one."""
    files.replace(layout.state_path(trial_id, name), _head(state) + state)


def load(files: Files, trial_id: str, name: str) -> bytes | None:
    """The checkpoint last saved, or None; raises DefectError on a torn one."""
    path = layout.state_path(trial_id, name)
    data = files.read(path)
    if data is None:
        return None
    if not is_whole(data):
        raise DefectError(files.root, [torn(path)])
    return data[_HEAD:]


def is_whole(data: bytes) -> bool:
    """Whether every byte of a saved checkpoint is there and right."""
    return data[:_HEAD] == _head(data[_HEAD:])


def torn(path: str) -> Defect:
    """The defect of a checkpoint that is not whole."""
    return Defect(path=path, problem=_TORN, remedy=_REMEDY)


def _head(state: bytes) -> bytes:
    """Magic word and SHA-256."""
    return _MAGIC + hashlib.sha256(state).digest()

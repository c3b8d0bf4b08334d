"""Reads what wandb wrote offline: `offline-run-<time>-<id>/run-<id>.wandb`.

Such a file begins with 7 bytes (`:W&B`, 0xBEE1, a version) and then is a LevelDB
log: blocks of 32 KiB of pieces, each with a checksum, a length and a type before
it (https://github.com/google/leveldb/blob/main/doc/log_format.md). One or several
pieces make a `Record` of wandb's protocol. The checksum is the plain CRC-32 of
type and payload, and not LevelDB's.
"""

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HEADER = b":W&B" + struct.pack("<H", 0xBEE1)
_BLOCK, _HEAD = 32 * 1024, 7
_FULL, _LAST = 1, 4


@dataclass(kw_only=True)
class OfflineRun:
    """What a file says; `exit_code` is None for a run that was not closed."""

    id: str = ""
    name: str = ""
    group: str = ""
    job_type: str = ""
    project: str = ""
    tags: tuple[str, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    exit_code: int | None = None


def folders(root: Path, run_id: str) -> list[Path]:
    """Where runs of this id lie under wandb's folder in `root`, the oldest first."""
    return sorted((root / "wandb").glob(f"offline-run-*-{run_id}"))


def read(folder: Path) -> OfflineRun:
    """The run in a folder, as far as it was written; an empty one where no file is.

    A file that ends in the middle of a record counts up to there. Raises
    ValueError on a file that is none of wandb's or is damaged.
    """
    run = OfflineRun()
    for path in folder.glob("run-*.wandb"):
        for payload in _records(path):
            _take(run, payload)
    return run


def _take(run: OfflineRun, payload: bytes) -> None:
    # Made while it is imported, so that no checker sees it.
    from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined]

    record = Record()
    record.ParseFromString(payload)
    kind = record.WhichOneof("record_type")
    if kind == "run":
        told = record.run
        run.id, run.name, run.project = told.run_id, told.display_name, told.project
        run.group, run.job_type, run.tags = told.run_group, told.job_type, tuple(told.tags)
        run.config |= _items(told.config.update)
    elif kind == "config":
        run.config |= _items(record.config.update)
    elif kind == "history":
        run.history.append({**_items(record.history.item), "_step": record.history.step.num})
    elif kind == "summary":
        run.summary |= _items(record.summary.update)
    elif kind == "exit":
        run.exit_code = record.exit.exit_code


def _items(items: Any) -> dict[str, Any]:
    return {".".join(i.nested_key) or i.key: json.loads(i.value_json) for i in items}


def _records(path: Path) -> Iterator[bytes]:
    """The payloads of a file's records."""
    data = path.read_bytes()
    if not HEADER.startswith(data[: len(HEADER)]):
        raise ValueError(f"{path}: is no file of wandb; remove its folder and track again")
    place, pending = _HEAD, b""
    while place + _HEAD <= len(data):
        room = _BLOCK - place % _BLOCK
        if room < _HEAD:
            place += room
            continue
        checksum, length, kind = struct.unpack_from("<IHB", data, place)
        piece = data[place + _HEAD : place + _HEAD + length]
        if len(piece) < length or not kind:
            return
        if zlib.crc32(piece, zlib.crc32(bytes([kind]))) != checksum:
            raise ValueError(f"{path}: is damaged; remove its folder and track again")
        place += _HEAD + length
        pending += piece
        if kind in (_FULL, _LAST):
            yield pending
            pending = b""

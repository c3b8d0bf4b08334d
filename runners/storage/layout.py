"""Which path of a store holds what, which names are legal, and the marker of a store.

layout.json                                     marker and version
trials/<2 hex>/<id>/record.json                 the commit
trials/<2 hex>/<id>/<attempt>/...               files of an attempt
failures/<2 hex>/<id>/<time>-<attempt>.json     failed attempts
discarded/<2 hex>/<id>/<attempt>.json           records that do not count
running/<id>/<name>                             checkpoints of running trials
manifests/<name>.json                           what a sweep consists of
leases/<generation>.json                        the driver that may work on the store
lengths/<16 hex>.json                           the longest rows of data, measured once
index/<writer>.jsonl                            a cache of all records
"""

import json
import re
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime

from runners.storage.files import Files

LAYOUT = "promptscale-store"
VERSION = 1
RECORD = "record.json"
_MARKER = "layout.json"
_FOLDERS = {
    "trials", "failures", "discarded", "running", "manifests", "leases", "lengths", "index"
}  # fmt: skip
_ID = re.compile(r"[0-9a-f]{16}")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")


def is_id(text: str) -> bool:
    """Whether a trial may be called so."""
    return _ID.fullmatch(text) is not None


def shard(trial_id: str) -> str:
    """The folder under `trials`, `failures` and `discarded` that a trial falls into."""
    if not is_id(trial_id):
        raise ValueError(f"trial {trial_id!r}: is not 16 hex digits; give a `trial_id` of a config")
    return trial_id[:2]


def shards(trial_ids: Iterable[str]) -> list[str]:
    """The shards of these trials, sorted."""
    return sorted({shard(trial_id) for trial_id in trial_ids})


def record_path(trial_id: str) -> str:
    """Where the commit of a trial stands."""
    return f"trials/{shard(trial_id)}/{trial_id}/{RECORD}"


def attempt_path(trial_id: str, attempt: str) -> str:
    """The folder of an attempt's files."""
    return f"trials/{shard(trial_id)}/{trial_id}/{_legal('attempt', attempt)}"


def failure_path(trial_id: str, attempt: str) -> str:
    """A new path; those of one trial sort by time."""
    return f"failures/{shard(trial_id)}/{trial_id}/{_stamp()}-{_legal('attempt', attempt)}.json"


def discard_path(trial_id: str, attempt: str) -> str:
    """Where a record that does not count is kept."""
    return f"discarded/{shard(trial_id)}/{trial_id}/{_legal('attempt', attempt)}.json"


def states_path(trial_id: str) -> str:
    """The folder of a running trial's checkpoints."""
    shard(trial_id)
    return f"running/{trial_id}"


def state_path(trial_id: str, name: str) -> str:
    """Where a checkpoint stands."""
    return f"{states_path(trial_id)}/{_legal('state', name)}"


def manifest_path(name: str) -> str:
    """Where a sweep's manifest stands."""
    return f"manifests/{_legal('manifest', name)}.json"


def lease_path(generation: int) -> str:
    """Where a generation of the lease stands."""
    return f"leases/{generation:08}.json"


def lengths_path(key: str) -> str:
    """Where the numbers that were measured under a key stand."""
    return f"lengths/{_legal('key', key)}.json"


def new_name() -> str:
    """A name nobody else has; names of one machine sort by time."""
    return f"{_stamp()}-{uuid.uuid4().hex[:8]}"


def check(files: Files) -> bool:
    """Whether the place is a store already.

    Raises ValueError where it holds something else, or a layout this code
    does not know.
    """
    data = files.read(_MARKER)
    if data is None:
        strays = sorted(_FOLDERS.intersection(files.folders("")))
        if strays:
            what = f"holds {', '.join(strays)} but no {_MARKER}, so something else made it"
            raise ValueError(f"store {files.root}: {what}; name an empty or a new folder")
        return False
    if not _is_ours(data):
        rule = f"its {_MARKER} is not of a {LAYOUT}"
        raise ValueError(f"store {files.root}: {rule}; name an empty or a new folder")
    version = json.loads(data)["version"]
    if version != VERSION:
        rule = f"has layout version {version!r}, and this code knows {VERSION}"
        remedy = "use the release that wrote it, or another folder"
        raise ValueError(f"store {files.root}: {rule}; {remedy}")
    return True


def claim(files: Files) -> None:
    """Make the place a store, or see that it is one and that `create` holds there.

    Raises ValueError as `check` does, and where the place cannot commit
    atomically.
    """
    marker = json.dumps({"layout": LAYOUT, "version": VERSION}).encode() + b"\n"
    if not check(files):
        files.create(_MARKER, marker)
        check(files)
    if files.create(_MARKER, marker):
        rule = "its backend writes over a file that it was told to create"
        remedy = "use a local folder or another backend"
        raise ValueError(f"store {files.root}: {rule}, so a commit could be lost; {remedy}")


def _is_ours(data: bytes) -> bool:
    try:
        marker = json.loads(data)
    except ValueError:
        return False
    return isinstance(marker, dict) and marker.get("layout") == LAYOUT and "version" in marker


def _legal(what: str, name: str) -> str:
    if not _NAME.fullmatch(name):
        rule = "is not a letter, digit or _ followed by letters, digits and _ . + -"
        raise ValueError(f"{what} {name!r}: {rule}; choose another name")
    return name


def _stamp() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")

"""The store and the manifest behind what somebody names on the command line."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from analysis.manifest import Manifest, read_manifest
from runners.store import Store

_RUN = "run it first: python -m sweeps run SPEC"


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """An open store, what the sweep in it consists of, and what its reader should know."""

    store: Store
    manifest: Manifest
    notes: tuple[str, ...] = ()


def open_sweep(where: str, name: str | None = None) -> Sweep:
    """The sweep at `where`: a store, a manifest in a store (`.json`) or a spec (`.yaml`).

    `name` chooses among several sweeps of a store. Raises ValueError where
    there is no such store, manifest or spec, or where the choice is open.
    """
    if where.endswith((".yaml", ".yml")):
        return _of_spec(Path(where), name)
    if where.endswith(".json"):
        root, folder, file = ("", *where.rsplit("/", 2))[-3:]
        if folder != "manifests":
            raise ValueError(
                f"{where}: is no manifest of a store; those are manifests/<name>.json in its folder"
            )
        return _in_store(root or ".", name or file.removesuffix(".json"))
    return _in_store(where, name)


def _in_store(root: str, name: str | None) -> Sweep:
    if "://" not in root and not Path(root).is_dir():
        raise ValueError(f"{root}: there is no such store; name another one, or {_RUN}")
    store = Store(root)
    return Sweep(store=store, manifest=read_manifest(store.manifest(name or _only_one(store))))


def _only_one(store: Store) -> str:
    """The name of the one sweep in a store."""
    names = list(store.manifests())
    if not names:
        raise ValueError(f"{store.root}: the store holds no sweep; {_RUN}")
    if len(names) > 1:
        raise ValueError(
            f"{store.root}: the store holds several sweeps; choose one with --spec: "
            f"{', '.join(names)}"
        )
    return names[0]


def _of_spec(path: Path, name: str | None) -> Sweep:
    if not path.is_file():
        raise ValueError(f"{path}: there is no such spec; give the path of a YAML file or a store")
    # As bytes, for the text of a file may have other line ends than the file.
    text = path.read_bytes().decode()
    spec = _plain(path, text)
    sweep = _in_store(spec["execution"]["store"], name or spec["name"])
    if sweep.manifest.spec_sha256 == hashlib.sha256(text.encode()).hexdigest():
        return sweep
    note = f"{path} changed since the sweep was planned; what is drawn is what was planned then"
    return Sweep(store=sweep.store, manifest=sweep.manifest, notes=(note,))


def _plain(path: Path, text: str) -> dict[str, Any]:
    """The spec's values, with its name and its store; all else is the business of `sweeps`."""
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: is not YAML ({error}); see python -m sweeps plan") from error
    match values:
        case {"name": str(), "execution": {"store": str()}}:
            return dict(values)
    raise ValueError(f"{path}: lacks name or execution.store; see python -m sweeps plan {path}")

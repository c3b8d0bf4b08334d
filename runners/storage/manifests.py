"""What a sweep consists of, as its driver said it: one JSON object for each sweep."""

import json
from collections.abc import Mapping
from typing import Any

from runners.rules import nearest
from runners.storage import layout
from runners.storage.defects import Defect, DefectError
from runners.storage.files import Files


def write(files: Files, name: str, manifest: Mapping[str, Any]) -> None:
    """Replace the manifest of that name; raises ValueError on NaN or infinity."""
    text = json.dumps(manifest, allow_nan=False)
    files.replace(layout.manifest_path(name), text.encode() + b"\n")


def read(files: Files, name: str) -> dict[str, Any]:
    """A manifest; raises ValueError where there is none, DefectError on an unreadable one."""
    path = layout.manifest_path(name)
    data = files.read(path)
    if data is None:
        known = names(files)
        near = nearest(name, known)
        remedy = f"did you mean {near!r}?" if near else f"it has: {', '.join(known) or 'none'}"
        raise ValueError(f"manifest {name!r}: is not in store {files.root}; {remedy}")
    found = _parse(path, data)
    if isinstance(found, Defect):
        raise DefectError(files.root, [found])
    return found


def names(files: Files) -> list[str]:
    """Names of all manifests, sorted."""
    return sorted(name.removesuffix(".json") for name in files.sizes("manifests"))


def defects(files: Files) -> list[Defect]:
    """Manifests that are unreadable."""
    paths = list(files.walk("manifests"))
    found = [_parse(path, files.read(path) or b"") for path in paths]
    return [defect for defect in found if isinstance(defect, Defect)]


def _parse(path: str, data: bytes) -> dict[str, Any] | Defect:
    remedy = "plan the sweep again, which writes it anew"
    try:
        found = json.loads(data)
    except ValueError as error:
        return Defect(path=path, problem=f"is not readable ({error})", remedy=remedy)
    if not isinstance(found, dict):
        return Defect(path=path, problem="is not a JSON object", remedy=remedy)
    return found

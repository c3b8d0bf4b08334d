"""The pins: what is declared, what is pinned and what is installed agree."""

import configparser
import re
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {_canonical(name): version for name, version in pairs}


def _requirements() -> list[str]:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = [setup["options"]["install_requires"], *setup["options.extras_require"].values()]
    return [line for part in lines for line in part.splitlines() if line]


def _name(requirement: str) -> str:
    match = re.match(r"[\w.-]+", requirement)
    assert match is not None
    return _canonical(match.group())


def test_every_requirement_is_pinned_with_all_that_it_needs() -> None:
    """An installation that brings another version tomorrow than today."""
    installed = {_canonical(d.metadata["Name"]) for d in metadata.distributions()}
    waiting, seen = [_name(line) for line in _requirements()], set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        # Of an extra that is not installed only the names are known.
        needed = (metadata.requires(name) if name in installed else None) or []
        waiting += [_name(line) for line in needed if ";" not in line]

    assert seen - set(_pins()) == set()


def test_what_is_installed_is_what_is_pinned() -> None:
    """Results that come from other versions than the ones that the project names."""
    installed = {_canonical(d.metadata["Name"]): d.version for d in metadata.distributions()}
    # A build tag such as +cpu says how a version was compiled, not which one it is.
    drifted = {
        name: (installed[name], version)
        for name, version in _pins().items()
        if name in installed and installed[name].partition("+")[0] != version
    }

    assert drifted == {}


def test_torch_is_held_at_one_version() -> None:
    """A plain `torch`, which resolves to the newest build and gigabytes of drivers."""
    assert _pins()["torch"] == "2.13.0"
    assert "torch==2.13.*" in _requirements()

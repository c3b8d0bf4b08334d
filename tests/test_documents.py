"""The documents agree with the tree: links, the README's tree, and the list of dependencies."""

import configparser
import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ablation import settings
from ablation.axes import AXES
from ablation.claim_names import CLAIMS
from analysis.comparing import FAILED
from sweeps.execution import Execution
from sweeps.spec import KEYS

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
GALLERY = ("draw.py", "tables/printed.py")
"""Where figures and printed tables have their names."""
PACKAGES = ("runners", "ablation", "sweeps", "analysis")


def _tree() -> Iterator[str]:
    """Paths of the README's tree; two spaces stand for the folder above."""
    readme = (ROOT / "README.md").read_text()
    block = readme.partition("## The tree")[2].split("```")[1]
    folder = ""
    for line in block.strip().splitlines():
        name = line.split()[0]
        if not line.startswith(" "):
            folder = name if name.endswith("/") else ""
        yield (folder + name if line.startswith(" ") else name).rstrip("/")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    """A link to a file that was renamed."""
    targets = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", document.read_text())

    assert [t for t in targets if not (document.parent / t).exists()] == []


def test_the_fidelity_page_names_files_that_exist() -> None:
    """A claim of agreement whose test has been renamed or was never there."""
    page = (ROOT / "docs" / "fidelity.md").read_text()
    named = set(re.findall(r"`((?:tests|runners|sweeps)/[\w./]+)`", page))

    assert len(named) > 20
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_the_first_command_of_the_readme_is_near_its_top() -> None:
    """A reader who scrolls before there is something to run."""
    lines = (ROOT / "README.md").read_text().splitlines()

    assert 0 < next(n for n, line in enumerate(lines, 1) if line.startswith("make ")) < 40


def test_the_tree_of_the_readme_exists() -> None:
    """A line about a file that is gone."""
    assert [path for path in _tree() if not (ROOT / path).exists()] == []


def test_the_tree_of_the_readme_is_complete() -> None:
    """A module that the map of the project does not show."""
    children = {
        f"{package}/{child.name}"
        for package in PACKAGES
        for child in (ROOT / package).iterdir()
        if child.suffix == ".py" or (child / "__init__.py").exists()
    }
    shown = set(_tree()) | {f"{p}/{door}.py" for p in PACKAGES for door in ("__init__", "__main__")}

    assert children - shown == set()


def test_every_key_of_a_spec_is_explained() -> None:
    """A setting that one finds by reading the code, or a page of settings that are gone."""
    page = (ROOT / "docs" / "specs.md").read_text()
    rows = re.findall(r"^\| (`[^|]+) \|", page, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    axes = {axis.name for axis in AXES}
    execution = {field.name for field in dataclasses.fields(Execution)}
    wanted = {*KEYS, *axes, *settings._OF_METHOD, *settings._DATA, *execution}

    assert named == wanted


def test_every_dependency_has_a_reason() -> None:
    """A package that is installed and nobody knows what for."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    parts = [setup["options"]["install_requires"], *setup["options.extras_require"].values()]
    lines = [line for part in parts for line in part.splitlines() if line]
    named = [re.split(r"[<>=~!]", line)[0] for line in lines]
    section = (ROOT / "CONTRIBUTING.md").read_text().partition("## Dependencies")[2]
    reasons = re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)

    assert set(named) == set(reasons)


def test_the_gallery_has_every_figure_and_table() -> None:
    """A figure that nobody finds, since the page of all figures does not name it."""
    gallery = (ROOT / "docs" / "gallery.md").read_text()
    sources = "".join((ROOT / "analysis" / name).read_text() for name in GALLERY)
    made = set(re.findall(r'"((?:figure|table)_\w+)"', sources))

    assert len(made) > 8
    assert sorted(name for name in made if f"`{name}`" not in gallery) == []


def test_what_documents_say_of_must_hold_is_so() -> None:
    """An exit code that a pipeline waits for in vain, or an example that no spec takes."""
    page = (ROOT / "docs" / "specs.md").read_text()
    codes = re.findall(r"(?:exits?|exit with)\s+(?:with\s+)?(\d)", page.partition("`must_hold`")[2])

    assert codes[:2] == [str(FAILED)] * 2
    for document in DOCUMENTS:
        for names in re.findall(r"^must_hold: \[(.*)\]$", document.read_text(), re.MULTILINE):
            assert set(names.split(", ")) <= set(CLAIMS)

"""One machine's code against another's."""

from pathlib import Path

import pytest

from sweeps import checkout

SPEC = "specs/small.yaml"
FAMILY = "runners/model/families/mine.yaml"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout of two sources and a spec, and files that are none of its code."""
    files = ("runners/a.py", FAMILY, "sweeps/deep/b.py", SPEC, "tests/c.py", "runners/model.bin")
    for path in files:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    return tmp_path


def test_the_listing_has_what_a_sweep_runs(root: Path) -> None:
    """Would catch a model family that is not compared, and tests that stop a sweep."""
    found = list(checkout.listing(root, SPEC))
    assert found == ["runners/a.py", FAMILY, "sweeps/deep/b.py", SPEC]


def test_equal_code_is_no_difference(root: Path) -> None:
    """Would catch a cluster that can never be submitted to."""
    assert not checkout.compare(root, checkout.listing(root, SPEC))


def test_a_difference_names_what_differs(root: Path) -> None:
    """Would catch a refusal that leaves its reader to look for the file."""
    submitted = checkout.listing(root, SPEC)
    (root / "runners/a.py").write_text("other")
    (root / SPEC).unlink()
    found = checkout.compare(root, submitted)
    assert found
    assert str(found) == f"other: runners/a.py; missing: {SPEC}"


def test_many_differences_are_counted(root: Path) -> None:
    """Would catch a screen full of paths where a checkout was never synced."""
    submitted = {f"runners/{number}.py": "" for number in range(8)}
    found = str(checkout.compare(root, submitted))
    assert found.endswith("runners/3.py, runners/4.py and 3 more")


def test_strays_are_removed_and_nothing_else(root: Path) -> None:
    """Would catch a module of last week that is imported, or a lost file that is no source."""
    submitted = checkout.listing(root, SPEC)
    (root / "sweeps/old.py").touch()
    assert checkout.remove_strays(root, submitted) == ["sweeps/old.py"]
    assert not (root / "sweeps/old.py").exists()
    assert (root / "runners/model.bin").exists()
    assert not checkout.compare(root, submitted)

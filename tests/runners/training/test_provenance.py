"""Where a number comes from."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from runners.training import provenance as module
from runners.training.provenance import code_fingerprint, surroundings


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of two files in place of runners, of which nothing is remembered."""
    (tmp_path / "inner").mkdir()
    (tmp_path / "a.py").write_text("X = 1\n")
    (tmp_path / "inner" / "b.py").write_text("Y = 2\n")
    monkeypatch.setattr(module, "PACKAGE", tmp_path)
    code_fingerprint.cache_clear()
    yield tmp_path
    code_fingerprint.cache_clear()


def _again() -> str:
    code_fingerprint.cache_clear()
    return code_fingerprint()


def test_the_code_is_told_by_names_and_contents_of_its_sources(package: Path) -> None:
    """Catches an edit that a record does not show, so that drift is never found."""
    seen = [_again()]
    (package / "inner" / "b.py").write_text("Y = 3\n")
    seen.append(_again())
    (package / "inner" / "b.py").rename(package / "inner" / "c.py")
    seen.append(_again())
    (package / "d.py").write_text("")
    seen.append(_again())
    (package / "a.py").unlink()
    seen.append(_again())
    assert len(set(seen)) == 5


def test_what_is_no_source_is_not_code(package: Path) -> None:
    """Catches a fingerprint that changes when the code is run, or when it is moved."""
    before = _again()
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "a.cpython-311.pyc").write_bytes(b"0")
    (package / "notes.txt").write_text("text")
    assert _again() == before


def test_what_uses_results_and_makes_none_is_not_their_code(package: Path) -> None:
    """Catches every trial of a store called out of date after an edit of the serving."""
    before = _again()
    (package / "serving").mkdir()
    (package / "serving" / "app.py").write_text("X = 1\n")
    (package / "ensemble.py").write_text("X = 1\n")
    assert _again() == before
    (package / "inner" / "serving.py").write_text("X = 1\n")
    assert _again() != before


def test_the_code_does_not_depend_on_where_it_lies(
    package: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches two machines that seem to run different code."""
    before = _again()
    elsewhere = package.rename(tmp_path_factory.mktemp("elsewhere") / "package")
    monkeypatch.setattr(module, "PACKAGE", elsewhere)
    assert _again() == before


def test_the_surroundings_go_into_a_record() -> None:
    """Catches a version that is missing, or an object that is no JSON."""
    kept = json.loads(json.dumps(surroundings()))
    assert set(kept["versions"]) == {"python", "torch", "transformers"}
    assert len(kept["code"]) == 16
    assert kept["host"]

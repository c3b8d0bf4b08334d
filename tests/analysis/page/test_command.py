"""`python -m analysis report`: where the page goes, and what is said of bad words."""

from pathlib import Path
from typing import Any

import pytest

from analysis.cli import main

pytestmark = pytest.mark.usefixtures("plain_pages")


def test_a_page_is_written_and_named(
    small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A page that lies nobody knows where."""
    monkeypatch.chdir(tmp_path)
    small.run(small.configs[:1])
    assert main(["report", small.store.root]) == 0
    told = capsys.readouterr().out
    assert "results/reports/toy.html: 1 done, 7 missing of 8 trials" in told
    assert Path("results/reports/toy.html").read_text().startswith("<!doctype html>")
    assert main(["report", small.store.root, "--out", "here.html"]) == 0
    assert Path("here.html").read_bytes() == Path("results/reports/toy.html").read_bytes()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--watch", "0"], "--watch 0: is not a whole number of 1 or more"),
        (["--out", "."], "--out .: is a folder; give the name of a file"),
        (["--spec", "other"], "other"),
    ],
)
def test_bad_words_are_told(
    small: Any, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    """A traceback, or a page over something else."""
    assert main(["report", small.store.root, *words]) == 1
    assert told in capsys.readouterr().err


def test_a_watched_page_of_a_whole_sweep_ends(
    whole: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A watch that never comes back."""
    out = str(tmp_path / "page.html")
    assert main(["report", whole.store.root, "--out", out, "--watch"]) == 0
    assert capsys.readouterr().out.count("84 done of 84 trials") == 1

"""The command `tables`: what it prints, and what it leaves in a folder."""

from pathlib import Path
from typing import Any

import pytest

from analysis.cli import main


def test_tables_are_printed_as_they_are_in_the_files(
    whole: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a terminal that shows other numbers than the files, or a title that is lost."""
    assert main(["tables", whole.store.root]) == 0
    shown = capsys.readouterr().out
    assert main(["tables", whole.store.root, "--out", str(tmp_path)]) == 0
    told = capsys.readouterr().out

    assert shown.startswith("**Table 4: parameters of a prompt**\n\n| Size | Prompt length |")
    assert shown == (tmp_path / "tables.md").read_text()
    assert (
        told == f"tables in {tmp_path}: {', '.join(sorted(p.name for p in tmp_path.iterdir()))}\n"
    )
    assert not {path.suffix for path in tmp_path.iterdir()} - {".csv", ".md", ".tex", ".txt"}


def test_tables_are_printed_in_latex_on_request(
    whole: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a Markdown table in a paper."""
    assert main(["tables", whole.store.root, "--latex"]) == 0

    shown = capsys.readouterr().out
    assert shown.count(r"\begin{table}") == shown.count(r"\end{table}") >= 3
    assert "| Size |" not in shown


def test_the_files_are_those_of_figures(whole: Any, tmp_path: Path) -> None:
    """Catches a table that one command writes and the other does not, or writes otherwise."""
    drawn, written = tmp_path / "drawn", tmp_path / "written"
    assert main(["figures", whole.store.root, "--out", str(drawn)]) == 0
    assert main(["tables", whole.store.root, "--out", str(written)]) == 0

    for path in written.iterdir():
        assert path.read_bytes() == (drawn / path.name).read_bytes()
    tables = {p.name for p in drawn.iterdir() if not p.name.startswith("figure_")}
    assert tables == {path.name for path in written.iterdir()}


def test_what_is_missing_is_told_beside_the_tables(
    small: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a note in the middle of a table, where nobody can paste it from."""
    small.run(small.configs[:-1])
    assert main(["tables", small.store.root]) == 0

    said = capsys.readouterr()
    assert "note: " not in said.out
    assert "note: Table 3 has no row for record at 60k: 1 of 2 prompts are done" in said.err

"""The command from store to files: what it draws, prints, returns, and what is in the files."""

import csv
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from analysis.cli import main

ROOT = Path(__file__).resolve().parents[2]
FIGURES = [
    "figure_1_scale",
    "figure_3",
    "figure_3a_prompt_length",
    "figure_3b_prompt_init",
    "figure_3c_pretraining_objective",
    "figure_3d_lm_adaptation_steps",
    "figure_4_parameters",
    "figure_curves",
    "figure_robustness",
    "figure_runtime",
]
PRINTED = ["claims", "table_4_parameters", "table_5_runtimes", "tasks"]
TABLES = ["cells", "gaps", "missing", "spreads", "trials", *PRINTED]


@pytest.fixture(scope="module")
def drawn(whole: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the whole sweep."""
    folder = tmp_path_factory.mktemp("drawn")
    assert main(["figures", whole.store.root, "--out", str(folder)]) == 0
    return folder


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def _provenances(folder: Path, stem: str) -> Iterator[dict[str, Any]]:
    """What each file of a figure says about itself."""
    with Image.open(folder / f"{stem}.png") as image:
        yield json.loads(image.info["Description"])
    description = "{http://purl.org/dc/elements/1.1/}description"
    yield json.loads(next(ET.parse(folder / f"{stem}.svg").iter(description)).text or "")
    pdf = (folder / f"{stem}.pdf").read_bytes().decode("latin-1")
    keywords = re.search(r"/Keywords \((.*?[^\\])\)", pdf, re.DOTALL)
    assert keywords is not None
    yield json.loads(re.sub(r"\\([()\\])", r"\1", keywords[1]))
    yield json.loads((folder / f"{stem}.json").read_text())


def test_every_figure_and_table_is_drawn(drawn: Path) -> None:
    """A figure in two formats of three, or without its table."""
    wanted = {f"{stem}.{kind}" for stem in FIGURES for kind in ("png", "svg", "pdf", "csv", "json")}

    wanted |= {f"{name}.{kind}" for name in PRINTED for kind in ("md", "tex")}
    wanted |= {"tables.md", "notes.txt"}
    assert {path.name for path in drawn.iterdir()} == wanted | {f"{name}.csv" for name in TABLES}


def test_what_an_earlier_drawing_left_is_told(
    small: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A figure of trials that were withdrawn since, beside today's and taken for one of them."""
    small.run()
    assert main(["figures", small.store.root, "--out", str(tmp_path)]) == 0
    assert "earlier drawing" not in capsys.readouterr().out
    for name in ("figure_3a_prompt_length.png", "figure_3a_prompt_length.csv", "mine.png"):
        (tmp_path / name).touch()
    assert main(["figures", small.store.root, "--out", str(tmp_path)]) == 0
    told = f"note: figure_3a_prompt_length: in {tmp_path} from an earlier drawing"
    assert told in capsys.readouterr().out


def test_table_behind_a_figure_has_what_is_drawn(drawn: Path) -> None:
    """A table of other numbers than the figure's."""
    rows = _rows(drawn / "figure_3a_prompt_length.csv")

    keys = ["prompt_length", "model_parameters", "mean", "n", "seed_0", "seed_1", "chance"]
    assert [[row[key] for key in keys] for row in rows] == [
        ["1", "62000", "25.5", "2", "25", "26", "40"],
        ["1", "207000", "50.5", "2", "50", "51", "40"],
        ["1", "2060000", "75.5", "2", "75", "76", "40"],
        ["20", "62000", "35.5", "2", "35", "36", "40"],
        ["20", "207000", "55.5", "2", "55", "56", "40"],
        ["20", "2060000", "75.5", "2", "75", "76", "40"],
    ]


def test_page_shows_the_tables_of_its_panels(drawn: Path) -> None:
    """A page that lost a panel's rows."""
    panels = [_rows(drawn / f"{stem}.csv") for stem in FIGURES[2:6]]

    assert len(_rows(drawn / "figure_3.csv")) == sum(map(len, panels))


@pytest.mark.parametrize("stem", FIGURES)
def test_every_file_carries_its_provenance(drawn: Path, whole: Any, stem: str) -> None:
    """A figure on a slide that nobody can trace."""
    inside = list(_provenances(drawn, stem))

    assert inside == [inside[0]] * 4
    found = inside[0]
    assert (found["figure"], found["spec_name"], found["spec_sha256"]) == (stem, "toy", "5" * 64)
    counted = stem == "figure_4_parameters"
    assert found["code"] == ([] if counted else ["c0de"])
    assert found["seeds"] == ([0, 0] if counted else [2, 2])
    assert (found["trials_done"], found["trials_planned"]) == (len(found["trial_ids"]),) * 2
    assert set(found["trial_ids"]) <= {config.trial_id for config in whole.configs}
    table = (drawn / f"{stem}.csv").read_bytes()
    assert found["table_sha256"] == hashlib.sha256(table).hexdigest()


def test_figure_of_formulas_carries_its_assumptions(small: Any, tmp_path: Path) -> None:
    """A curve of Figure 4 that nobody can compute again, or a setting that draws the same."""
    small.run()
    more = ["--family", "t5", "--assume", "prefix_places=3", "bottleneck=16"]
    assert main(["figures", small.store.root, "--out", str(tmp_path), *more]) == 0

    found = next(_provenances(tmp_path, "figure_4_parameters"))
    assert found["settings"]["family"] == "t5"
    assert (found["settings"]["prefix_places"], found["settings"]["bottleneck"]) == ("3", "16")
    rows = _rows(tmp_path / "figure_4_parameters.csv")
    prefix = {row["model_size"]: row["share"] for row in rows if "inference" in row["technique"]}
    assert float(prefix["small"]) == pytest.approx(1.21, rel=0.01)
    assert list(prefix) == ["small", "base", "large", "xl", "xxl"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--assume", "prefix_place=3"], "did you mean 'prefix_places'?"),
        (["--family", "t6"], "family: 't6' is not one of"),
    ],
)
def test_a_setting_of_figure_4_that_is_none_is_an_error(
    whole: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    """A misspelt assumption that leaves the figure as it was."""
    assert main(["figures", whole.store.root, "--out", str(tmp_path / "out"), *words]) == 1
    assert said in capsys.readouterr().err


def test_a_complete_grid_has_marginals_and_heat_maps(
    toy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slices and marginals that nobody can tell apart."""
    monkeypatch.setattr("analysis.figures.saving.FORMATS", ("svg",))
    made = toy(design="complete", axes={"model_size": ["200k"]})
    made.run()
    assert main(["figures", made.store.root, "--out", str(tmp_path)]) == 0

    drawn = {path.stem for path in tmp_path.glob("figure*.svg")}
    assert {
        "figure_3_marginal",
        "figure_interactions_marginal",
        "figure_interactions_slice",
    } <= drawn
    readings = {
        stem: json.loads((tmp_path / f"{stem}.json").read_text())["settings"]["reading"]
        for stem in ("figure_3", "figure_3_marginal", "figure_interactions_slice")
    }
    assert list(readings.values()) == ["slice", "marginal", "slice"]
    drawn_svg = (tmp_path / "figure_3_marginal.svg").read_text()
    assert "marginal over the rest" in re.sub(r"&#x20;|\s+", " ", drawn_svg)


def test_drawing_again_in_another_process_gives_the_same_bytes(
    drawn: Path, whole: Any, tmp_path: Path
) -> None:
    """A date, a random name, a hash order or a machine's settings inside a file."""
    settings = tmp_path / "matplotlibrc"
    settings.write_text("font.size: 30\nsvg.hashsalt: other\nlines.linewidth: 9\n")
    chosen = {"MATPLOTLIBRC": str(settings), "PYTHONHASHSEED": "77", "TZ": "Asia/Tokyo"}
    again = tmp_path / "again"
    code = (
        "import sys; from analysis.cli import main\n"
        "assert main(sys.argv[1:]) == 0\n"
        "assert not {'torch', 'ray', 'transformers'} & set(sys.modules)"
    )

    subprocess.run(
        [sys.executable, "-c", code, "figures", whole.store.root, "--out", str(again)],
        cwd=ROOT, env=os.environ | chosen, check=True, capture_output=True,
    )  # fmt: skip

    differing = [
        path.name
        for path in sorted(drawn.iterdir())
        if path.read_bytes() != (again / path.name).read_bytes()
    ]
    assert differing == []


def test_pdf_has_no_type_3_font(drawn: Path) -> None:
    """A figure that a journal sends back."""
    pdf = (drawn / "figure_1_scale.pdf").read_bytes()

    assert b"/Type3" not in pdf
    assert b"/CIDFontType2" in pdf


def test_command_prints_the_scale_curve_and_where_the_files_lie(
    whole: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that ends without saying what came out."""
    monkeypatch.chdir(tmp_path)

    assert main(["figures", whole.store.root]) == 0

    said = capsys.readouterr().out
    assert said.startswith("toy: all 84 trials done\n\nsize  parameters  model tuning")
    assert "200k        207K    65.5 ± 0.7     55.5 ± 0.7   10.0 [10.0, 10.0]\n" in said
    assert (
        f"figures in results/figures/toy (png, svg, pdf, csv, json): {', '.join(FIGURES)}" in said
    )
    assert (tmp_path / "results" / "figures" / "toy" / "figure_3.png").exists()


def test_partial_sweep_is_drawn_and_says_what_it_lacks(
    toy: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A half-finished sweep whose figures look finished."""
    made = toy(axes={"model_size": ["60k"]})
    lengths = [c for c in made.configs if c.prompt_length == 1]
    made.fail(lengths[0])
    made.run(c for c in made.configs if c.method == "model_tuning")

    assert main(["figures", made.store.root, "--out", str(tmp_path)]) == 0

    said = capsys.readouterr().out
    assert "toy: partial, 4 of 28 trials done; 1 failed, 23 missing" in said
    assert (
        "note: Figure 3a (prompt length) is not drawn: "
        "no cell is complete for any seed (0 of 8 trials)" in said
    )
    drawn = {path.stem for path in tmp_path.glob("*.png")}
    assert drawn == {"figure_1_scale", "figure_4_parameters", "figure_curves"}
    missing = _rows(tmp_path / "missing.csv")
    assert len(missing) == 24
    failed = next(row for row in missing if row["status"] == "failed")
    assert (failed["trial_id"], failed["failure"]) == (lengths[0].trial_id, "diverged")
    found = next(_provenances(tmp_path, "figure_1_scale"))
    assert (found["trials_done"], found["trials_planned"]) == (4, 8)
    done = {c.trial_id for c in made.configs if c.method == "model_tuning"}
    assert set(found["trial_ids"]) == done
    assert len(found["trial_ids_not_done"]) == 4
    assert not done & set(found["trial_ids_not_done"])


def test_tasks_at_chance_and_broken_records_are_listed(
    small: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mean over tasks that hides which of them were never learned."""
    small.run(small.configs)
    small.store.withdraw(small.configs[-1].trial_id, "to be replaced")
    small.commit(small.configs[-1], stage="evaluation")

    assert main(["figures", small.store.root, "--out", str(tmp_path)]) == 0

    said = capsys.readouterr().out
    assert "7 of 8 trials done; 1 broken" in said
    assert "not surely above chance at 60k, model tuning: boolq\n" in said
    assert "not surely above chance at 60k, prompt tuning: boolq\n" in said
    broken = small.configs[-1].trial_id
    assert f"note: trial {broken} is left out: its stage is 'evaluation', not 'tuning'\n" in said
    assert "note: Figure 3a (prompt length) is not drawn: the sweep plans no trial for it" in said


def test_sweep_with_nothing_done_is_an_error(
    small: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Empty figures, and an exit code that says all is well."""
    out = tmp_path / "out"

    assert main(["figures", small.store.root, "--out", str(out)]) == 1

    said = capsys.readouterr().err
    assert said.startswith(
        "analysis: toy: nothing can be drawn of 0 done trials of 8; run the rest: python -m sweeps"
    )
    assert "the sweep plans no trial" not in said
    assert (
        "Figure 1 (method) is not drawn: no cell is complete for any seed (0 of 8 trials)" in said
    )
    assert not out.exists()


def test_missing_store_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A traceback, or exit code 0."""
    assert main(["figures", str(tmp_path / "none")]) == 1

    assert "there is no such store" in capsys.readouterr().err


def test_what_keeps_all_from_being_drawn_is_named(
    small: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """A broken record that is the reason for an empty figure, and is never told."""
    small.run()
    for config in small.configs:
        path = Path(small.store.root, "trials", config.trial_id[:2], config.trial_id, "record.json")
        path.write_text("{")
    shutil.rmtree(Path(small.store.root, "index"), ignore_errors=True)
    assert main(["tables", small.store.root]) == 1

    said = capsys.readouterr().err
    assert said.count("record.json: is not readable") == len(small.configs)


@pytest.mark.parametrize(
    ("command", "below"),
    [("figures", ""), ("figures", "/new"), ("tables", ""), ("compare", ""), ("report", "/a.html")],
)
def test_a_file_in_the_place_of_a_folder_is_an_error(
    whole: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, below: str
) -> None:
    """`[Errno 17] File exists` after a minute of work, and no word of what to do."""
    taken = tmp_path / "taken"
    taken.write_text("a file")

    assert main([command, whole.store.root, "--out", f"{taken}{below}"]) == 1

    assert f"{taken} is a file; give a folder" in capsys.readouterr().err


def test_a_reader_who_stops_reading_is_no_error(whole: Any, tmp_path: Path) -> None:
    """`tables STORE | head` that ends with a broken pipe on the screen."""
    piped = f"{sys.executable} -m analysis tables {whole.store.root} | head -n 1"
    shell = ["bash", "-c", f"{piped}; echo ${{PIPESTATUS[0]}}"]
    done = subprocess.run(shell, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "Broken pipe" not in done.stderr
    assert done.stdout.splitlines()[-1] in ("0", "141")


def test_abbreviations_stay_large_in_a_sentence(
    toy: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A note on `lm adaptation steps`."""
    made = toy(axes={"model_size": ["60k"]})
    made.run(c for c in made.configs if c.method == "model_tuning")
    assert main(["figures", made.store.root, "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "note: Figure 3d (LM adaptation steps) is not drawn" in said
    assert "note: Figure 3a (prompt length) is not drawn" in said


def test_help_starts_without_pandas_and_matplotlib() -> None:
    """A `--help` that takes seconds."""
    code = (
        "import sys; from analysis.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "assert not {'pandas', 'matplotlib', 'scipy'} & set(sys.modules)"
    )

    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)

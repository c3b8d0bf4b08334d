"""Points of others over Figure 1: published ones with their marks, and a user's reading."""

import itertools
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from ablation import method
from analysis.cli import main
from analysis.figures import scale
from analysis.figures.lines import draw_panel, legend_columns
from analysis.figures.overlay import aside, ticks_with
from analysis.findings import find
from analysis.overlays import read_overlays
from analysis.panels import build_panel
from analysis.style import paper

MINE = (
    "figure,series,parameters,score\nfigure_1,model_tuning,2e8,75\nfigure_1,model_tuning,8e7,62\n"
)


@pytest.fixture
def mine(tmp_path: Path) -> str:
    """A reading of the published figure, and a row of another one."""
    path = tmp_path / "mine.csv"
    path.write_text(MINE + "figure_3a,5,8e7,50\n")
    return str(path)


def test_published_points_are_those_of_the_file_with_their_marks() -> None:
    """A number from memory that is drawn as if it stood in the paper, or at another size."""
    gpt3, xxl = read_overlays(["gpt3", "xxl"])
    assert list(gpt3.table["mean"]) == [50.2, 56.2, 56.8, 60.0, 64.3, 63.6, 66.9, 73.2]
    assert gpt3.table["model_parameters"].is_monotonic_increasing
    assert gpt3.unverified == "350M, 13B"
    assert gpt3.provenance == "Brown et al. 2020 Table H.1; unverified: 350M, 13B"
    assert list(xxl.table["mean"]) == [90.5]
    assert list(xxl.table["model_parameters"]) == [11_135_332_352]
    assert xxl.unverified == ""


def test_a_reading_is_a_line_for_each_series_in_order_of_size(mine: str) -> None:
    """Points joined as they were clicked, or those of another figure among them."""
    (line,) = read_overlays([], mine)
    assert line.table[["model_parameters", "mean"]].to_numpy().tolist() == [[8e7, 62], [2e8, 75]]
    assert line.label == "Model tuning, digitised"
    assert line.source.startswith("mine.csv, SHA-256 ")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("figure,series,parameters,score\nfigure_3a,5,8e7,50\n", "no row whose figure is figure_1"),
        ("figure,series,parameters,score\nfigure_1,x,0,50\n", "parameters 0 is not above 0"),
        ("figure,series,parameters,score\nfigure_1,x,8e7,high\n", "score 'high' is not a number"),
    ],
)
def test_a_reading_that_cannot_be_drawn_is_told(tmp_path: Path, text: str, told: str) -> None:
    """An overlay that is silently empty, or a size without a logarithm."""
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=told):
        read_overlays([], str(path))


def test_an_unknown_overlay_names_the_nearest() -> None:
    """A misspelt name that draws nothing."""
    with pytest.raises(ValueError, match="'gpt' is not one of gpt3, xxl; did you mean 'gpt3'"):
        read_overlays(["gpt"])


def test_unverified_points_are_hollow_and_said_so(frame_of: Any) -> None:
    """Marks that the table has and the picture has not."""
    overlays = read_overlays(["gpt3", "xxl"])
    panel = build_panel(frame_of(), method.AXIS)
    with paper():
        axes = draw_panel(Figure().subplots(), panel, scale.caption(panel, overlays))
    hollow = [
        list(line.get_xdata())
        for line in axes.get_lines()
        if to_rgba(line.get_markerfacecolor()) == to_rgba("white") and line.get_marker() == "h"
    ]
    assert hollow == [[350_000_000, 13_000_000_000]]
    assert "Hollow: unverified." in aside(overlays)
    assert "Hollow" not in aside(overlays[1:])
    assert aside(overlays) in "\n".join(text.get_text() for text in axes.texts)
    words = [label for column in legend_columns(scale.caption(panel, overlays)) for label in column]
    assert words[-2:] == ["GPT-3 few-shot", "Prompt, T5 XXL"]


def test_ticks_do_not_lie_on_each_other() -> None:
    """Sizes of five decades whose names run into each other."""
    overlays = read_overlays(["gpt3", "xxl"])
    ticks = ticks_with([62_000, 207_000, 620_000, 2_060_000], overlays)
    assert (ticks[0], ticks[-1]) == (62_000, 175e9)
    apart = (ticks[-1] / ticks[0]) ** 0.1
    assert all(later / sooner >= apart for sooner, later in itertools.pairwise(ticks))


def test_figure_1_says_what_lies_over_it_and_others_are_as_before(
    whole: Any, tmp_path: Path, mine: str
) -> None:
    """An overlay without a source in the file, or one that changes what it has no business with."""
    plain, laid = tmp_path / "plain", tmp_path / "laid"
    assert main(["figures", whole.store.root, "--out", str(plain)]) == 0
    asked = ["--overlay", "gpt3", "xxl", "--digitised", mine]
    assert main(["figures", whole.store.root, "--out", str(laid), *asked]) == 0
    changed = {p.name for p in plain.iterdir() if p.read_bytes() != (laid / p.name).read_bytes()}
    assert changed == {f"figure_1_scale.{end}" for end in ("csv", "json", "pdf", "png", "svg")}
    settings = json.loads((laid / "figure_1_scale.json").read_text())["settings"]
    assert settings["overlay gpt3"].endswith("unverified: 350M, 13B")
    assert settings["overlay digitised model_tuning"].startswith("mine.csv, SHA-256 ")
    table = pd.read_csv(laid / "figure_1_scale.csv")
    assert table["overlay"].value_counts().to_dict() == {
        "GPT-3 few-shot": 8, "Prompt, T5 XXL": 1, "Model tuning, digitised": 2,
    }  # fmt: skip
    svg = (laid / "figure_1_scale.svg").read_text()
    assert "unverified: 350M, 13B" in svg


def test_an_overlay_without_figure_1_is_told(toy: Any) -> None:
    """A command that draws all but what was asked for, and says nothing."""
    made = toy()
    made.run(config for config in made.configs if config.prompt_init == "random_uniform")
    with pytest.raises(ValueError, match="nothing can be laid over Figure 1"):
        find(made.manifest, made.trials(), made.store, overlays=read_overlays(["xxl"]))

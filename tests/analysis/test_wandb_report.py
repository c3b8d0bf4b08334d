"""The report of W&B: its spec as W&B keeps it, read without a server."""

import json
from pathlib import Path
from typing import Any

import pytest

from analysis.cli import main
from analysis.findings import panels_of
from analysis.page.pictures import further
from analysis.source import open_sweep

pytest.importorskip("wandb_workspaces", reason="the extra `reports` is not installed")

from analysis.wandb_report import Place, report_of, spec_of


@pytest.fixture(autouse=True)
def _without_an_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import wandb

    for name in ("WANDB_API_KEY", "WANDB_BASE_URL", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    wandb.teardown()


def spec(toy: Any, **place: Any) -> dict[str, Any]:
    """The spec of a toy's report."""
    return spec_of(report_of(open_sweep(toy.store.root), Place(**place)))


def grids(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The panel grids of a report."""
    return [block["metadata"] for block in found["blocks"] if block["type"] == "panel-grid"]


def asked(runset: dict[str, Any]) -> dict[str, Any]:
    """What a run set filters by."""
    return {part["key"]["name"]: part["value"] for part in runset["filters"]["filters"]}


def test_every_figure_has_a_set_of_runs_for_each_line(whole: Any) -> None:
    """A plot over all runs, in which no line is one of the figure's."""
    scale, length, *_, everything = grids(spec(whole))
    assert [asked(runs) for runs in scale["runSets"]] == [
        {"jobType": "tuning", "tags": ["sweep:toy:scale"], "method": method}
        for method in ("model_tuning", "prompt_tuning")
    ]
    assert [asked(runs)["prompt_length"] for runs in length["runSets"]] == [1, 20]
    assert [runs["name"] for runs in scale["runSets"]] == ["Model tuning", "Prompt tuning"]
    # Not by group: a trial that two sweeps have is one run, and in the group of one of them.
    assert asked(everything["runSets"][0]) == {"jobType": "tuning", "tags": ["sweep:toy"]}
    grouping = scale["runSets"][0]["grouping"]
    assert grouping == [{"section": "config", "name": "model_size.value"}]


def test_plots_read_the_keys_that_runs_have(whole: Any) -> None:
    """A plot of a key that no run was given, which stays empty without a word."""
    panels = grids(spec(whole))[0]["panelBankSectionConfig"]["panels"]
    scatter, line = (panel["config"] for panel in panels)
    assert scatter["xAxis"] == "config:model_parameters.value"
    assert (scatter["yAxis"], scatter["xAxisLogScale"]) == ("summary:score", True)
    assert line["metrics"] == ["score"]


def test_our_numbers_stand_beside_the_plots(whole: Any) -> None:
    """A report whose only numbers are means over tasks that nobody has asked for."""
    text = json.dumps(spec(whole), ensure_ascii=False)
    assert "| Model tuning | 60k | 62K | 55.5 | 0.7 |" in text
    assert "the gap closes with size" in text
    assert "20.0 points behind model tuning at 60k" in text


def test_images_are_links_to_ours(whole: Any) -> None:
    """A picture under a name that `figures` does not write."""
    images = [b for b in spec(whole, images="https://here/f/")["blocks"] if b["type"] == "image"]
    assert [image["url"] for image in images][:2] == [
        "https://here/f/figure_1_scale.png", "https://here/f/figure_3a_prompt_length.png",
    ]  # fmt: skip
    assert [b for b in spec(whole)["blocks"] if b["type"] == "image"] == []


def test_further_figures_are_there(whole: Any) -> None:
    """A report of Figures 1 and 3 alone, and of a paper that has more to show."""
    trials = whole.trials()
    tables = further(open_sweep(whole.store.root), trials, panels_of(trials.frame), []).tables
    found = spec(whole, images="https://here/f")
    images = [b["url"].rpartition("/")[2] for b in found["blocks"] if b["type"] == "image"]
    assert {"figure_4_parameters.png", "figure_curves.png"} <= set(images)
    text = json.dumps(found, ensure_ascii=False)
    assert tables
    assert all(table.title in text for table in tables)
    plots = [p["config"] for g in grids(found) for p in g["panelBankSectionConfig"]["panels"]]
    assert ["train_loss"] in [plot.get("metrics") for plot in plots]
    assert "figure_curves.png" in json.dumps(spec(whole))


def test_a_report_draws_nothing(whole: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report that takes as long as the figures, which it only names."""
    monkeypatch.setattr("matplotlib.figure.Figure.__init__", lambda *_, **__: pytest.fail("drawn"))
    assert "figure_curves.png" in json.dumps(spec(whole))


def test_without_a_key_the_spec_is_written(
    whole: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command that asks for a key, or that draws ids by lot so that every spec is new."""
    monkeypatch.chdir(tmp_path)
    assert main(["wandb-report", whole.store.root]) == 0
    path = Path("results/reports/toy.wandb.json")
    assert str(path) in capsys.readouterr().out
    first = path.read_bytes()
    assert main(["wandb-report", whole.store.root, "--out", "again.json"]) == 0
    assert Path("again.json").read_bytes() == first
    assert json.loads(first)["width"] == "fluid"


def test_with_a_key_one_report_is_published_and_then_replaced(
    small: Any, stand_in: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """A new report at every call, until nobody knows which one is current."""
    small.run()
    words = ["wandb-report", small.store.root, "--entity", "me"]
    assert main(words) == 0
    address = capsys.readouterr().out.strip().splitlines()[-1]
    assert address.startswith(f"{stand_in.url}/me/promptscale/reports/Prompt-tuning:-toy--")
    (first,) = stand_in.views
    assert first["displayName"] == "Prompt tuning: toy"
    assert asked(grids(json.loads(first["spec"]))[0]["runSets"][0])["tags"] == ["sweep:toy:scale"]

    small.store.withdraw(small.configs[0].trial_id, "to test")
    assert main(words) == 0
    (second,) = stand_in.views
    assert second["id"] == first["id"]
    assert "7 of 8 trials are done" in second["spec"]

"""Data of the hub, looked for and read before a sweep starts; the hub itself is out of reach."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub import constants

from sweeps import doctor
from sweeps import run as sweep_run
from sweeps.cli import main
from sweeps.finding import Finding
from sweeps.hub_data import hub_findings
from sweeps.plan import survey
from sweeps.spec import load

TEXT = """\
name: published
design: complete
model_family: nano
axes: {model_size: [60k], task: [rte, sst2], seed: [0]}
defaults:
  {prompt_length: 1, prompt_init: class_label, pretraining_objective: span_corruption,
   lm_adaptation_steps: 0}
settings:
  shared: {data_source: published, batch_size: 2}
  prompt_tuning: {train_steps: 2, eval_every: 1, learning_rate: 0.3}
data:
  glue: {revision: abc}
execution: {store: STORE, workers: 1}
"""
REMEDY = "reach the hub once, or name a local copy"
ROWS = {
    "rte": [{"premise": "It rains.", "hypothesis": "It pours.", "label": 0, "idx": 0}],
    "sst2": [{"sentence": "fun ", "label": 1, "idx": 0}],
}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec of two tasks of the hub, and an empty cache of `datasets`."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    spec = tmp_path / "published.yaml"
    spec.write_text(TEXT.replace("STORE", str(tmp_path / "store")))
    return spec


def _told(path: Path) -> list[Finding]:
    return list(hub_findings(survey(load(path))))


def _cache(folder: Path, *parts: str) -> None:
    place = folder.joinpath("cache", *parts, "0.0.0", "c0ffee")
    place.mkdir(parents=True)
    (place / "dataset_info.json").write_text("{}")


def test_data_that_are_nowhere_are_bad(path: Path) -> None:
    """Catches a doctor for whom a sweep can run that has no data."""
    first, second = _told(path)
    lacks = "is not in the cache of datasets, and HF_HUB_OFFLINE forbids to get it; "
    assert first.verdict == second.verdict == "bad"
    assert first.said.startswith(f"aps/super_glue (rte) {lacks}{REMEDY}")
    assert second.said.startswith(f"nyu-mll/glue@abc (sst2) {lacks}{REMEDY}")
    found = doctor.examine(load(path), None)
    assert {first, second} <= set(found)


def test_data_in_the_cache_are_good(path: Path) -> None:
    """Catches data that are missed although a run would find them; and another's config."""
    _cache(path.parent, "aps___super_glue", "cb")
    _cache(path.parent, "nyu-mll___glue", "sst2")
    assert [each.verdict for each in _told(path)] == ["bad", "good"]
    _cache(path.parent, "aps___super_glue", "rte")
    assert [each.verdict for each in _told(path)] == ["good", "good"]


def test_the_hub_is_asked_for_the_revision(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a commit that the hub does not have, told by the first trial of its task."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    there = {("aps/super_glue", None)}
    monkeypatch.setattr(
        "sweeps.hub_data.file_exists",
        lambda name, *_, revision, **__: (name, revision) in there,
    )
    first, second = _told(path)
    assert (first.verdict, first.said) == ("good", "aps/super_glue (rte) is at the hub")
    assert second.verdict == "bad"
    assert second.said.startswith("nyu-mll/glue@abc (sst2) is not at the hub; reach")

    def silent(*_: object, **__: object) -> bool:
        raise OSError("no route")

    monkeypatch.setattr("sweeps.hub_data.file_exists", silent)
    assert all("the hub does not answer (no route)" in each.said for each in _told(path))


def test_a_run_reads_what_is_at_the_hub_first(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches an adaptation of hours before a data set that is not there; rows that are none."""
    begun: list[str] = []
    monkeypatch.setattr(sweep_run, "_fit", lambda *_, **__: begun.append("begun"))

    def load_dataset(_: str, config: str, **__: object) -> Any:
        if config not in rows:
            raise OSError("offline")
        found = type("Found", (list,), {"info": SimpleNamespace(download_checksums={})})
        return found(rows[config])

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    rows: dict[str, list[dict[str, Any]]] = {"sst2": [{"text": "fun", "label": 1, "idx": 0}]}
    assert main(["run", str(path)]) == 2
    said = capsys.readouterr().err
    assert ": data.superglue: 'aps/super_glue' cannot be used for rte: rte: aps/super_glue" in said
    assert "data.glue: 'nyu-mll/glue@abc' cannot be used for sst2: " in said
    assert f"{path}:12: data.glue" in said
    assert not begun
    rows |= ROWS
    assert main(["run", str(path)]) == 1
    assert begun == ["begun"]

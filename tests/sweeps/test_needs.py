"""What trials read on their machine."""

from dataclasses import replace
from pathlib import Path

from runners.catalogue import DataPlace
from runners.model.family import Place
from sweeps.needs import missing_here, needs_of
from sweeps.spec import SweepSpec


def test_needs_are_models_data_and_texts(spec: SweepSpec, tmp_path: Path) -> None:
    """A node without the data, whose trials fail one after another as if the code were wrong."""
    there, gone = tmp_path / "there", tmp_path / "gone"
    there.mkdir()
    places = {"glue": DataPlace(folder=there), "superglue": DataPlace(folder=gone)}
    catalogue = replace(spec.catalogue, data=places, texts={"f": tmp_path / "text"})
    needs = needs_of(replace(spec, catalogue=catalogue))
    rungs = [spec.study.family.rungs[size] for size in ("60k", "200k")]
    assert {rung.checkpoint for rung in rungs} | {rungs[0].tokenizer} < set(needs)
    assert spec.study.family.rungs["2m"].checkpoint not in needs
    assert missing_here(needs) == [f"{gone} does not exist", f"{tmp_path / 'text'} does not exist"]


def test_a_checkpoint_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A package or a checkpoint that one node lacks, and a hub id that no node can be asked for."""
    needs = [Place(path=tmp_path / "none"), Place(hub_id="google/t5-v1_1-small"),
             Place(package="nobody_has_this/model.gguf")]  # fmt: skip
    said = missing_here(needs)
    assert len(said) == 2
    assert str(tmp_path / "none") in said[0]
    assert "package nobody_has_this is not installed" in said[1]

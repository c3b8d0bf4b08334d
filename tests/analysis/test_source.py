"""Which sweep somebody means, and what they are told where there is none."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from analysis.source import open_sweep
from runners.store import Store


def _spec(folder: Path, text: str) -> str:
    path = folder / "toy.yaml"
    path.write_text(text)
    return str(path)


def test_store_with_one_sweep_needs_no_name(small: Any) -> None:
    """A name asked for where there is no choice."""
    sweep = open_sweep(small.store.root)

    assert (sweep.manifest.name, sweep.store.root) == ("toy", small.store.root)


def test_manifest_of_a_store_names_both(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path to a manifest that is opened as a store."""
    assert open_sweep(f"{small.store.root}/manifests/toy.json").manifest.name == "toy"

    monkeypatch.chdir(small.store.root)
    assert open_sweep(str(Path("manifests") / "toy.json")).manifest.name == "toy"


def test_spec_names_its_store_and_its_sweep(small: Any, tmp_path: Path) -> None:
    """A spec that draws another sweep of the store; one that changed, unnoticed."""
    text = f"name: toy\nexecution: {{store: {small.store.root}}}\n"

    sweep = open_sweep(_spec(tmp_path, text))

    assert sweep.manifest.name == "toy"
    assert len(sweep.notes) == 1
    assert "changed since the sweep was planned" in sweep.notes[0]


def test_spec_as_it_was_planned_is_not_noted(
    small: Any, tmp_path: Path, plain_manifest: Any
) -> None:
    """A warning that is always there, and so never read."""
    text = f"name: toy\nexecution: {{store: {small.store.root}}}\n"
    sha = hashlib.sha256(text.encode()).hexdigest()
    small.store.write_manifest("toy", plain_manifest() | {"spec_sha256": sha})

    assert open_sweep(_spec(tmp_path, text)).notes == ()


def test_several_sweeps_ask_for_a_name(small: Any, plain_manifest: Any) -> None:
    """A sweep chosen by the order of the alphabet."""
    small.store.write_manifest("other", plain_manifest() | {"name": "other"})

    with pytest.raises(ValueError, match="several sweeps; choose one with --spec: other, toy"):
        open_sweep(small.store.root)
    assert open_sweep(small.store.root, "other").manifest.name == "other"


def test_misspelt_sweep_is_met_with_the_near_miss(small: Any) -> None:
    """A message that leaves the reader to guess."""
    with pytest.raises(ValueError, match="did you mean 'toy'"):
        open_sweep(small.store.root, "toi")


def test_place_without_a_store_is_refused_and_not_made(tmp_path: Path) -> None:
    """An empty store that appears because somebody mistyped a path."""
    nowhere = tmp_path / "nowhere"

    with pytest.raises(ValueError, match=r"there is no such store.*python -m sweeps run SPEC"):
        open_sweep(str(nowhere))
    assert not nowhere.exists()


def test_store_without_a_sweep_says_so(tmp_path: Path) -> None:
    """A traceback in place of the next step."""
    store = Store(str(tmp_path / "store"))
    store.save_state("0" * 16, "state", b"")

    with pytest.raises(ValueError, match="the store holds no sweep; run it first"):
        open_sweep(store.root)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [", "is not YAML"),
        ("name: toy\n", "lacks name or execution.store"),
        ("[]", "lacks name or execution.store"),
    ],
)
def test_spec_that_does_not_say_where_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """A KeyError on a half-written spec."""
    with pytest.raises(ValueError, match=message):
        open_sweep(_spec(tmp_path, text))


def test_file_that_is_no_manifest_of_a_store_is_refused(tmp_path: Path) -> None:
    """A record or a figure's JSON that is taken for a manifest."""
    with pytest.raises(ValueError, match="is no manifest of a store"):
        open_sweep(str(tmp_path / "figure_3.json"))
    with pytest.raises(ValueError, match="there is no such spec"):
        open_sweep(str(tmp_path / "none.yaml"))

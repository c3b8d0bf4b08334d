"""What does not fit the models of a sweep, known before anything starts."""

import shutil
import sys
from pathlib import Path

import pytest

from runners.model.checkpoint import LADDER
from runners.store import Store
from sweeps import doctor
from sweeps.cli import main
from sweeps.fits import Look, look
from sweeps.plan import survey
from sweeps.spec import SweepSpec, load

TEXT = """\
name: mine
design: star
families: [mine.yaml]
model_family: mine
tasks:
  mood: {train: rows.tsv, dev: rows.tsv, input: "{text}", target: "{label}",
         labels: {"0": bad, "1": GOOD}}
axes: {model_size: [s1], task: [mood], seed: [0]}
defaults:
  {prompt_length: 1, prompt_init: class_label, pretraining_objective: lm_adaptation,
   lm_adaptation_steps: 100000}
settings:
  shared: {batch_size: 2}
  prompt_tuning: {train_steps: 2, eval_every: 1, learning_rate: 0.3}
  lm_adaptation: {batch_size: 2, learning_rate: 0.001, seed: 0, text: text}
execution: {store: STORE, workers: 1}
"""
SAID = (
    "s1: mood: label: 'b\U0001f600d' has characters that the tokenizer of the model does not know; "
    "give the class another word, or take another model"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A spec of a T5, a text and a task of a user's own."""
    shutil.copytree(LADDER / "60k", tmp_path / "s1")
    shutil.copytree(LADDER / "tokenizer", tmp_path / "tokenizer")
    (tmp_path / "mine.yaml").write_text(
        "architecture: t5\ntokenizer: ./tokenizer\n"
        "sizes: {s1: {checkpoint: ./s1, parameters: 69728, width: 32}}\n"
    )
    (tmp_path / "rows.tsv").write_text("text\tlabel\nthe dog and the cat\t1\nthe dog\t0\n")
    (tmp_path / "text").mkdir()
    documents = (f"The dog saw {n} cats." for n in range(200))
    (tmp_path / "text" / "one.txt").write_text("\n\n".join(documents))
    return tmp_path / "mine_spec.yaml"


def _spec(path: Path, good: str) -> SweepSpec:
    store = str(path.parent / "store")
    path.write_text(TEXT.replace("GOOD", good).replace("STORE", store))
    return load(path)


def test_a_label_that_cannot_be_written_stops_a_sweep_before_its_adaptation(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches days of LM adaptation, at the end of which every trial fails for a label."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("sweeps.driver.fit", lambda *_, **__: pytest.fail("started"))
    spec = _spec(path, good="b\U0001f600d")
    told = [each for each in doctor.examine(spec, None) if each.subject == "fit"]
    assert [(each.verdict, each.said) for each in told] == [("bad", SAID)]
    assert main(["run", str(path)]) == 2
    said = "mine: nothing was started, for data do not fit the models:\n  " + SAID
    assert said in capsys.readouterr().err
    assert not list(Store(spec.execution.store).records())


def test_what_fits_is_said_to(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a doctor who looks and does not say at what."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    told = [e for e in doctor.examine(_spec(path, good="good"), None) if e.subject == "fit"]
    said = "the models' tokenizers read and answer 1 task"
    assert [(each.verdict, each.said) for each in told] == [("good", said)]


def test_what_ships_is_not_tried(spec: SweepSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a `make sweep` that first reads its own world, of which everything fits."""
    monkeypatch.setitem(sys.modules, "runners.data.fitting", None)
    assert look(survey(spec), {}) == Look(parts={}, mistakes=[])


def test_a_model_that_cannot_be_had_is_said_in_a_line(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a tokenizer of the hub that nobody has tried, of which nothing is said."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("sweeps.run._fit", lambda *_, **__: None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    family = path.parent / "mine.yaml"
    family.write_text(family.read_text().replace("./tokenizer", "someone/pieces"))
    spec = _spec(path, good="good")
    said = "someone/pieces cannot be had here, so what fits was not tried there ("
    (told,) = [each for each in doctor.examine(spec, None) if each.subject == "fit"]
    assert told.verdict == "concern"
    assert told.said.startswith(said)
    assert main(["run", str(path)]) == 1
    (line,) = [each for each in capsys.readouterr().out.splitlines() if said in each]
    assert line.startswith(f"mine: {said}")


def test_a_doctor_notes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches a look at a sweep that makes a store."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    spec = _spec(path, good="good")
    doctor.examine(spec, None)
    assert not Store(spec.execution.store).is_made

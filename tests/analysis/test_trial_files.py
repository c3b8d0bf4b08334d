"""Files of trials that are broken: what is said of them, and that the rest is drawn."""

import json
from pathlib import Path
from typing import Any

import pytest

from ablation.settings import STUDIED
from analysis.cli import main
from analysis.trial_files import HISTORY, NEIGHBOURS, PREDICTIONS, BrokenFile, LineFile, read_lines
from runners.config import TrialConfig

NEAR = {"start": 1.0, "best": 0.5, "verbalizers": 2, "verbalizers_found": 1}
WHOLE: dict[str, list[dict[str, Any]]] = {
    "history.jsonl": [{"step": 5, "score": 40.0, "neighbour_similarity": 0.8},
                      {"step": 10, "score": 80.0, "neighbour_similarity": 0.5}],
    "predictions.jsonl": [
        {"key": [n], "input": f"q{n}", "target": "True", "prediction": "True" if n < 4 else "False"}
        for n in range(5)
    ],
    "neighbours.jsonl": [
        {"position": n, "pieces": ["a", f"b{n}"], "cosines": [0.5, 0.25]} for n in range(20)
    ],
}  # fmt: skip
"""Files of a trial that scores 80 on BoolQ."""


@pytest.fixture
def store(toy: Any, record: Any) -> Any:
    """One size, both methods, BoolQ and two seeds, with all of their files."""
    lone = {"prompt_length": [20], "prompt_init": ["class_label"]}
    lone |= {"pretraining_objective": ["lm_adaptation"], "lm_adaptation_steps": [1000]}
    made = toy(axes={"model_size": ["60k"], "task": ["boolq"], **lone})
    for config in made.configs:
        attempt = made.store.begin(config.trial_id)
        for name, lines in WHOLE.items():
            text = "".join(json.dumps(line) + "\n" for line in lines)
            (attempt.folder / name).write_text(text)
        done = record(config, 80.0, attempt=attempt.id)
        if config.method == STUDIED:
            done.provenance["neighbours"] = NEAR
        assert attempt.commit(done)
    return made


def _prompt(made: Any) -> TrialConfig:
    return next(config for config in made.configs if config.method == STUDIED)


def _damaged(made: Any, name: str, damage: str) -> tuple[str, str]:
    """The trial whose file has `damage` in the place of its last line, and the file's path."""
    trial = _prompt(made).trial_id
    path = Path(made.store.path(trial, name))
    kept = path.read_text().splitlines(keepends=True)[:-1]
    path.write_text("".join(kept) + damage)
    return trial, str(path)


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        ("history.jsonl", "1\n", "is not an object"),
        ("neighbours.jsonl", '{"position": 0}\n', "has no pieces"),
        ("predictions.jsonl", '{"key": [', "is cut off, or is not JSON"),
    ],
)
def test_a_broken_file_is_named_and_the_rest_is_drawn(
    store: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch, name: str, damage: str, said: str,
) -> None:  # fmt: skip
    """A line `1` that ends every figure with an AttributeError; a note without trial and path."""
    monkeypatch.setattr("analysis.figures.saving.FORMATS", ("svg",))
    trial, path = _damaged(store, name, damage)
    line = len(WHOLE[name])
    told = f"trial {trial}: {path}: line {line} {said}"

    assert main(["figures", store.store.root, "--out", str(tmp_path / "figures")]) == 0

    assert told in capsys.readouterr().out
    assert told in (tmp_path / "figures" / "notes.txt").read_text()
    drawn = {file.stem for file in (tmp_path / "figures").glob("*.svg")}
    assert {"figure_1_scale", "figure_curves", "figure_vocabulary"} <= drawn

    assert main(["tables", store.store.root]) == 0
    shown = capsys.readouterr()
    assert told in shown.err
    assert "Scores of each task" in shown.out

    page = tmp_path / "page.html"
    assert main(["report", store.store.root, "--out", str(page)]) == 0
    assert told in page.read_text()
    assert f"trial {trial}: a file of it cannot be read: {path}: line {line}" in page.read_text()
    spec = tmp_path / "spec.json"
    assert main(["wandb-report", store.store.root, "--out", str(spec)]) == 0
    assert told in spec.read_text()


@pytest.mark.parametrize(
    ("file", "line", "said"),
    [
        (HISTORY, {"step": "5", "score": 1.0}, "a step that is not a whole number of 0 or more"),
        (HISTORY, {"step": 10**30, "score": 1.0}, "a step that is not a whole number of 0 or more"),
        (HISTORY, {"step": 5, "score": True}, "a score that is not a number from 0 to 100"),
        (HISTORY, {"step": 5, "score": 1, "train_loss": "x"}, "a train_loss that is not a number"),
        (NEIGHBOURS, {"position": 0, "pieces": [], "cosines": []}, "pieces that is not a list of"),
        (NEIGHBOURS, {"position": 0, "pieces": ["a"], "cosines": [1, 2]}, "not one of cosines"),
        (PREDICTIONS, {"input": "q", "target": 1, "prediction": ""}, "a target that is not a text"),
        (PREDICTIONS, {"input": "q", "target": "", "prediction": "", "key": [[]]}, "a key that is"),
    ],
)  # fmt: skip
def test_the_shape_of_a_line_is_told(
    store: Any, file: LineFile, line: dict[str, Any], said: str
) -> None:
    """A value of another type that fails deep inside of pandas, or is drawn as if it were one."""
    _damaged(store, file.name, json.dumps(line) + "\n")
    with pytest.raises(BrokenFile, match=f"line {len(WHOLE[file.name])} has .*{said}"):
        read_lines(store.store, _prompt(store).trial_id, file)


def test_every_line_that_a_session_writes_is_taken(store: Any) -> None:
    """A question of WSC without a right answer, or a loss that is not told, as a broken file."""
    line = {"key": [0, "a"], "input": "", "target": "", "prediction": "", "references": [],
            "holds": False}  # fmt: skip
    _damaged(store, "predictions.jsonl", json.dumps(line) + "\n")
    assert read_lines(store.store, _prompt(store).trial_id, PREDICTIONS)[-1] == line
    point = {"step": 0, "score": 0, "train_loss": None}
    _damaged(store, "history.jsonl", json.dumps(point) + "\n")
    assert read_lines(store.store, _prompt(store).trial_id, HISTORY)[-1] == point


def test_an_empty_file_and_one_that_is_gone_are_told(store: Any) -> None:
    """A trial whose curve is left out in silence, since its file had no line to complain about."""
    trial = _prompt(store).trial_id
    path = Path(store.store.path(trial, "history.jsonl"))
    path.write_text("")
    with pytest.raises(BrokenFile, match=f"trial {trial}: {path}: has no line"):
        read_lines(store.store, trial, HISTORY)
    path.unlink()
    with pytest.raises(BrokenFile, match=rf"trial {trial}: \S+history.jsonl: is missing"):
        read_lines(store.store, trial, HISTORY)


def test_neighbours_of_some_tokens_alone_are_told(
    store: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that ends after a whole line, of which nobody sees that half of it is not there."""
    _damaged(store, "neighbours.jsonl", "")
    assert main(["tables", store.store.root]) == 0
    assert "has 19 lines for 20 prompt tokens" in capsys.readouterr().err


def test_more_notes_than_the_terminal_shows_stand_in_a_file(
    toy: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """'12 more like these', and no place where they can be read."""
    monkeypatch.setattr("analysis.figures.saving.FORMATS", ("svg",))
    made = toy(axes={"model_size": ["60k", "200k"]})
    made.run()
    for config in made.configs:
        Path(made.store.path(config.trial_id, "history.jsonl")).write_text("1\n")
    assert main(["figures", made.store.root, "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert f"more, all of them in {tmp_path / 'notes.txt'}" in said
    lines = (tmp_path / "notes.txt").read_text().splitlines()
    assert all(any(config.trial_id in line for line in lines) for config in made.configs)

"""The commands `best`, `export` and `import`."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runners import prompts
from runners.prompt.npy_format import read_npy
from runners.prompt.peft_format import CONFIG, read_peft
from runners.record import TrialRecord
from runners.store import Store

ROOT = Path(__file__).resolve().parents[2]
Commit = Callable[..., tuple[TrialRecord, Any]]
RELEASED = {"model_family": "t5", "model_size": "small"}
WORDS = [
    "model_family=nano",
    "model_size=60k",
    "pretraining_objective=span_corruption",
    "lm_adaptation_steps=0",
    "prompt_init=class_label",
    "task=boolq",
    "train_steps=6",
    "eval_every=3",
    "batch_size=4",
    "learning_rate=0.3",
]


def _lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_best_prints_winners_and_writes_them(
    store: Store, commit_prompt: Commit, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a table that names one trial and a folder that holds another."""
    commit_prompt(seed=0, score=40.0, **RELEASED)
    best, prompt = commit_prompt(seed=1, score=60.0, **RELEASED)
    commit_prompt(seed=2, score=90.0, task="cb", **RELEASED)
    out = tmp_path / "best"
    assert prompts.main(["best", store.root, "task=boolq", "--out", str(out)]) == 0
    lines = _lines(capsys)
    assert best.trial_id in lines[1]
    assert lines[-1] == f"written: {out / 'boolq'}"
    np.testing.assert_array_equal(read_peft(out / "boolq").vectors, prompt.numpy())
    assert "The best of 2 trials" in (out / "boolq" / "README.md").read_text()
    assert [path.name for path in out.iterdir()] == ["boolq"]


def test_best_by_cell_has_a_winner_over_seeds(
    store: Store, commit_prompt: Commit, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches an option that is read and not used."""
    for length in (5, 6):
        for seed in (0, 1):
            commit_prompt(prompt_length=length, seed=seed)
    assert prompts.main(["best", store.root, "--by", "cell", "prompt_length=6"]) == 0
    assert "best of" in _lines(capsys)[0]
    assert prompts.main(["best", "--by", "cell", store.root]) == 0
    assert sum(line.startswith("boolq") for line in _lines(capsys)) == 2


def test_export_writes_either_format_and_the_model(
    store: Store, commit_prompt: Commit, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a format that is another one, or a model that is not written."""
    record, prompt = commit_prompt()
    words = ["export", store.root, record.trial_id, "--out"]
    assert prompts.main([*words, str(tmp_path / "npy"), "--format", "npy"]) == 0
    np.testing.assert_array_equal(read_npy(tmp_path / "npy" / "prompt.npy").vectors, prompt.numpy())
    capsys.readouterr()
    out = tmp_path / "peft"
    assert prompts.main([*words, str(out), "--format", "peft", "--with-model"]) == 0
    assert _lines(capsys) == [f"written: {out / 'adapter'}", f"written: {out / 'base'}"]
    assert (out / "base" / "model.safetensors").is_file()
    assert json.loads((out / "adapter" / CONFIG).read_text())["token_dim"] == 32


def test_what_leaves_one_store_comes_into_another(
    store: Store, commit_prompt: Commit, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches formats that do not meet, or an import that nobody finds again."""
    record, prompt = commit_prompt(prompt_length=5)
    words = ["export", store.root, record.trial_id, "--format", "peft", "--with-model"]
    assert prompts.main([*words, "--out", str(tmp_path / "out")]) == 0
    other, folder = str(tmp_path / "other"), str(tmp_path / "out" / "adapter")
    told = [
        "import",
        other,
        folder,
        *WORDS,
        "--score",
        "accuracy=61",
        "seed=3",
        "--note",
        "by hand",
    ]
    assert prompts.main(told) == 0
    (imported,) = Store(other).records()
    said = capsys.readouterr().out.splitlines()[-2:]
    label = "60k-p5-class_label-span_corruption-boolq-s3"
    assert said == [
        f"imported: {folder} as trial {imported.trial_id} ({label})",
        "score 61.00, as stated and not measured",
    ]
    assert (imported.config["seed"], imported.provenance["note"]) == (3, "by hand")
    assert prompts.main(["best", other]) == 0
    assert "61.00*" in capsys.readouterr().out
    path = tmp_path / "again"
    words = ["export", other, imported.trial_id, "--format", "npy", "--out", str(path)]
    assert prompts.main(words) == 0
    np.testing.assert_array_equal(read_npy(path / "prompt.npy").vectors, prompt.numpy())


MISTAKES = [
    (["bset"], "python -m runners.prompts: 'bset' is not a verb; did you mean 'best'?"),
    (
        ["best", "NOWHERE"],
        "NOWHERE: there is no such store; give the folder that a sweep has written",
    ),
    (["best", "STORE", "tsk=cb"], "tsk: 'tsk' is not a known key; did you mean 'task'?"),
    (
        ["best", "STORE", "task=cb"],
        "task: 'cb' is of no committed trial of prompt_tuning, only boolq; give one of these",
    ),
    (
        ["export", "STORE", "TRIAL", "--format", "npy", "--out", "OUT", "--with-model"],
        "--with-model: does not apply to --format npy; leave it out",
    ),
    (
        ["export", "STORE", "TRIAL", "--format", "npy", "--out", "STORE"],
        "STORE: is there already; name a new folder, for nothing is written over",
    ),
    (
        ["import", "STORE", "NOWHERE", *WORDS, "seed=0", "--score", "accuracy=5"],
        "NOWHERE: is not there; give a PEFT folder or a .npy file",
    ),
]


@pytest.mark.parametrize(
    ("words", "message"), MISTAKES, ids=[message[:50] for _, message in MISTAKES]
)
def test_a_mistake_is_told_and_nothing_is_written(
    store: Store,
    commit_prompt: Commit,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    """Catches a traceback, an exit code 0, or a folder that is left behind."""
    record, _ = commit_prompt()
    names = {"STORE": store.root, "TRIAL": record.trial_id, "NOWHERE": str(tmp_path / "nowhere")}
    names["OUT"] = str(tmp_path / "out")
    assert prompts.main([names.get(word, word) for word in words]) == 2
    told = re.sub("|".join(names), lambda found: names[found.group()], message)
    assert capsys.readouterr().err == f"{told}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store"]


def test_a_place_that_cannot_be_written_is_told(
    store: Store, commit_prompt: Commit, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a traceback for a folder that lies under a file."""
    record, _ = commit_prompt()
    (tmp_path / "file").write_text("")
    words = ["--format", "npy", "--out", str(tmp_path / "file" / "out")]
    assert prompts.main(["export", store.root, record.trial_id, *words]) == 2
    assert "Not a directory" in capsys.readouterr().err


def test_help_names_the_verbs(capsys: pytest.CaptureFixture[str]) -> None:
    """Catches a command that does not say what it can do."""
    assert prompts.main(["--help"]) == 0
    told = capsys.readouterr().out
    assert all(verb in told for verb in prompts.VERBS)
    assert prompts.main([]) == 2


def test_naming_and_writing_prompts_loads_no_torch(
    store: Store, commit_prompt: Commit, tmp_path: Path
) -> None:
    """Catches seconds of imports before a table, or a model that is loaded to copy a prompt."""
    record, _ = commit_prompt(**RELEASED)
    out = str(tmp_path / "peft")
    commands = [
        ["best", store.root],
        ["export", store.root, record.trial_id, "--format", "peft", "--out", out],
        ["export", store.root, record.trial_id, "--format", "npy", "--out", f"{out}-npy"],
        ["import", f"{store.root}-2", f"{out}-npy/prompt.npy", *WORDS, "seed=0",
         "--score", "accuracy=61"],
    ]  # fmt: skip
    code = (
        f"import sys\nfrom runners.prompts import main\n"
        f"for words in {commands!r}:\n    assert main(words) == 0, words\n"
        "print('loaded:', *({'torch', 'transformers', 'ray', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("loaded:\n")

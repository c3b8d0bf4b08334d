"""What is named on the command line, as models to be served."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from runners.catalogue import Catalogue
from runners.prompt.exporting import export_peft
from runners.record import TrialRecord
from runners.serving.frozen import load_frozen
from runners.serving.sources import SHIPPED, Found, find_models, model_of, parse_sources
from runners.store import Store

Commit = Callable[..., tuple[TrialRecord, torch.Tensor]]


def _find(*words: object, **more: Any) -> Found:
    return find_models(parse_sources([str(word) for word in words]), Catalogue(), **more)


def test_a_store_serves_the_best_prompt_of_each_task(store: Store, commit_prompt: Commit) -> None:
    """Catches a prompt that is not the best, of another task, or with other numbers."""
    commit_prompt(task="rte", score=60.0)
    best, prompt = commit_prompt(task="rte", seed=1, score=70.0)
    commit_prompt(task="wic", score=55.0)
    found = _find(store.root)
    assert [model.name for model in found.models] == ["rte", "wic"]
    (served,) = found.models[0].prompts
    assert served.id == best.trial_id
    assert np.array_equal(served.vectors, prompt.numpy())
    assert served.labels == ("entailment", "not_entailment")
    filtered = _find(store.root, "seed=0", "task=rte")
    assert [p.score for m in filtered.models for p in m.prompts] == [60.0]


def test_votes_add_an_ensemble_of_the_best(store: Store, commit_prompt: Commit) -> None:
    """Catches voters that are not the best, or an ensemble in place of the prompt."""
    ids = [commit_prompt(task="rte", seed=n, score=60.0 + n)[0].trial_id for n in range(4)]
    found = _find(store.root, votes=3)
    assert [model.name for model in found.models] == ["rte", "rte-vote"]
    assert [p.id for p in found.models[1].prompts] == ids[:0:-1]


def test_votes_that_cannot_be_had_are_refused(
    store: Store, commit_prompt: Commit, tmp_path: Path
) -> None:
    """Catches an ensemble that is left out, or has fewer voters than were asked for."""
    for task, count in (("rte", 2), ("wic", 1), ("cb", 3)):
        records = [commit_prompt(task=task, seed=n)[0] for n in range(count)]
    export_peft(records[0], store, Catalogue(), tmp_path / "out", with_model=True)
    np.save(tmp_path / "rte.npy", np.ones((5, 32), dtype=np.float32))
    with pytest.raises(ValueError, match="task rte: has 2 trials on nano 60k") as error:
        _find(store.root, votes=3)
    assert [line.split(":")[0] for line in str(error.value).splitlines()] == [
        "task rte", "task wic",
    ]  # fmt: skip
    trial = Path(store.path(records[0].trial_id, "prompt.safetensors")).parent
    file = [tmp_path / "rte.npy", "model_size=60k", "pretraining_objective=span_corruption"]
    for words in (["shipped"], [tmp_path / "out" / "adapter"], [tmp_path / "out"], file, [trial]):
        with pytest.raises(ValueError, match=r"is not a store, whose trials could vote, and votes"):
            _find(*words, votes=3)
    with pytest.raises(ValueError, match="votes 1: an ensemble has 2 prompts or more"):
        _find(store.root, votes=1)


def test_of_several_frozen_models_the_most_useful_is_served_and_told(
    store: Store, commit_prompt: Commit
) -> None:
    """Catches prompts that are put before a model that they were not tuned on."""
    commit_prompt(task="rte", score=99.0, model_size="200k")
    commit_prompt(task="rte", score=60.0)
    commit_prompt(task="wic", score=60.0)
    found = _find(store.root)
    assert found.frozen.size == "60k"
    assert "2 frozen models" in found.notes[-1]
    assert _find(store.root, "model_size=200k").frozen.size == "200k"


def test_a_trial_a_peft_folder_and_a_npy_file_are_the_same_prompt(
    store: Store, commit_prompt: Commit, tmp_path: Path
) -> None:
    """Catches a way in that changes numbers, or loses the task, the limit or the model."""
    record, prompt = commit_prompt(task="rte")
    trial = Path(store.path(record.trial_id, "prompt.safetensors")).parent
    export_peft(record, store, Catalogue(), tmp_path / "out", with_model=True)
    np.save(tmp_path / "rte.npy", prompt.numpy())
    words = ["model_size=60k", "pretraining_objective=span_corruption"]
    ways = [
        _find(trial), _find(trial.parent), _find(tmp_path / "out" / "adapter"),
        _find(tmp_path / "rte.npy", *words),
    ]  # fmt: skip
    for way in ways:
        (model,) = way.models
        assert model.name == "rte"
        assert np.array_equal(model.prompts[0].vectors, prompt.numpy())
    assert ways[2].models[0].prompts[0].id == record.trial_id
    assert ways[2].frozen.folder == str(tmp_path / "out" / "base")
    written = load_frozen(ways[2].frozen, Catalogue())
    shipped = load_frozen(ways[0].frozen, Catalogue())
    for name, weight in shipped.weights.items():
        assert torch.equal(written.weights[name], weight)


def test_names_are_told_apart(store: Store, commit_prompt: Commit) -> None:
    """Catches a prompt that hides another of its task."""
    first, second = (commit_prompt(task="rte", seed=n)[0] for n in range(2))
    folders = [Path(store.path(r.trial_id, "prompt.safetensors")).parent for r in (first, second)]
    names = [model.name for model in _find(*folders).models]
    assert names == ["rte", f"rte-{second.trial_id}"]


def test_files_that_name_one_trial_are_prompts_of_their_own(
    store: Store, commit_prompt: Commit, tmp_path: Path
) -> None:
    """Catches a prompt that answers with the numbers of another, whose trial its file names."""
    record, prompt = commit_prompt(task="rte")
    for name in ("one", "two", "three"):
        export_peft(record, store, Catalogue(), tmp_path / name, with_model=True)
        base = tmp_path / name / "base"
        if name != "one":
            shutil.rmtree(base)
            base.symlink_to(tmp_path / "one" / "base")
            file = tmp_path / name / "adapter" / "adapter_model.safetensors"
            other = {key: t + len(name) for key, t in load_file(file).items()}
            save_file(other, file, metadata={"format": "pt"})
    models = _find(*(tmp_path / name / "adapter" for name in ("one", "two", "three"))).models
    first, second, third = (model.prompts[0] for model in models)
    assert first.id == second.id == third.id == record.trial_id
    assert len({first.key, second.key, third.key}) == 3
    assert [model.name for model in models] == [
        "rte", f"rte-{record.trial_id}", f"rte-{third.key}",
    ]  # fmt: skip
    assert np.array_equal(first.vectors, prompt.numpy())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["seed=0"], "seed=0: stands before any source; name a store or a prompt first"),
        (["nowhere"], "nowhere: is not there; give a store, a PEFT folder or a .npy file"),
        (["{tmp}/prompt.pt"], "is a pickle, which can run code when it is read"),
        (["{tmp}/text.txt"], "is no NumPy array"),
        (["{tmp}/empty"], "has no committed trial of prompt_tuning"),
        (
            [
                "{tmp}/wide.npy",
                "task=rte",
                "model_size=60k",
                "pretraining_objective=span_corruption",
            ],
            "its vectors have 48 numbers, and those of nano 60k have 32; say what it was tuned on",
        ),
    ],
)
def test_what_is_no_prompt_is_refused(tmp_path: Path, words: list[str], message: str) -> None:
    """Catches a mistake that is told as a traceback, by Ray, and a pickle that is read."""
    (tmp_path / "prompt.pt").write_bytes(b"PK")
    (tmp_path / "text.txt").write_text("hello")
    (tmp_path / "empty").mkdir()
    np.save(tmp_path / "wide.npy", np.ones((5, 48), dtype=np.float32))
    with pytest.raises(ValueError, match=re.escape(message)):
        _find(*(word.format(tmp=tmp_path) for word in words))


def test_a_model_is_made_of_committed_trials_alone(store: Store, commit_prompt: Commit) -> None:
    """Catches voters of two tasks, a voter that counts twice, and a name that is a path."""
    one, two = commit_prompt(task="rte")[0].trial_id, commit_prompt(task="wic")[0].trial_id
    assert model_of("mine", [one], store, Catalogue()).task == "rte"
    for name, trials, message in (
        ("mine", [one, two], "let prompts of one task vote"),
        ("mine", [one, one], "votes twice; name each prompt once"),
        ("mine", [], "has no prompt"),
        ("../mine", [one], "choose another name"),
        ("x" * 65, [one], "choose another name"),
        ("mine", ["0" * 16], "is not committed"),
    ):
        with pytest.raises(ValueError, match=message):
            model_of(name, trials, store, Catalogue())


def test_what_ships_is_complete_and_small() -> None:
    """Catches a shipped prompt without its model, its trial or its score, or weights that grow."""
    found = _find("shipped")
    assert {m.name for m in found.models} == {
        "boolq", "cb", "multirc", "record", "rte", "wic", "wsc",
    }  # fmt: skip
    for model in found.models:
        (prompt,) = model.prompts
        assert prompt.predictions
        assert prompt.score is not None and prompt.score > 70
        assert prompt.vectors.nbytes < 30_000
    assert sum(f.stat().st_size for f in SHIPPED.rglob("*") if f.is_file()) < 4 * 2**20
    assert not [f for f in SHIPPED.rglob("*") if f.suffix in {".bin", ".pt", ".pkl"}]

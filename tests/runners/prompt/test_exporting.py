"""Prompts of committed trials as files."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.torch import save_file
from transformers import AutoModelForSeq2SeqLM

from runners.catalogue import Catalogue
from runners.config import TrialConfig, adaptation_of, from_mapping
from runners.model import t5
from runners.model.checkpoint import WEIGHTS
from runners.model.dropout import NONE
from runners.model.loading import load_backbone, load_pretrained
from runners.model.t5_backbone import T5Backbone
from runners.prompt.exporting import (
    export_chosen,
    export_npy,
    export_peft,
    new_folder,
    prompt_of,
    prompt_trial,
)
from runners.prompt.npy_format import read_npy, write_npy
from runners.prompt.peft_format import CONFIG, read_peft
from runners.prompt.soft_prompt import Prompted, stack
from runners.record import TrialRecord
from runners.store import DefectError, Store

Commit = Callable[..., tuple[TrialRecord, torch.Tensor]]
ADAPTED = {
    "pretraining_objective": "lm_adaptation", "lm_adaptation_steps": 10,
    "lm_adaptation_batch_size": 4, "lm_adaptation_learning_rate": 0.001, "lm_adaptation_seed": 0,
}  # fmt: skip
RELEASED = {
    "model_family": "t5", "model_size": "small", "pretraining_objective": "lm_adaptation",
    "lm_adaptation_steps": 100000,
}  # fmt: skip


def _commit_milestone(store: Store, config: TrialConfig) -> None:
    """The milestone that a trial starts from: the shipped 60k, moved."""
    adaptation = adaptation_of(config)
    assert adaptation is not None
    pretrained = load_pretrained(Catalogue(), "nano", "60k", "float32")
    attempt = store.begin(adaptation.milestone_id(config.lm_adaptation_steps))
    moved = {name: weight * 1.1 for name, weight in pretrained.weights.items()}
    save_file(moved, attempt.folder / WEIGHTS)
    attempt.commit(
        TrialRecord(
            trial_id=attempt.trial_id, attempt=attempt.id, stage="lm_adaptation", label="60k-lm10",
            config={"model_family": "nano", "model_size": "60k"}, metrics={},
            provenance={"base_checkpoint": pretrained.fingerprint}, files={},
        )
    )  # fmt: skip


def _export(record: TrialRecord, store: Store, out: Path, *, with_model: bool = False) -> Path:
    return export_peft(record, store, Catalogue(), out, with_model=with_model)


def test_a_prompt_leaves_as_npy_bit_for_bit(
    store: Store, commit_prompt: Commit, tmp_path: Path
) -> None:
    """Catches a prompt that is another one outside the store."""
    record, prompt = commit_prompt()
    path = export_npy(record, store, tmp_path / "out")
    assert path == tmp_path / "out" / "prompt.npy"
    assert read_npy(path).vectors.tobytes() == prompt.numpy().tobytes()


def test_a_prompt_of_a_released_model_is_a_folder_that_names_it(
    store: Store, commit_prompt: Commit, tmp_path: Path
) -> None:
    """Catches a folder that names the model before adaptation, or another architecture."""
    record, prompt = commit_prompt(**RELEASED)
    assert _export(record, store, tmp_path / "out") == tmp_path / "out"
    found = read_peft(tmp_path / "out")
    np.testing.assert_array_equal(found.vectors, prompt.numpy())
    assert (found.base_model, found.architecture) == ("google/t5-small-lm-adapt", "t5")
    config = json.loads((tmp_path / "out" / CONFIG).read_text())
    assert (config["num_layers"], config["num_attention_heads"]) == (8, 6)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "base_model: google/t5-small-lm-adapt" in card
    assert str(tmp_path) not in card


@pytest.mark.parametrize(
    ("changes", "where"),
    [({}, "package:runners/microworld/ladder/60k"), (ADAPTED, "a milestone in the store")],
)
def test_a_model_that_nobody_can_load_by_name_is_asked_for(
    store: Store, commit_prompt: Commit, tmp_path: Path, changes: dict[str, Any], where: str
) -> None:
    """Catches a folder to share that names a path of this machine, or the wrong weights."""
    record, _ = commit_prompt(**changes)
    message = (
        rf"^trial {record.trial_id} \({record.label}\): its frozen model nano 60k is {where}, "
        "which nobody else can load by name; add --with-model, and the model is written beside "
        "the prompt$"
    )
    with pytest.raises(ValueError, match=message):
        _export(record, store, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store"]


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
@pytest.mark.parametrize("changes", [{}, ADAPTED], ids=["pretrained", "adapted"])
def test_peft_over_the_written_model_gives_the_logits_of_the_trial(
    store: Store, commit_prompt: Commit, tmp_path: Path, changes: dict[str, Any]
) -> None:
    """Catches a prompt that is shared with a model that it was not tuned on."""
    record, prompt = commit_prompt(**changes)
    config = from_mapping(record.config)
    if changes:
        _commit_milestone(store, config)
    folder = _export(record, store, tmp_path / "out", with_model=True)
    assert folder == tmp_path / "out" / "adapter"
    assert read_peft(folder).base_model == str(tmp_path / "out" / "base")
    model = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "out" / "base")
    loaded = PeftModel.from_pretrained(model, str(folder)).eval()
    ids = torch.randint(3, 600, (2, 8), generator=torch.Generator().manual_seed(0))
    start = torch.zeros(2, 1, dtype=torch.int64)
    with torch.no_grad():
        theirs = loaded(
            input_ids=ids, attention_mask=torch.ones_like(ids), decoder_input_ids=start
        ).logits
    backbone = load_backbone(config, store, Catalogue())
    assert isinstance(backbone, T5Backbone)
    # Float32, sums in another order; logits here reach 10 and more.
    torch.testing.assert_close(theirs, _logits(backbone, prompt, ids, start), rtol=1e-5, atol=1e-4)


@torch.no_grad()
def _logits(
    backbone: T5Backbone, prompt: torch.Tensor, ids: torch.Tensor, start: torch.Tensor
) -> torch.Tensor:
    behind = Prompted(bank=stack([prompt]), of_row=torch.zeros(len(ids), dtype=torch.int64))
    embedded, mask = behind.before(backbone.embed(backbone.weights, ids), torch.ones_like(ids))
    encoded = t5.encode(backbone.shape, backbone.weights, embedded, mask, NONE)
    memory = t5.memory_of(encoded, mask)
    hidden = t5.decode(backbone.shape, backbone.weights, start, memory, NONE)
    return t5.logits(backbone.shape, backbone.weights, hidden)


def test_chosen_trials_share_the_models_that_they_share(
    store: Store, commit_prompt: Commit, tmp_path: Path
) -> None:
    """Catches a copy of the model for each prompt, or one model under prompts of two."""
    chosen = {task: (commit_prompt(task=task)[0], "The best of 2.") for task in ("cb", "boolq")}
    adapted, _ = commit_prompt(task="rte", **ADAPTED)
    _commit_milestone(store, from_mapping(adapted.config))
    chosen["rte"] = (adapted, "The best of 3.")
    out = tmp_path / "best"
    paths = export_chosen(chosen, store, Catalogue(), out, with_model=True)
    assert paths == [out / "cb", out / "boolq", out / "rte"]
    bases = {path.name: read_peft(path).base_model for path in paths}
    assert bases["cb"] == bases["boolq"] == str(out / "base" / "nano-60k-float32")
    assert {str(path) for path in (out / "base").iterdir()} == set(bases.values())
    assert "The best of 3." in (out / "rte" / "README.md").read_text()
    assert 'base = "../base/nano-60k-float32"' in (out / "cb" / "README.md").read_text()


def test_one_prompt_that_cannot_leave_keeps_all(
    store: Store, commit_prompt: Commit, tmp_path: Path
) -> None:
    """Catches half of a folder, whose other half is told as an error."""
    chosen = {"a": (commit_prompt(**RELEASED)[0], ""), "b": (commit_prompt()[0], "")}
    with pytest.raises(ValueError, match="add --with-model"):
        export_chosen(chosen, store, Catalogue(), tmp_path / "best", with_model=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store"]


@pytest.mark.parametrize(
    ("checkpoint", "revision"),
    [
        ("google/t5-small-lm-adapt@abc123", "abc123"),
        ("google/t5-small-lm-adapt", None),
        ("google/other@abc123", None),
    ],
)
def test_the_commit_that_a_trial_has_seen_is_named(
    store: Store, commit_prompt: Commit, tmp_path: Path, checkpoint: str, revision: str | None
) -> None:
    """Catches a prompt that is loaded over whatever the hub has tomorrow."""
    record, _ = commit_prompt(**RELEASED)
    record.provenance["checkpoint"] = checkpoint
    _export(record, store, tmp_path / "out")
    assert json.loads((tmp_path / "out" / CONFIG).read_text())["revision"] == revision
    card = (tmp_path / "out" / "README.md").read_text()
    assert ('revision="abc123"' in card) is (revision is not None)


def test_a_trial_that_is_not_there_or_has_no_prompt_is_refused(
    store: Store, commit_prompt: Commit
) -> None:
    """Catches a traceback about a file, in place of what was asked for."""
    lone, _ = commit_prompt(method="model_tuning", prompt_length=None, prompt_init=None)
    message = (
        f"trial {lone.trial_id} ({lone.label}): is of model_tuning, which trains no prompt; give a "
        "trial of prompt_tuning"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        prompt_trial(store, lone.trial_id)
    absent = "0123456789abcdef"
    message = (
        f"trial {absent}: is not committed in store {store.root}; promptscale best lists trials "
        "that are"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        prompt_trial(store, absent)
    with pytest.raises(ValueError, match="is not 16 hex digits"):
        prompt_trial(store, "wsc")


def test_a_prompt_that_is_not_what_was_committed_is_refused(
    store: Store, commit_prompt: Commit
) -> None:
    """Catches bits that fell over on the disk and are shared as the winner."""
    record, prompt = commit_prompt()
    path = Path(store.path(record.trial_id, "prompt.safetensors"))
    save_file({"prompt": prompt + 1}, path)
    with pytest.raises(DefectError, match="is not what was committed; withdraw the trial"):
        prompt_of(record, store)


def test_a_prompt_of_another_length_than_its_config_is_refused(
    store: Store, commit_prompt: Commit
) -> None:
    """Catches a record whose config is not that of its prompt."""
    record, _ = commit_prompt(prompt_length=5)
    record.config["prompt_length"] = 6
    with pytest.raises(ValueError, match="has 5 positions, and prompt_length of its trial is 6"):
        prompt_of(record, store)


def test_nothing_is_written_over_and_nothing_is_left_half(tmp_path: Path) -> None:
    """Catches an older result that is gone, or a folder that a failure left half."""
    there = tmp_path / "there"
    there.mkdir()
    with new_folder(there) as draft:
        (draft / "file").write_text("first")
    assert (there / "file").read_text() == "first"
    message = f"{there}: is there already; name a new folder, for nothing is written over"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"), new_folder(there):
        pass
    with pytest.raises(ValueError, match="is not finite"):
        _fail_halfway(tmp_path / "deep" / "new")
    assert list((tmp_path / "deep").iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {"there", "deep"}


def _fail_halfway(out: Path) -> None:
    with new_folder(out) as draft:
        write_npy(draft / "first.npy", np.ones((2, 3), np.float32))
        write_npy(draft / "second.npy", np.full((2, 3), np.nan, np.float32))

"""The README.md of a shared prompt."""

import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runners import prompts
from runners.catalogue import Catalogue
from runners.config import from_mapping, parse_overrides
from runners.prompt.card import card
from runners.prompt.peft_format import Base
from runners.record import TrialRecord
from runners.store import Store

Commit = Callable[..., tuple[TrialRecord, Any]]
RELEASED = Base(name="some/model", released=True, revision="abc", architecture="t5")


def _card(record: TrialRecord, base: Base = RELEASED, **options: Any) -> str:
    given = {"catalogue": Catalogue(), **options}
    return card(record, from_mapping(record.config), base=base, place=base.name, **given)


def _command(text: str) -> list[str]:
    """The words of the command in a card, as a shell reads them."""
    return shlex.split(text.partition("```sh\n")[2].partition("\n```")[0].replace("\\\n", ""))


def test_a_card_names_task_score_model_and_origin(commit_prompt: Commit) -> None:
    """Catches a prompt of which nobody knows what it is for, or how good it is."""
    record, _ = commit_prompt(score=71.25)
    text = _card(record, choice="The best of 3.")
    assert text.startswith("---\nbase_model: some/model\nlibrary_name: peft\n")
    assert "for the task `boolq` of `microworld`" in text
    assert "(`some/model`, revision `abc`)" in text
    assert "**71.25** of 100, measured on the first 12 dev examples; the best that needs no" in text
    assert "The best of 3." in text
    assert 'AutoModelForSeq2SeqLM.from_pretrained(base, revision="abc")' in text
    assert f"| `trial_id` | {record.trial_id} |\n| `code` | c0de |" in text


def test_a_card_says_on_how_many_examples_there_were(commit_prompt: Commit) -> None:
    """Catches a score on CB's 56 examples that is shared as one on the first 300."""
    record, _ = commit_prompt(dev_examples=300)
    few = replace(record, provenance={**record.provenance, "examples": {"train": 64, "dev": 56}})
    assert "measured on the 56 dev examples" in _card(few)


def test_the_command_of_a_card_gives_the_same_trial(commit_prompt: Commit) -> None:
    """Catches a field that is left out of the card, or one that no command line reads."""
    record, _ = commit_prompt(dropout=0.1, parameter_scaling=True, dev_examples=None)
    words = [word for word in _command(_card(record))[4:] if "=" in word]
    config = from_mapping(parse_overrides(words[:-2]))
    assert config.trial_id == record.trial_id
    assert words[-2:] == ["accuracy=50", "chance=50"]


def test_the_command_of_a_card_imports_what_was_judged_on_other_tasks(
    commit_prompt: Commit, tmp_path: Path, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a card whose own command is refused, since it states what is only ever measured."""
    record, prompt = commit_prompt(transfer_tasks="cb,squad_people")
    text = _card(record)
    assert "The scores on cb, squad_people are part of the trial above, and not of the one" in text
    np.save(tmp_path / "prompt.npy", prompt.numpy())
    places = {"STORE": str(tmp_path / "other"), "FOLDER": str(tmp_path / "prompt.npy")}
    words = [places.get(word, word) for word in _command(text)[1:]]
    assert prompts.main(words) == 0, capsys.readouterr().err
    (imported,) = Store(places["STORE"]).records()
    config = replace(from_mapping(record.config), transfer_tasks=None)
    assert imported.trial_id == config.trial_id


def test_a_stated_score_is_called_so(commit_prompt: Commit) -> None:
    """Catches somebody's claim that is shared as a measurement."""
    record, _ = commit_prompt(measured=False, dev_examples=None)
    text = _card(record)
    assert "**50.00** of 100, as stated by whoever imported it, not measured, on dev." in text


def test_a_model_that_is_not_released_is_not_named_to_the_hub(commit_prompt: Commit) -> None:
    """Catches a folder name that the hub takes for somebody's model."""
    record, _ = commit_prompt()
    base = Base(name="../base", released=False, revision=None, architecture="t5")
    assert "base_model" not in _card(record, base)
    assert 'base = "../base"' in _card(record, base)


@pytest.mark.parametrize("architecture", ["t5", "causal"])
def test_a_card_says_how_inputs_and_answers_look(commit_prompt: Commit, architecture: str) -> None:
    """Catches a prompt that is used on inputs unlike those it was tuned on."""
    record, _ = commit_prompt(pretraining_objective="span_corruption_sentinel")
    base = Base(name="a/model", released=True, revision=None, architecture=architecture)
    text = _card(record, base)
    assert "Answers begin with `<extra_id_0>`" in text
    assert ("Give PEFT rows of one length" in text) is (architecture == "causal")
    assert ("AutoModelForCausalLM" in text) is (architecture == "causal")
    assert "<extra_id_0>" not in _card(commit_prompt()[0], base)

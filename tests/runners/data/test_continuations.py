"""What LM adaptation reads, and what is refused before it reads anything."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from runners.catalogue import Catalogue
from runners.catalogue_section import add_text
from runners.config import AdaptationConfig
from runners.data import continuations as module
from runners.data.continuations import read_continuations, text_of
from runners.data.corpus import PrefixRows, read_microworld
from runners.data.text import WINDOW, read_text
from runners.data.windows import PrefixWindows
from runners.microworld.exchanges import CONVERSATION
from runners.model.t5_backbone import T5Backbone

CONFIG = AdaptationConfig(
    model_family="nano", model_size="60k", batch_size=4, learning_rate=0.003, seed=2,
    compute_dtype="float32",
)  # fmt: skip


def test_the_embedded_world_is_read_as_it_always_was(
    backbone: T5Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches milestones under old ids that have read something else.

    The reference is what `runners.lm_adaptation` did before there was any text.
    """
    monkeypatch.setattr(module, "DOCUMENTS", 50)
    read = read_continuations(CONFIG, None, backbone.codec)
    tokenizer = backbone.codec.tokenizer
    common = {"batch_size": 4, "end_id": 1, "salient": 0.8, "longest": 16}
    for rows, seed, document_seed, documents in (
        (read.train, 2, 1002, 50),
        (read.held_out, 0, 999, 16),
    ):
        found = read_microworld(
            tokenizer, seed=document_seed, documents=documents, mix=CONVERSATION
        )
        expected = PrefixRows(documents=found, seed=seed, **common)
        for step in (0, 5):
            for row, reference in zip(rows.batch(step), expected.batch(step), strict=True):
                assert row.input_ids.tolist() == reference.input_ids.tolist()
                assert row.target_ids.tolist() == reference.target_ids.tolist()


def test_text_is_read_in_windows_and_held_out_text_is_not_trained_on(
    backbone: T5Backbone, text_folder: Path
) -> None:
    """Catches a held-out loss on what was trained on, or continuations of 16 tokens."""
    text = read_text(text_folder)
    read = read_continuations(CONFIG, text, backbone.codec)
    assert isinstance(read.train, PrefixWindows) and isinstance(read.held_out, PrefixWindows)
    for windows, documents in (
        (read.train.windows, text.train),
        (read.held_out.windows, text.held_out),
    ):
        encoded = backbone.codec.tokenizer(list(documents), add_special_tokens=False)["input_ids"]
        assert windows.stream.tolist() == [token for row in encoded for token in row]
        assert (windows.length, windows.batch_size) == (WINDOW, 4)
    assert read.train.windows.seed == 2
    lengths = [len(row.target_ids) for step in range(8) for row in read.train.batch(step)]
    assert max(lengths) > 16
    # A seed of its own would make the losses of two adaptations of different windows.
    other = read_continuations(replace(CONFIG, seed=3), text, backbone.codec)
    assert other.held_out.batch(0)[0].input_ids.tolist() == (
        read.held_out.batch(0)[0].input_ids.tolist()
    )


def test_the_text_is_found_by_its_fingerprint(text_folder: Path) -> None:
    """Catches a worker that reads another folder than the one that was planned."""
    catalogue, fingerprint = add_text(Catalogue(), text_folder)
    found = text_of(replace(CONFIG, text=fingerprint), catalogue)
    assert found == read_text(text_folder.resolve())
    assert text_of(CONFIG, catalogue) is None


def test_a_family_that_has_not_read_the_world_needs_a_text() -> None:
    """Catches documents of the embedded world in the pieces of a foreign tokenizer."""
    message = (
        "lm_adaptation_text: None is missing for family t5, which has not read the embedded "
        "world; give a folder of text (--text, or settings.lm_adaptation.text)"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        text_of(replace(CONFIG, model_family="t5", model_size="small"), Catalogue())


def test_a_fingerprint_without_a_folder_is_refused() -> None:
    """Catches an adaptation that reads the embedded world for want of the text."""
    message = (
        "lm_adaptation_text: 0123 is the fingerprint of no folder that is named here; name the "
        "folder, with --text or as settings.lm_adaptation.text of a spec"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        text_of(replace(CONFIG, text="0123"), Catalogue())


def test_a_text_that_has_changed_is_refused(tmp_path: Path, text_folder: Path) -> None:
    """Catches a milestone under the id of a text that it has not read."""
    folder = tmp_path / "text"
    shutil.copytree(text_folder, folder)
    catalogue, fingerprint = add_text(Catalogue(), folder)
    with (folder / "one.txt").open("a") as file:
        file.write("\n\nOne more.")
    now = read_text(folder).fingerprint
    message = (
        f"text: '{folder}' had fingerprint {fingerprint} when it was first read, and has {now} "
        "now; restore it, or start again"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        text_of(replace(CONFIG, text=fingerprint), catalogue)
